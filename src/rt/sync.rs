//! A lock that survives fork, and a value that is made once.
#![allow(unsafe_code, reason = "a lock")]

use core::sync::atomic::AtomicBool;

use lock_api::{GuardNoSend, RawMutex};
use once_cell::race::OnceBox;

use crate::rt::annotate;
use crate::rt::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::rt::errno::Errno;
use crate::rt::memory::try_box;
use crate::rt::{sys, thread};

/// Who holds a lock: which memory it runs in, and which thread of that ([`thread::name`]).
type Owner = u64;

/// A lock that names its owner, so that a waiter can tell an owner that will never return.
///
/// After fork(2) only the forking thread lives on: a lock that another thread held would stay locked
/// for ever in the child. `pthread_atfork` handlers would make every fork of the program wait for our
/// locks instead. So the word holds the memory and the thread that the owner runs in, and a waiter that
/// finds another memory, or a thread that is gone, takes the lock over. What such a lock guards is one
/// word, so that it is whole between any two instructions: [`OneWord`].
///
/// Waiting is never needed for a right answer. It saves work: whoever may not wait, or has waited long
/// enough, reads the file without the lock. So there is no way to be stuck here.
pub(crate) struct ForkLock {
    owner: AtomicU64,
    /// Counts the releases; waiters sleep on it.
    releases: AtomicU32,
    /// Somebody sleeps, or did.
    has_sleepers: AtomicBool,
    /// An owner that was waited for in vain: it is alive, but has perhaps left its call by
    /// siglongjmp(3). Nobody waits for it again.
    given_up: AtomicU64,
}

/// How long an owner is waited for: longer than any file on a healthy disk takes. An owner that has left
/// its call by siglongjmp(3) lets go at its next question (`rt::thread`).
const WAIT_MS: i64 = 10_000;
/// How long a waiter sleeps before it looks whether the owner is still there.
const NAP_MS: i64 = 1000;

impl ForkLock {
    /// Tries once; else gives the owner.
    fn take(&self, me: Owner) -> Result<(), Owner> {
        let seen = match self.owner.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                annotate::acquired(self);
                return Ok(());
            }
            Err(seen) => seen,
        };
        // A thread asks for a lock in its outermost call alone. If it holds the lock already, that
        // was in a call that a signal handler has left.
        let is_dead = seen == me || !thread::is_alive(seen);
        let taken = || self.owner.compare_exchange(seen, me, Ordering::Acquire, Ordering::Relaxed);
        if is_dead && taken().is_ok() {
            annotate::acquired(self);
            return Ok(());
        }
        Err(seen)
    }

    /// Lets go, if the calling thread holds it: in a call that was left by siglongjmp(3).
    pub(crate) fn leave(&self) {
        if self.owner.load(Ordering::Relaxed) == thread::name() {
            self.release();
        }
    }

    fn release(&self) {
        annotate::releases(self);
        self.owner.swap(0, Ordering::SeqCst);
        self.releases.fetch_add(1, Ordering::Release);
        annotate::is_futex(&raw const self.releases);
        // The flag stays set: taking it away could take away that of a waiter for the next owner.
        if self.has_sleepers.load(Ordering::SeqCst) {
            sys::wake_all(&self.releases);
        }
    }

    fn wait(&self, me: Owner) -> bool {
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
            if sys::wait_while(&self.releases, releases, NAP_MS).is_err() {
                return false;
            }
            left_ms -= NAP_MS;
        }
    }
}

// SAFETY: the compare-and-swap from 0 admits one live owner. A lock is taken over only from an owner
// that does not run any more: another memory's, a thread that has ended, or this thread's own call that
// was left by siglongjmp(3).
unsafe impl RawMutex for ForkLock {
    #[allow(clippy::declare_interior_mutable_const, reason = "how lock_api spells a new lock")]
    const INIT: Self = Self {
        owner: AtomicU64::new(0),
        releases: AtomicU32::new(0),
        has_sleepers: AtomicBool::new(false),
        given_up: AtomicU64::new(0),
    };
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {}
    }

    fn try_lock(&self) -> bool {
        self.wait(thread::name())
    }

    unsafe fn unlock(&self) {
        self.release();
        thread::set_lock(None);
    }
}

/// What one word holds: whole between any two instructions, and so whenever a lock is taken over.
pub(crate) trait OneWord: Copy {}
impl OneWord for u32 {}

/// A word behind a [`ForkLock`].
pub(crate) struct ForkMutex<T: OneWord>(lock_api::Mutex<ForkLock, T>);

impl<T: OneWord> ForkMutex<T> {
    /// A word that is not locked.
    pub(crate) const fn new(value: T) -> Self {
        Self(lock_api::Mutex::new(value))
    }

    /// Sleeps until the lock is free; `None` if it may not be waited for, or not any longer.
    pub(crate) fn lock(&'static self) -> Option<lock_api::MutexGuard<'static, ForkLock, T>> {
        // SAFETY: nothing is done with the lock here; it is only written down.
        thread::set_lock(Some(unsafe { self.0.raw() }));
        let guard = self.0.try_lock();
        if guard.is_none() {
            thread::set_lock(None);
        }
        guard
    }
}

/// A value that is made once, by whoever needs it first; a failed attempt leaves nothing behind.
pub(crate) struct TryOnce<T>(OnceBox<T>);

impl<T> TryOnce<T> {
    /// Not made.
    pub(crate) const fn new() -> Self {
        Self(OnceBox::new())
    }

    /// The value, if it is made.
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&T> {
        let made = self.0.get();
        annotate::acquired(self);
        made
    }

    /// The value, made now if need be. Threads that come here at once each make one, and the first
    /// counts.
    #[inline]
    pub(crate) fn get_or_try_init(
        &self,
        make: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<&T, Errno> {
        match self.get() {
            Some(made) => Ok(made),
            None => self.init(make),
        }
    }

    #[cold]
    fn init(&self, make: impl FnOnce() -> Result<T, Errno>) -> Result<&T, Errno> {
        let new = try_box(make()?)?;
        annotate::releases(self);
        // Another thread may have been first; then its value is taken.
        _ = self.0.set(new);
        self.get().ok_or(Errno::EAGAIN)
    }
}

impl<T> Drop for TryOnce<T> {
    fn drop(&mut self) {
        annotate::forget(self);
    }
}
