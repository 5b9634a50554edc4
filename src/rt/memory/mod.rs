//! Memory for which a failed allocation is an error, and which is not leaked when a call is abandoned.
//!
//! A signal handler may leave any call of ours by siglongjmp(3), and then no destructor runs. So what a call
//! allocates for itself ([`ScratchBuf`]) is recorded in a list of the thread; the thread's next call frees what
//! it finds there (`rt::thread`). What outlives the call is taken off the list, and becomes an [`OwnedBuf`] or
//! fills a cell (`rt::buf_cell`).
#![allow(unsafe_code, reason = "arrays behind a header")]

mod block;

use alloc::alloc::Layout;
use alloc::boxed::Box;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::rt::errno::Errno;
use crate::rt::thread;
use block::allocate;
pub(crate) use block::{Header, ScratchList, elements, free, off_list};

/// A type for which zeros are a valid value, and which needs no destructor.
pub(crate) trait Zero: Copy {}
impl Zero for u8 {}
impl Zero for u32 {}

/// An array that outlives the call that made it, in one word.
pub(crate) struct OwnedBuf<T> {
    header: NonNull<Header>,
    elements: PhantomData<T>,
}

// SAFETY: owns its elements, like a boxed slice.
unsafe impl<T: Send> Send for OwnedBuf<T> {}
// SAFETY: gives only shared references to its elements through a shared reference.
unsafe impl<T: Sync> Sync for OwnedBuf<T> {}

impl<T: Zero> OwnedBuf<T> {
    pub(crate) fn zeroed(count: usize) -> Result<Self, Errno> {
        Ok(Self { header: allocate::<T>(count, None)?, elements: PhantomData })
    }

    /// Where the elements are, and how many.
    pub(crate) fn parts(&self) -> (*mut T, usize) {
        // SAFETY: this value owns the header, which is alive.
        unsafe { elements(self.header) }
    }
}

impl<T: Zero> Deref for OwnedBuf<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        let (first, count) = self.parts();
        // SAFETY: `count` elements that were zeroed, which is a value of `T`, and are this buffer's.
        unsafe { core::slice::from_raw_parts(first, count) }
    }
}

impl<T: Zero> DerefMut for OwnedBuf<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let (first, count) = self.parts();
        // SAFETY: `count` elements that were zeroed, which is a value of `T`, and borrowed for the caller alone.
        unsafe { core::slice::from_raw_parts_mut(first, count) }
    }
}

impl<T> Drop for OwnedBuf<T> {
    fn drop(&mut self) {
        // SAFETY: from `allocate`, and this was the only owner.
        unsafe { free(self.header) };
    }
}

/// An array that grows, and lives no longer than the call that makes it.
#[derive(Default)]
pub(crate) struct ScratchBuf<T: Zero> {
    /// `None` before the first element.
    memory: Option<OwnedBuf<T>>,
    len: usize,
}

impl<T: Zero> ScratchBuf<T> {
    pub(crate) const fn new() -> Self {
        Self { memory: None, len: 0 }
    }

    pub(crate) fn zeroed(count: usize) -> Result<Self, Errno> {
        let header = allocate::<T>(count, thread::scratch())?;
        Ok(Self { memory: Some(OwnedBuf { header, elements: PhantomData }), len: count })
    }

    pub(crate) fn copy_of(items: &[T]) -> Result<Self, Errno> {
        let mut buf = Self::new();
        buf.extend(items)?;
        Ok(buf)
    }

    pub(crate) fn push(&mut self, item: T) -> Result<(), Errno> {
        self.extend(&[item])
    }

    pub(crate) fn extend(&mut self, items: &[T]) -> Result<(), Errno> {
        let end = self.len.checked_add(items.len()).ok_or(Errno::ENOMEM)?;
        if end > self.capacity() {
            let len = self.len;
            self.enlarge(end.max(self.capacity() * 2).max(64))?;
            self.len = len;
        }
        let start = core::mem::replace(&mut self.len, end);
        copy(self.get_mut(start..).unwrap_or_default(), items);
        Ok(())
    }

    /// Adds zeros up to a length of `count`.
    pub(crate) fn enlarge(&mut self, count: usize) -> Result<(), Errno> {
        let mut larger = Self::zeroed(count)?;
        copy(&mut larger, self);
        *self = larger;
        Ok(())
    }

    /// Forgets the elements from `len` on; the memory stays.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Where its memory begins, if it has any.
    pub(crate) fn header(&self) -> Option<NonNull<Header>> {
        self.memory.as_ref().map(|memory| memory.header)
    }

    fn capacity(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.len())
    }

    /// The memory, taken off the thread's list. It has the buffer's whole capacity.
    pub(crate) fn into_owned(mut self) -> Result<OwnedBuf<T>, Errno> {
        match self.memory.take() {
            Some(memory) => {
                off_list(memory.header);
                Ok(memory)
            }
            None => OwnedBuf::zeroed(0),
        }
    }
}

impl<T: Zero> Deref for ScratchBuf<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.memory.as_deref().and_then(|all| all.get(..self.len)).unwrap_or_default()
    }
}

impl<T: Zero> DerefMut for ScratchBuf<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let len = self.len;
        self.memory.as_deref_mut().and_then(|all| all.get_mut(..len)).unwrap_or_default()
    }
}

/// Appends; an error means `ENOMEM`.
impl core::fmt::Write for ScratchBuf<u8> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.extend(text.as_bytes()).map_err(|_| core::fmt::Error)
    }
}

/// Copies as many elements as both have, and gives their number.
#[inline(always)]
pub(crate) fn copy<T: Copy>(to: &mut [T], from: &[T]) -> usize {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    to.len().min(from.len())
}

/// `Box::new`, with the error `ENOMEM` where that aborts.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>, Errno> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the size is not zero.
    let place = unsafe { alloc::alloc::alloc(Layout::new::<T>()) }.cast::<T>();
    let place = NonNull::new(place).ok_or(Errno::ENOMEM)?;
    // SAFETY: fresh memory of T's layout.
    unsafe { place.write(value) };
    // SAFETY: allocated by the global allocator with T's layout, and initialised.
    Ok(unsafe { Box::from_raw(place.as_ptr()) })
}

/// Tells the processor to fetch element `at`, without waiting for it; does nothing on a machine without such an
/// instruction.
#[inline(always)]
pub(crate) fn prefetch<T>(array: &[T], at: usize) {
    let Some(place) = array.get(at) else { return };
    let place: *const T = place;
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint, which neither reads nor faults.
    unsafe {
        core::arch::asm!("prefetcht0 [{}]", in(reg) place, options(nostack, readonly, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a hint, which neither reads nor faults.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) place, options(nostack, readonly, preserves_flags));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = place;
}

#[cfg(test)]
mod tests {
    use super::block::HUGE_BYTES;
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "slow there")]
    fn arrays_of_any_size_begin_as_zeros_and_are_writable() {
        for count in
            [0, 1, 1000, HUGE_BYTES / 4 - 1, HUGE_BYTES / 4, HUGE_BYTES, 5 * HUGE_BYTES + 3]
        {
            let mut array = OwnedBuf::<u32>::zeroed(count).unwrap();
            assert_eq!(array.len(), count);
            assert!(array.iter().all(|&n| n == 0));
            array.iter_mut().take(1).for_each(|first| *first = 7);
            array.iter_mut().rev().take(1).for_each(|last| *last = 7);
        }
        assert_eq!(OwnedBuf::<u32>::zeroed(usize::MAX / 4).err(), Some(Errno::ENOMEM));
    }

    #[test]
    fn what_is_added_stays_in_order_while_the_array_grows() {
        let mut buf = ScratchBuf::<u32>::new();
        let most = if cfg!(miri) { 500 } else { 10_000 };
        for n in 0..most {
            buf.push(n).unwrap();
        }
        assert!(buf.iter().copied().eq(0..most));
        buf.truncate(3);
        assert_eq!(*buf, [0, 1, 2]);
        assert_eq!(buf.into_owned().unwrap()[..3], [0, 1, 2]);
    }
}
