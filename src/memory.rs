//! Arrays that may be large: a file's bytes, and indexes of them.
#![allow(unsafe_code, reason = "memory from mmap(2)")]

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::errno::Errno;
use crate::sys;

/// A type of which zeros are a value.
pub(crate) trait Zero: Copy {}
impl Zero for u8 {}
impl Zero for u32 {}

/// Begins as zeros. A large one lies on huge pages where the kernel has them: a page fault for 2 MiB
/// instead of one for 4 KiB, and addresses that the processor finds without walking tables.
pub(crate) struct Array<T> {
    first: NonNull<T>,
    count: usize,
    /// The whole mapping; nothing if the allocator has given the memory.
    mapping: Option<(usize, usize)>,
}

// SAFETY: owns its elements, like a boxed slice.
unsafe impl<T: Send> Send for Array<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Array<T> {}

/// A huge page, and what is large.
const HUGE: usize = 2 << 20;

impl<T: Zero> Array<T> {
    /// `count` zeros.
    pub(crate) fn new(count: usize) -> Result<Self, Errno> {
        let layout = Layout::array::<T>(count).map_err(|_| Errno::ENOMEM)?;
        if layout.size() >= HUGE {
            return Self::map(layout.size(), count);
        }
        if layout.size() == 0 {
            return Ok(Self { first: NonNull::dangling(), count, mapping: None });
        }
        // SAFETY: the size is not zero.
        let first = unsafe { alloc_zeroed(layout) };
        let first = NonNull::new(first.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self { first, count, mapping: None })
    }

    fn map(size: usize, count: usize) -> Result<Self, Errno> {
        // What precedes the first huge page's boundary, and the rest of the last page, stays untouched
        // and so costs nothing.
        let whole = size.checked_add(HUGE).ok_or(Errno::ENOMEM)?;
        let start = sys::map(whole, 0)?;
        let first = start.next_multiple_of(HUGE);
        sys::prefer_huge_pages(first, size);
        let at = core::ptr::with_exposed_provenance_mut(first);
        let first = NonNull::new(at).ok_or(Errno::ENOMEM)?;
        Ok(Self { first, count, mapping: Some((start, whole)) })
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `count` elements that were zeroed, which is a value of `T`, and are this array's.
        unsafe { core::slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

impl<T> DerefMut for Array<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and borrowed for us alone.
        unsafe { core::slice::from_raw_parts_mut(self.first.as_ptr(), self.count) }
    }
}

impl<T> Drop for Array<T> {
    fn drop(&mut self) {
        match (self.mapping, Layout::array::<T>(self.count)) {
            (Some((start, whole)), _) => {
                // SAFETY: mapped in `map`, and nothing refers to it any more.
                unsafe { sys::unmap(start, whole) };
            }
            (None, Ok(layout)) if layout.size() > 0 => {
                // SAFETY: allocated in `new` with this layout.
                unsafe { dealloc(self.first.as_ptr().cast(), layout) };
            }
            _ => {}
        }
    }
}

/// Asks the processor to fetch what is at `at`, and goes on without waiting.
#[inline(always)]
pub(crate) fn prefetch<T>(array: &[T], at: usize) {
    let Some(place) = array.get(at) else { return };
    let place: *const T = place;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which neither reads nor faults.
    unsafe {
        core::arch::asm!("prefetcht0 [{}]", in(reg) place, options(nostack, readonly, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) place, options(nostack, readonly, preserves_flags));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_any_size_begin_as_zeros_and_are_writable() {
        for count in [0, 1, 1000, HUGE / 4 - 1, HUGE / 4, HUGE, 5 * HUGE + 3] {
            let mut array = Array::<u32>::new(count).unwrap();
            assert_eq!(array.len(), count);
            assert!(array.iter().all(|&n| n == 0));
            for end in array.first_mut().into_iter() {
                *end = 7;
            }
            for end in array.last_mut().into_iter() {
                *end = 7;
            }
        }
        assert_eq!(Array::<u32>::new(usize::MAX / 4).err(), Some(Errno::ENOMEM));
    }
}
