//! Memory whose failure is an error, and which an abandoned call does not lose.
//!
//! A signal handler may leave any call of ours by siglongjmp(3), and then no destructor runs. So what a
//! call allocates for itself ([`ScratchBuf`]) is written down in a list that belongs to the thread; the
//! thread's next call frees what it finds there (`rt::thread`). What outlives the call is taken off the
//! list and becomes an [`OwnedBuf`], or fills a cell (`rt::buf_cell`); the type of a field says which it can hold.
#![allow(unsafe_code, reason = "memory from malloc(3) and mmap(2)")]

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use alloc::boxed::Box;
use core::cell::Cell;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering, compiler_fence};

use rustix::mm::MapFlags;

use crate::rt::errno::Errno;
use crate::rt::{sys, thread};

/// A type of which zeros are a value, and which needs no destructor.
pub(crate) trait Zero: Copy {}
impl Zero for u8 {}
impl Zero for u32 {}

/// What stands before the elements.
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(16)))]
#[cfg_attr(target_pointer_width = "32", repr(align(8)))]
pub(crate) struct Header {
    /// The list of scratch memory that this is in, or null, and the next one there.
    list: Cell<*const ScratchList>,
    next: Cell<*mut Header>,
    /// How many elements there is room for.
    count: usize,
    /// Where the whole mapping begins; null if the allocator has given the memory.
    mapping: *mut c_void,
    /// How many bytes the memory has, this header and what precedes it included.
    size: usize,
}

/// A huge page, and the size from which on memory is mapped.
const HUGE_BYTES: usize = 2 << 20;

/// Room for `count` zeroed elements, written down in the list if there is one.
fn allocate<T: Zero>(count: usize, list: Option<&ScratchList>) -> Result<NonNull<Header>, Errno> {
    const { assert!(align_of::<T>() <= align_of::<Header>()) };
    let bytes = count.checked_mul(size_of::<T>()).ok_or(Errno::ENOMEM)?;
    let header = if bytes >= HUGE_BYTES { map(bytes, list) } else { from_malloc(bytes, list) }?;
    // SAFETY: fresh memory of ours, which begins with a header.
    unsafe { (*header.as_ptr()).count = count };
    Ok(header)
}

/// Memory from malloc(3). It is written down before anything else is done with it: a call that is
/// abandoned here loses it only within the few instructions from one to the other.
#[inline(never)]
fn from_malloc(bytes: usize, list: Option<&ScratchList>) -> Result<NonNull<Header>, Errno> {
    let size = bytes + size_of::<Header>();
    let layout = layout(size)?;
    // SAFETY: the size is not zero.
    let at = unsafe { alloc_zeroed(layout) };
    #[allow(clippy::cast_ptr_alignment, reason = "malloc aligns for a header")]
    let header = NonNull::new(at.cast::<Header>()).ok_or(Errno::ENOMEM)?;
    if let Some(list) = list {
        list.push(header);
    }
    // Zeros are a header: with no mapping, and of no list.
    // SAFETY: fresh memory of ours, which begins with a header.
    unsafe { (*header.as_ptr()).size = size };
    Ok(header)
}

/// Large memory lies on huge pages where the kernel has them: one page fault for 2 MiB in place of one for
/// 4 KiB, and addresses that the processor finds without walking tables.
#[cold]
fn map(bytes: usize, list: Option<&ScratchList>) -> Result<NonNull<Header>, Errno> {
    // What precedes the first huge page's boundary, and the rest of the last page, stays untouched and so
    // costs nothing. The header stands right before the boundary.
    let size = bytes.checked_add(2 * HUGE_BYTES).ok_or(Errno::ENOMEM)?;
    let mapping = sys::map(size, MapFlags::empty())?;
    let first = (mapping.addr() + size_of::<Header>()).next_multiple_of(HUGE_BYTES);
    let first = mapping.cast::<u8>().with_addr(first);
    // SAFETY: `map` has just given `size` bytes, in which `bytes` from the boundary on have room.
    unsafe { sys::prefer_huge_pages(first.cast(), bytes) };
    // SAFETY: the boundary lies at least a header's size after the mapping's start.
    let at = unsafe { first.sub(size_of::<Header>()) };
    #[allow(clippy::cast_ptr_alignment, reason = "the boundary's alignment, less a header's size")]
    let header = NonNull::new(at.cast::<Header>()).ok_or(Errno::ENOMEM)?;
    let (list_cell, next) = (Cell::new(null()), Cell::new(null_mut()));
    // SAFETY: within the mapping, and aligned for a header.
    unsafe { header.write(Header { list: list_cell, next, count: 0, mapping, size }) };
    if let Some(list) = list {
        list.push(header);
    }
    Ok(header)
}

fn layout(size: usize) -> Result<Layout, Errno> {
    Layout::from_size_align(size, align_of::<Header>()).map_err(|_| Errno::ENOMEM)
}

/// Takes the memory off the list that it is in, if it is in one, and gives it back.
///
/// # Safety
///
/// `header` is from [`allocate`], and nothing refers to its memory any more.
#[inline(never)]
pub(crate) unsafe fn free(header: NonNull<Header>) {
    // SAFETY: who calls this promises that it is from `allocate` and not freed.
    let Header { mapping, size, .. } = *unsafe { header.as_ref() };
    off_list(header);
    // A call that is abandoned after this must not find it in the list again.
    compiler_fence(Ordering::SeqCst);
    if !mapping.is_null() {
        // SAFETY: mapped by `map` with this size, and unused by now.
        unsafe { sys::unmap(mapping, size) };
    } else {
        // SAFETY: `layout` has checked the size when it was allocated.
        let layout = unsafe { Layout::from_size_align_unchecked(size, align_of::<Header>()) };
        // SAFETY: allocated by `from_malloc` with this layout, and unused by now.
        unsafe { dealloc(header.as_ptr().cast(), layout) };
    }
}

/// Takes memory off the list that it is in, if it is in one.
#[inline(always)]
pub(crate) fn off_list(header: NonNull<Header>) {
    // SAFETY: the header is alive: its owner calls this.
    let list = unsafe { header.as_ref() }.list.replace(null());
    // SAFETY: null, or a list of a thread's part, which is never freed.
    if let Some(list) = unsafe { list.as_ref() } {
        list.remove(header);
    }
}

/// A list of scratch memory. All zeros are an empty one.
pub(crate) struct ScratchList(Cell<*mut Header>);

impl ScratchList {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self(Cell::new(null_mut()))
    }

    #[inline(always)]
    pub(crate) fn push(&self, header: NonNull<Header>) {
        // SAFETY: `header` is alive, and only its owner has it.
        let new = unsafe { header.as_ref() };
        new.next.set(self.0.get());
        // A call that is abandoned between two of these leaves a whole list.
        compiler_fence(Ordering::SeqCst);
        self.0.set(header.as_ptr());
        compiler_fence(Ordering::SeqCst);
        new.list.set(self);
    }

    /// Takes it off the list; false if it is not there.
    #[inline(always)]
    fn remove(&self, header: NonNull<Header>) -> bool {
        let mut place = &self.0;
        while let Some(at) = NonNull::new(place.get()) {
            // SAFETY: what is in the list has not been freed: its owner takes it off before that.
            let next = unsafe { &at.as_ref().next };
            if at == header {
                place.set(next.get());
                return true;
            }
            // SAFETY: as long as the list is not changed, `at` stays alive, and so does its field.
            place = unsafe { &*core::ptr::from_ref(next) };
        }
        false
    }

    /// Frees all that is in the list, one after the other: this may be abandoned in its turn.
    ///
    /// # Safety
    ///
    /// Whoever made the buffers has been abandoned: nobody uses or drops them any more.
    pub(crate) unsafe fn free_all(&self) {
        while let Some(header) = NonNull::new(self.0.get()) {
            // A call that was abandoned in `push` has not come to this.
            // SAFETY: in the list, so not freed yet.
            unsafe { header.as_ref() }.list.set(self);
            // SAFETY: in the list, so from `allocate`; who calls this promises that nobody uses it.
            unsafe { free(header) };
        }
    }

    /// Has memory that an abandoned call has put into the cell be the cell's alone.
    pub(crate) fn finish_adopting(&self, cell: &AtomicPtr<Header>) {
        let held = NonNull::new(cell.load(Ordering::Relaxed));
        if let Some(header) = held.filter(|&header| self.remove(header)) {
            // SAFETY: it was in the list, so it is the thread's own and not freed.
            unsafe { header.as_ref() }.list.set(null());
        }
    }
}

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
    /// `count` zeros.
    pub(crate) fn zeroed(count: usize) -> Result<Self, Errno> {
        Ok(Self { header: allocate::<T>(count, None)?, elements: PhantomData })
    }

    /// The elements' address, for a cell of one word; [`OwnedBuf::from_raw`] takes it back.
    pub(crate) fn into_raw(self) -> *mut Header {
        core::mem::ManuallyDrop::new(self).header.as_ptr()
    }

    /// What [`OwnedBuf::into_raw`] gave.
    ///
    /// # Safety
    ///
    /// `raw` is from `into_raw` of the same type, and is taken back once.
    pub(crate) unsafe fn from_raw(raw: NonNull<Header>) -> Self {
        Self { header: raw, elements: PhantomData }
    }

    /// Where the elements are, and how many, if `raw` is what [`OwnedBuf::into_raw`] gave.
    ///
    /// # Safety
    ///
    /// `raw` is from `into_raw`, and has not been taken back.
    pub(crate) unsafe fn raw_parts(raw: NonNull<Header>) -> (*mut T, usize) {
        // SAFETY: who calls this promises that the header is alive; the elements stand behind it.
        let elements = unsafe { raw.add(1) }.cast().as_ptr();
        // SAFETY: who calls this promises that the header is alive.
        (elements, unsafe { raw.as_ref() }.count)
    }
}

impl<T> Deref for OwnedBuf<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: this value owns the header, which is alive.
        let count = unsafe { self.header.as_ref() }.count;
        // SAFETY: the elements stand behind the header.
        let first = unsafe { self.header.as_ptr().add(1) }.cast::<T>();
        // SAFETY: `count` elements that were zeroed, which is a value of `T`, and are this buffer's.
        unsafe { core::slice::from_raw_parts(first, count) }
    }
}

impl<T> DerefMut for OwnedBuf<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let count = self.len();
        // SAFETY: the elements stand behind the header.
        let first = unsafe { self.header.as_ptr().add(1) }.cast::<T>();
        // SAFETY: `count` elements that were zeroed, which is a value of `T`, and borrowed for whoever calls this alone.
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
    /// Nothing before the first element.
    memory: Option<OwnedBuf<T>>,
    len: usize,
}

impl<T: Zero> ScratchBuf<T> {
    /// No elements, and no memory.
    pub(crate) const fn new() -> Self {
        Self { memory: None, len: 0 }
    }

    /// `count` zeros.
    pub(crate) fn zeroed(count: usize) -> Result<Self, Errno> {
        let header = allocate::<T>(count, thread::scratch())?;
        Ok(Self { memory: Some(OwnedBuf { header, elements: PhantomData }), len: count })
    }

    /// A copy of the elements.
    pub(crate) fn copy_of(items: &[T]) -> Result<Self, Errno> {
        let mut buf = Self::new();
        buf.extend(items)?;
        Ok(buf)
    }

    /// Adds one element.
    pub(crate) fn push(&mut self, item: T) -> Result<(), Errno> {
        self.extend(&[item])
    }

    /// Adds elements at the end.
    pub(crate) fn extend(&mut self, items: &[T]) -> Result<(), Errno> {
        let end = self.len.checked_add(items.len()).ok_or(Errno::ENOMEM)?;
        if end > self.capacity() {
            let mut larger = Self::zeroed(end.max(self.capacity() * 2).max(64))?;
            larger.len = self.len;
            for (to, from) in larger.iter_mut().zip(self.iter()) {
                *to = *from;
            }
            *self = larger;
        }
        let start = core::mem::replace(&mut self.len, end);
        for (to, from) in self.get_mut(start..).unwrap_or_default().iter_mut().zip(items) {
            *to = *from;
        }
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

    /// The memory, off the thread's list, to be kept. It is as long as there is room.
    pub(crate) fn keep(mut self) -> Result<OwnedBuf<T>, Errno> {
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

/// Formats onto the end; an error is `ENOMEM`.
impl core::fmt::Write for ScratchBuf<u8> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.extend(text.as_bytes()).map_err(|_| core::fmt::Error)
    }
}

/// `Box::new`, with `ENOMEM` where that aborts.
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

/// Asks the processor to fetch what is at `at`, and goes on without waiting. Where there is no such
/// instruction nothing is asked.
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
            for end in array.first_mut().into_iter() {
                *end = 7;
            }
            for end in array.last_mut().into_iter() {
                *end = 7;
            }
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
        assert_eq!(buf.keep().unwrap()[..3], [0, 1, 2]);
    }

    #[test]
    fn what_an_abandoned_call_has_made_is_freed_by_the_list_and_nothing_else_is() {
        let list = ScratchList::new();
        let bufs = [1, 2, 3].map(|count| OwnedBuf::<u8>::zeroed(count).unwrap());
        for buf in &bufs {
            list.push(buf.header);
        }
        let [first, second, third] = bufs;
        list.remove(second.header);
        drop(second);
        core::mem::forget((first, third));
        // SAFETY: the two that are left are forgotten.
        unsafe { list.free_all() };
        assert!(list.0.get().is_null());
    }
}
