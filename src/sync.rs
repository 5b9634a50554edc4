//! Locks that survive fork, and shared memory whose failure is an error, not an abort.
#![allow(unsafe_code, reason = "a lock and a counted pointer")]

use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::alloc::{Layout, alloc, dealloc};

use once_cell::race::OnceBox;
use parking_lot::lock_api::{self, GuardNoSend, RawMutex};

use crate::errno::Errno;
use crate::{sys, valgrind};

/// Names its owner, so that a waiter can tell an owner that will never return.
///
/// After fork(2) only the forking thread lives on: a lock that another thread held would stay
/// locked for ever in the child. `pthread_atfork` handlers would make every fork of the host wait
/// for our locks instead. So the word holds the owner's process and thread id, and a waiter that
/// finds a foreign process, or a thread that is gone, takes the lock over. What these locks guard
/// is therefore consistent between any two instructions: pointers that are swapped, and counters.
pub(crate) struct OwnerLock(AtomicU64);

/// How long a waiter sleeps between two looks at the lock.
const NAP: i64 = 50_000;

impl OwnerLock {
    fn me() -> u64 {
        u64::from(sys::pid()) << 32 | u64::from(sys::tid())
    }

    fn wait(&self, me: u64, patience: u32) -> bool {
        for turn in 0..patience {
            let seen = match self.0.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return self.is_taken(),
                Err(seen) => seen,
            };
            // A signal handler that interrupted the owner must not wait for it.
            if seen == me {
                return false;
            }
            let (pid, tid) = ((seen >> 32) as u32, (seen & 0xffff_ffff) as u32);
            let dead = pid != (me >> 32) as u32 || (turn > 8 && sys::thread_is_gone(pid, tid));
            if dead
                && self.0.compare_exchange(seen, me, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                return self.is_taken();
            }
            sys::nap(NAP);
        }
        false
    }

    fn is_taken(&self) -> bool {
        valgrind::acquired(self);
        true
    }
}

// SAFETY: the compare-and-swap from 0 admits one live owner. A lock is taken over only from an
// owner that no longer runs in this process.
unsafe impl RawMutex for OwnerLock {
    #[allow(clippy::declare_interior_mutable_const, reason = "how lock_api spells a new lock")]
    const INIT: Self = Self(AtomicU64::new(0));
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        while !self.wait(Self::me(), u32::MAX) {
            sys::nap(NAP);
        }
    }

    fn try_lock(&self) -> bool {
        // About ten seconds: far longer than any file takes to read, yet not for ever.
        self.wait(Self::me(), 200_000)
    }

    unsafe fn unlock(&self) {
        valgrind::releases(self);
        self.0.swap(0, Ordering::Release);
    }
}

/// A value behind an [`OwnerLock`].
pub(crate) struct Mutex<T>(lock_api::Mutex<OwnerLock, T>);

impl<T> Mutex<T> {
    /// A value that is not locked.
    pub(crate) const fn new(value: T) -> Self {
        Self(lock_api::Mutex::new(value))
    }

    /// Waits for the lock. `EAGAIN` when the calling thread itself holds it, which only a signal
    /// handler that interrupted a lookup can see, or when its owner does not come back.
    pub(crate) fn lock(&self) -> Result<lock_api::MutexGuard<'_, OwnerLock, T>, Errno> {
        self.0.try_lock().ok_or(Errno::EAGAIN)
    }
}

/// `Box::new`, with `ENOMEM` where that aborts.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>, Errno> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the size is not zero.
    let place = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
    let place = NonNull::new(place).ok_or(Errno::ENOMEM)?;
    // SAFETY: fresh memory of T's layout.
    unsafe { place.write(value) };
    // SAFETY: allocated by the global allocator with T's layout, and initialised.
    Ok(unsafe { Box::from_raw(place.as_ptr()) })
}

/// `Vec::extend_from_slice`, with `ENOMEM` where that aborts.
pub(crate) fn try_extend(vec: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Errno> {
    vec.try_reserve(bytes.len()).map_err(|_| Errno::ENOMEM)?;
    vec.extend_from_slice(bytes);
    Ok(())
}

/// `Vec::resize` with zeros, with `ENOMEM` where that aborts.
pub(crate) fn try_resize(vec: &mut Vec<u8>, len: usize) -> Result<(), Errno> {
    vec.try_reserve_exact(len.saturating_sub(vec.len())).map_err(|_| Errno::ENOMEM)?;
    vec.resize(len, 0);
    Ok(())
}

/// A value that is made once, by whoever needs it first; a failed attempt leaves nothing behind.
pub(crate) struct Once<T>(OnceBox<T>);

impl<T> Once<T> {
    /// Not made.
    pub(crate) const fn new() -> Self {
        Self(OnceBox::new())
    }

    /// The value, if it is made.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        let made = self.0.get();
        valgrind::acquired(self);
        made
    }

    /// The value, made now if need be.
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
        valgrind::releases(self);
        // Another thread may have been first; then its value is taken.
        _ = self.0.set(new);
        self.get().ok_or(Errno::EAGAIN)
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        valgrind::forget(self);
    }
}

struct Inner<T> {
    count: AtomicUsize,
    value: T,
}

/// A counted pointer like `Arc`, whose creation can fail.
pub(crate) struct Shared<T>(NonNull<Inner<T>>);

// SAFETY: like Arc: the count is atomic, and the value is only lent as `&T`.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// `value` with one owner.
    pub(crate) fn new(value: T) -> Result<Self, Errno> {
        let inner = try_box(Inner { count: AtomicUsize::new(1), value })?;
        Ok(Self(NonNull::from(Box::leak(inner))))
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: the allocation lives as long as one owner does, and `self` is one.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        self.inner().count.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let place = self.0.as_ptr();
        valgrind::releases(place);
        if self.inner().count.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        valgrind::acquired(place);
        valgrind::forget(place);
        // SAFETY: this was the last owner; nobody else can reach the value.
        unsafe { place.drop_in_place() };
        // SAFETY: allocated in `try_box` with this layout.
        unsafe { dealloc(place.cast(), Layout::new::<Inner<T>>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_owner_frees_the_value() {
        struct Counted<'a>(&'a AtomicUsize);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let drops = AtomicUsize::new(0);
        let one = Shared::new(Counted(&drops)).unwrap();
        let two = one.clone();
        drop(one);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(two);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_lock_of_a_process_that_is_not_ours_is_taken_over() {
        let lock = Mutex::new(1);
        core::mem::forget(lock.lock().unwrap());
        assert_eq!(lock.lock().err(), Some(Errno::EAGAIN), "the thread holds it itself");
        // SAFETY: only the word is looked at.
        let word = unsafe { &lock.0.raw().0 };
        word.store(1 << 32 | 77, Ordering::Relaxed);
        assert_eq!(*lock.lock().unwrap(), 1);
    }

    #[test]
    fn threads_take_turns() {
        let lock = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        *lock.lock().unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(*lock.lock().unwrap(), 4000);
    }
}
