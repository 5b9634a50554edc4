//! Locks that survive fork, and shared memory whose failure is an error, not an abort.
#![allow(unsafe_code, reason = "a lock and a counted pointer")]

use alloc::alloc::{Layout, alloc, dealloc};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use lock_api::{GuardNoSend, RawMutex};

use crate::errno::Errno;
use crate::{sys, valgrind};

/// Names its owner, so that a waiter can tell an owner that will never return.
///
/// After fork(2) only the forking thread lives on: a lock that another thread held would stay
/// locked for ever in the child. `pthread_atfork` handlers would make every fork of the host wait
/// for our locks instead. So the word holds the [`memory`] and the thread that the owner runs in,
/// and a waiter that finds another memory, or a thread that is gone, takes the lock over. What these
/// locks guard is therefore consistent between any two instructions: pointers that are swapped, and
/// counters.
pub(crate) struct OwnerLock(AtomicU64);

/// A number that differs from that of every ancestor whose memory was copied by fork(2). A child of
/// vfork(2), or of clone(2) with `CLONE_VM`, has another process id, but shares the memory and its
/// locks, and this number.
fn memory() -> u32 {
    /// The kernel makes it zero in a child that has a copy.
    static WIPED: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());
    /// In its place where the kernel cannot (before 4.14).
    static NOT_WIPED: AtomicU32 = AtomicU32::new(0);
    /// Copied by fork like any other memory, so that a child counts on.
    static LAST: AtomicU32 = AtomicU32::new(0);
    // SAFETY: null, or what was stored below, which lives for ever.
    let here = unsafe { WIPED.load(Ordering::Acquire).as_ref() };
    valgrind::acquired(&raw const WIPED);
    let here = here.unwrap_or_else(|| {
        let here = sys::word_wiped_on_fork().unwrap_or(&NOT_WIPED);
        valgrind::releases(&raw const WIPED);
        let new = (&raw const *here).cast_mut();
        // Of two threads' words one is used.
        let first = WIPED.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire);
        // SAFETY: as above.
        first.err().and_then(|first| unsafe { first.as_ref() }).unwrap_or(here)
    });
    if core::ptr::eq(here, &raw const NOT_WIPED) {
        // The process id stands for the memory: right but for vfork.
        return sys::pid();
    }
    let number = here.load(Ordering::Relaxed);
    if number != 0 {
        return number;
    }
    let next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
    match here.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(other) => other,
    }
}

/// How long a waiter sleeps between two looks at the lock.
const NAP: i64 = 50_000;

impl OwnerLock {
    fn me() -> u64 {
        u64::from(memory()) << 32 | u64::from(sys::tid())
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
            let (memory, tid) = ((seen >> 32) as u32, (seen & 0xffff_ffff) as u32);
            let dead = memory != (me >> 32) as u32 || (turn > 8 && sys::thread_is_gone(tid));
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
// owner that no longer runs in this memory.
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
    let place = if size_of::<T>() == 0 {
        NonNull::dangling()
    } else {
        // SAFETY: the size is not zero.
        let place = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
        NonNull::new(place).ok_or(Errno::ENOMEM)?
    };
    // SAFETY: fresh memory of T's layout, or none where T takes none.
    unsafe { place.write(value) };
    // SAFETY: allocated by the global allocator with T's layout, and initialised.
    Ok(unsafe { Box::from_raw(place.as_ptr()) })
}

/// `Vec::extend_from_slice`, with `ENOMEM` where that aborts.
pub(crate) fn try_extend<T: Copy>(vec: &mut Vec<T>, items: &[T]) -> Result<(), Errno> {
    try_fill(vec, items.len(), items.iter().copied())
}

/// `Vec::resize` with zeros, with `ENOMEM` where that aborts.
pub(crate) fn try_resize<T: Copy + Default>(vec: &mut Vec<T>, len: usize) -> Result<(), Errno> {
    vec.truncate(len);
    let more = len - vec.len();
    try_fill(vec, more, core::iter::repeat_n(T::default(), more))
}

/// Adds `count` items. Vec's own ways can grow it, and so abort, wherever the compiler does not see
/// that there is room.
fn try_fill<T>(
    vec: &mut Vec<T>,
    count: usize,
    items: impl Iterator<Item = T>,
) -> Result<(), Errno> {
    vec.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
    let mut filled = 0;
    for (to, item) in vec.spare_capacity_mut().iter_mut().zip(items) {
        to.write(item);
        filled += 1;
    }
    let len = vec.len() + filled;
    // SAFETY: the first `filled` items of the spare capacity were written.
    unsafe { vec.set_len(len) };
    Ok(())
}

/// A value that is made once, by whoever needs it first; a failed attempt leaves nothing behind.
pub(crate) struct Once<T>(AtomicPtr<T>, PhantomData<Box<T>>);

impl<T> Once<T> {
    /// Not made.
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()), PhantomData)
    }

    /// The value, if it is made.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        let made = self.0.load(Ordering::Acquire);
        valgrind::acquired(self);
        // SAFETY: null, or a box that `init` leaked, which lives until this value is dropped.
        unsafe { made.as_ref() }
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
        let new = Box::into_raw(try_box(make()?)?);
        valgrind::releases(self);
        if self.0.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // Another thread was first, and its value is taken.
            // SAFETY: leaked above, and nobody else has seen it.
            drop(unsafe { Box::from_raw(new) });
        }
        self.get().ok_or(Errno::EAGAIN)
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        valgrind::forget(self);
        let made = *self.0.get_mut();
        if !made.is_null() {
            // SAFETY: leaked in `init`, and nobody refers to it any more.
            drop(unsafe { Box::from_raw(made) });
        }
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
    fn a_lock_of_another_memory_is_taken_over() {
        let lock = Mutex::new(1);
        core::mem::forget(lock.lock().unwrap());
        assert_eq!(lock.lock().err(), Some(Errno::EAGAIN), "the thread holds it itself");
        // SAFETY: only the word is looked at.
        let word = unsafe { &lock.0.raw().0 };
        word.store(u64::from(u32::MAX) << 32 | 77, Ordering::Relaxed);
        assert_eq!(*lock.lock().unwrap(), 1);
    }

    /// What `child` returns, in a copy of the process with this thread alone.
    fn in_child(child: impl Fn() -> bool) -> bool {
        // SAFETY: without CLONE_VM the child has a copy of everything, as after fork.
        let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        if pid == 0 {
            let code = i32::from(!child());
            // SAFETY: ends the child.
            unsafe { libc::_exit(code) };
        }
        let (pid, mut status) = (libc::pid_t::try_from(pid).unwrap(), -1);
        // SAFETY: waits for the child, and writes one int.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        status == 0
    }

    #[test]
    fn in_a_child_a_lock_that_was_held_is_free_and_one_of_its_own_holds() {
        let lock = Mutex::new(1);
        let held = lock.lock().unwrap();
        assert!(in_child(|| {
            let free = lock.lock().is_ok();
            let own = lock.lock();
            free && own.is_ok() && lock.lock().err() == Some(Errno::EAGAIN)
        }));
        assert!(in_child(|| in_child(|| lock.lock().is_ok())));
        drop(held);
        assert!(lock.lock().is_ok());
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
