//! A lock that survives fork.
//!
//! The compare-and-swap from 0 admits one live owner. The lock is taken over only from an owner that does
//! not run any more: another memory's, a thread that has ended, or this thread's own call that was left by
//! siglongjmp(3).

use crate::rt::annotate;
use crate::rt::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::rt::{registry, sys};

/// Who holds a lock: which memory it runs in, and which thread of that ([`registry::owner_id`]).
type Owner = u64;

/// A lock that names its owner, so that a waiter can tell an owner that will never return.
///
/// After fork(2) only the forking thread lives on: a lock that another thread held would stay locked
/// for ever in the child. `pthread_atfork` handlers would make every fork of the program wait for our
/// locks instead. So the word holds the memory and the thread that the owner runs in, and a waiter that
/// finds another memory, or a thread that is gone, takes the lock over. What such a lock guards is one
/// word, so that it is whole between any two instructions: `sync::OneWord`.
///
/// Waiting is never needed for a right answer. It saves work: whoever may not wait, or has waited long
/// enough, reads the file without the lock. So there is no way to be stuck here.
pub(crate) struct ForkLock {
    owner: AtomicU64,
    /// Counts the releases; waiters sleep on it.
    releases: AtomicU32,
    /// Somebody sleeps, or has slept.
    has_sleepers: AtomicBool,
    /// An owner that was waited for in vain: it is alive, but has perhaps left its call by
    /// siglongjmp(3). Nobody waits for it again.
    given_up: AtomicU64,
}

/// How long an owner is waited for: longer than any file on a healthy disk takes. An owner that has left
/// its call by siglongjmp(3) lets go at its next question (`rt::thread`).
const WAIT_MS: i64 = 10_000;
/// How long a waiter sleeps before it looks whether the owner is still there.
const SLEEP_MS: i64 = 1000;

impl ForkLock {
    /// Not locked.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            owner: AtomicU64::new(0),
            releases: AtomicU32::new(0),
            has_sleepers: AtomicBool::new(false),
            given_up: AtomicU64::new(0),
        }
    }

    /// Not locked.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            owner: AtomicU64::new(0),
            releases: AtomicU32::new(0),
            has_sleepers: AtomicBool::new(false),
            given_up: AtomicU64::new(0),
        }
    }

    /// Tries once; else gives the owner.
    pub(crate) fn take(&self, me: Owner) -> Result<(), Owner> {
        let seen = match self.owner.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                annotate::acquired(self);
                return Ok(());
            }
            Err(seen) => seen,
        };
        // A thread asks for a lock in its outermost call alone. If it holds the lock already, that
        // was in a call that a signal handler has left.
        let is_dead = seen == me || !registry::is_alive(seen);
        let taken = || self.owner.compare_exchange(seen, me, Ordering::Acquire, Ordering::Relaxed);
        if is_dead && taken().is_ok() {
            annotate::acquired(self);
            return Ok(());
        }
        Err(seen)
    }

    /// Takes the lock, after a sleep if need be; false if it may not be waited for, or not any longer.
    pub(crate) fn wait(&self) -> bool {
        let me = registry::owner_id();
        let mut left_ms = WAIT_MS;
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
            if left_ms <= 0 {
                self.given_up.store(owner, Ordering::Relaxed);
                return false;
            }
            self.has_sleepers.swap(true, Ordering::SeqCst);
            // The owner may have released the lock before it could see that somebody sleeps.
            if self.owner.load(Ordering::SeqCst) != owner {
                continue;
            }
            if sys::wait_while(&self.releases, releases, SLEEP_MS).is_err() {
                return false;
            }
            left_ms -= SLEEP_MS;
        }
    }

    /// Lets go, if the calling thread holds it: in a call that was left by siglongjmp(3).
    pub(crate) fn leave(&self) {
        if self.owner.load(Ordering::Relaxed) == registry::owner_id() {
            self.release();
        }
    }

    /// Lets the lock go, and wakes who sleeps for it.
    pub(crate) fn release(&self) {
        annotate::releases(self);
        self.owner.swap(0, Ordering::SeqCst);
        self.releases.fetch_add(1, Ordering::Release);
        annotate::is_futex(&raw const self.releases);
        // The flag stays: another owner may have come meanwhile, and who sleeps now may sleep for that one.
        // A wake-up costs little beside what is done under the lock.
        if self.has_sleepers.load(Ordering::SeqCst) {
            sys::wake_all(&self.releases);
        }
    }
}
