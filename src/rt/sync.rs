//! The lock that survives fork, with a guard.
#![allow(unsafe_code, reason = "a lock")]

use lock_api::{GuardNoSend, RawMutex};

use crate::rt::fork_lock::ForkLock;
use crate::rt::{registry, thread};

// SAFETY: only one live owner has the lock: rt::fork_lock.
unsafe impl RawMutex for ForkLock {
    #[allow(clippy::declare_interior_mutable_const, reason = "how lock_api spells a new lock")]
    const INIT: Self = Self::new();
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        while !self.wait() {}
    }

    fn try_lock(&self) -> bool {
        self.take(registry::owner_id()).is_ok()
    }

    unsafe fn unlock(&self) {
        self.release();
        thread::set_lock(None);
    }
}

/// A [`ForkLock`] with lock_api's guard. It guards no data, which would be half changed when the lock is taken over.
pub(crate) struct ForkMutex(lock_api::Mutex<ForkLock, ()>);

/// Releases the lock when it is dropped.
pub(crate) type ForkGuard = lock_api::MutexGuard<'static, ForkLock, ()>;

impl ForkMutex {
    pub(crate) const fn new() -> Self {
        Self(lock_api::Mutex::new(()))
    }

    /// Takes the lock, after a sleep if need be; `None` if it cannot wait, or has waited long enough. Only an outermost
    /// call waits: the call that it interrupts may hold the lock itself.
    pub(crate) fn lock(&'static self) -> Option<ForkGuard> {
        if !thread::is_outermost() {
            return None;
        }
        // SAFETY: the lock is recorded and waited for, and not unlocked.
        let lock = unsafe { self.0.raw() };
        thread::set_lock(Some(lock));
        if !lock.wait() {
            thread::set_lock(None);
            return None;
        }
        // SAFETY: `wait` has given the lock to this thread, which makes one guard for it.
        Some(unsafe { self.0.make_guard_unchecked() })
    }
}
