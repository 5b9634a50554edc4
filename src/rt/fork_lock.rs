//! A lock that survives fork.
//!
//! After fork(2) the child has only the thread that forked: a lock that another thread held would stay locked
//! there for ever. With `pthread_atfork` handlers every fork of the program would wait for our locks instead.
//! So the lock's word holds the owner's address space and thread. The compare-and-swap from 0 admits one live owner,
//! and a waiter takes the lock over only from an owner that cannot release it any more: one of another address space,
//! a thread that has ended, or an abandoned call of this thread. Such a lock guards no data
//! (`sync::ForkMutex`), because that would be half changed then.
//!
//! Nobody waits here for ever: a thread that may not wait, or has waited long enough, goes on without the lock. Where a
//! file is read that costs work and nothing else; a module's enumeration may then have two threads in it.

use crate::rt::annotate;
use crate::rt::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, const_fn};
use crate::rt::{registry, sys};

/// Who holds a lock: an address space, and a thread in it ([`registry::owner_id`]).
type Owner = u64;

/// True if the owner is the thread `me`, now or when it was alone: then its address space was 0.
fn is_own(owner: Owner, me: Owner) -> bool {
    owner == me || owner == me & 0xffff_ffff
}

/// A lock that names its owner.
pub(crate) struct ForkLock {
    owner: AtomicU64,
    /// Counts the releases; waiters sleep on it.
    releases: AtomicU32,
    /// A thread sleeps, or has slept.
    has_sleepers: AtomicBool,
    /// An owner that did not release the lock in time: it is alive, but may have abandoned its call. Nobody
    /// waits for it before it has released the lock.
    given_up: AtomicU64,
}

/// How long a waiter waits: longer than any file on a healthy disk takes. An owner that has abandoned its call
/// releases the lock in its next one (`rt::thread`).
const WAIT_NS: i64 = 10_000_000_000;
/// How long a waiter sleeps before it checks that the owner is still there.
const SLEEP_MS: i64 = 1000;

impl ForkLock {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                owner: AtomicU64::new(0),
                releases: AtomicU32::new(0),
                has_sleepers: AtomicBool::new(false),
                given_up: AtomicU64::new(0),
            }
        }
    }

    /// Tries once. The error is the owner.
    pub(crate) fn take(&self, me: Owner) -> Result<(), Owner> {
        let seen = match self.owner.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                annotate::acquired(self);
                return Ok(());
            }
            Err(seen) => seen,
        };
        // Only an outermost call takes a lock. So if this thread has it already, that call was abandoned.
        let is_dead = is_own(seen, me) || !registry::is_alive(seen);
        let taken = || self.owner.compare_exchange(seen, me, Ordering::Acquire, Ordering::Relaxed);
        if is_dead && taken().is_ok() {
            annotate::acquired(self);
            return Ok(());
        }
        Err(seen)
    }

    /// Takes the lock, after a sleep if need be; false if it cannot wait, or has waited long enough.
    pub(crate) fn wait(&self) -> bool {
        let me = registry::owner_id();
        let mut first = None;
        annotate::is_futex(&raw const self.releases);
        loop {
            let releases = self.releases.load(Ordering::Acquire);
            let owner = match self.take(me) {
                Ok(()) => return true,
                Err(owner) => owner,
            };
            if self.given_up.load(Ordering::Relaxed) == owner {
                return false;
            }
            let now_ns = sys::coarse_clock(libc::CLOCK_MONOTONIC_COARSE);
            let (begun_ns, releases_before) = *first.get_or_insert((now_ns, releases));
            if now_ns.saturating_sub(begun_ns) >= WAIT_NS {
                // If the lock was released meanwhile, no owner is stuck: many threads want it.
                if releases == releases_before {
                    self.given_up.swap(owner, Ordering::Relaxed);
                }
                return false;
            }
            self.has_sleepers.swap(true, Ordering::SeqCst);
            // The owner may have released the lock before it could see the flag.
            if self.owner.load(Ordering::SeqCst) != owner {
                continue;
            }
            if sys::wait_while(&self.releases, releases, SLEEP_MS).is_err() {
                return false;
            }
        }
    }

    /// Releases the lock if the calling thread holds it, in a call that was abandoned.
    pub(crate) fn leave(&self) {
        if is_own(self.owner.load(Ordering::Relaxed), registry::owner_id()) {
            self.release();
        }
    }

    /// Releases the lock, and wakes the sleepers.
    pub(crate) fn release(&self) {
        annotate::releases(self);
        self.given_up.swap(0, Ordering::Relaxed);
        self.owner.swap(0, Ordering::SeqCst);
        self.releases.fetch_add(1, Ordering::Release);
        annotate::is_futex(&raw const self.releases);
        // The flag stays set: there may be a new owner by now, and sleepers that wait for that one. A needless
        // wake-up costs little beside what is done under the lock.
        if self.has_sleepers.load(Ordering::SeqCst) {
            sys::wake_all(&self.releases);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::rt::thread::Call;

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel for a word that fork wipes")]
    fn a_thread_that_was_alone_when_it_took_a_lock_can_still_release_it() {
        let _call = Call::enter().unwrap();
        let (lock, me) = (ForkLock::new(), registry::owner_id());
        let alone = me & 0xffff_ffff;
        assert_ne!(alone, me);
        lock.take(alone).unwrap();
        lock.leave();
        assert_eq!(lock.owner.load(Ordering::Relaxed), 0);
        lock.take(alone).unwrap();
        assert_eq!(lock.take(me), Ok(()), "the call that took it was abandoned");
    }
}
