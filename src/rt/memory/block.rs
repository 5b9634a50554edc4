//! Blocks of memory from malloc(3) or mmap(2), each with a header, and the lists that record them.
#![allow(unsafe_code, reason = "memory from malloc(3) and mmap(2)")]

use alloc::alloc::{Layout, alloc, dealloc};
use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering, compiler_fence};

use rustix::mm::MapFlags;

use super::Zero;
use crate::rt::errno::Errno;
use crate::rt::sys;

/// What stands before the elements.
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(16)))]
#[cfg_attr(target_pointer_width = "32", repr(align(8)))]
pub(crate) struct Header {
    /// The list that the block is in, or null; and the next block there.
    list: Cell<*const ScratchList>,
    next: Cell<*mut Header>,
    /// How many elements there is room for.
    count: usize,
    /// Where the mapping begins; null if the memory is from malloc(3).
    mapping: *mut c_void,
    /// The size in bytes, with this header and what is before it.
    size: usize,
}

/// The size of a huge page. Blocks of at least this size are mapped.
pub(super) const HUGE_BYTES: usize = 2 << 20;

/// A block for `count` zeroed elements, recorded in the list if there is one.
pub(super) fn allocate<T: Zero>(
    count: usize,
    list: Option<&ScratchList>,
) -> Result<NonNull<Header>, Errno> {
    const { assert!(align_of::<T>() <= align_of::<Header>()) };
    new_block(count, count.checked_mul(size_of::<T>()).ok_or(Errno::ENOMEM)?, list)
}

/// Records the block before it does anything else with it: a call leaks it only if it is abandoned in the few
/// instructions between.
#[inline(never)]
fn new_block(
    count: usize,
    bytes: usize,
    list: Option<&ScratchList>,
) -> Result<NonNull<Header>, Errno> {
    let (at, mapping, size) = if bytes >= HUGE_BYTES {
        map(bytes)?
    } else {
        let size = bytes + size_of::<Header>();
        let layout =
            Layout::from_size_align(size, align_of::<Header>()).map_err(|_| Errno::ENOMEM)?;
        // SAFETY: the size is not zero.
        (unsafe { alloc(layout) }, null_mut(), size)
    };
    #[allow(clippy::cast_ptr_alignment, reason = "malloc and `map` align for a header")]
    let header = NonNull::new(at.cast::<Header>()).ok_or(Errno::ENOMEM)?;
    let (no_list, next) = (Cell::new(null()), Cell::new(null_mut()));
    // SAFETY: fresh memory of ours with room for a header.
    unsafe { header.write(Header { list: no_list, next, count, mapping, size }) };
    if let Some(list) = list {
        list.push(header);
    }
    if mapping.is_null() {
        // Not by calloc(3), which would take its time for a large block before that is recorded.
        // SAFETY: the header was just written.
        let (first, _) = unsafe { elements::<u8>(header) };
        // SAFETY: `size` has room for the elements.
        unsafe { first.write_bytes(0, bytes) };
    }
    Ok(header)
}

/// A large block, on huge pages if the kernel has them: one page fault for 2 MiB in place of one for 4 KiB, and
/// fewer misses in the processor's cache of page addresses (TLB). It gives the header's place, and the whole mapping.
#[cold]
fn map(bytes: usize) -> Result<(*mut u8, *mut c_void, usize), Errno> {
    // The header is right before the boundary of the first huge page. What is before the header, and the rest of
    // the last page, is not touched and so costs nothing.
    let size = bytes.checked_add(2 * HUGE_BYTES).ok_or(Errno::ENOMEM)?;
    let mapping = sys::map(size, MapFlags::empty())?;
    let first = (mapping.addr() + size_of::<Header>()).next_multiple_of(HUGE_BYTES);
    let first = mapping.cast::<u8>().with_addr(first);
    // SAFETY: `map` has just given `size` bytes, in which `bytes` from the boundary on have room.
    unsafe { sys::prefer_huge_pages(first.cast(), bytes) };
    // SAFETY: the boundary lies at least a header's size after the mapping's start.
    Ok((unsafe { first.sub(size_of::<Header>()) }, mapping, size))
}

/// Where the elements of a block are, and how many.
///
/// # Safety
///
/// `header` is from [`allocate`], and not freed.
#[inline(always)]
pub(crate) unsafe fn elements<T>(header: NonNull<Header>) -> (*mut T, usize) {
    // SAFETY: the caller promises that the header is alive; the elements stand behind it.
    let first = unsafe { header.add(1) }.cast().as_ptr();
    // SAFETY: the caller promises that the header is alive.
    (first, unsafe { header.as_ref() }.count)
}

/// Takes the block off its list, if it is in one, and frees it.
///
/// # Safety
///
/// `header` is from [`allocate`], and nothing refers to its memory any more.
#[inline(never)]
pub(crate) unsafe fn free(header: NonNull<Header>) {
    // SAFETY: the caller promises that it is from `allocate` and not freed.
    let Header { mapping, size, .. } = *unsafe { header.as_ref() };
    off_list(header);
    // A call that is abandoned after this must not find it in the list again.
    compiler_fence(Ordering::SeqCst);
    if !mapping.is_null() {
        // SAFETY: mapped by `map` with this size, and unused by now.
        unsafe { sys::unmap(mapping, size) };
    } else {
        // SAFETY: `new_block` has checked the size.
        let layout = unsafe { Layout::from_size_align_unchecked(size, align_of::<Header>()) };
        // SAFETY: allocated by `new_block` with this layout, and unused by now.
        unsafe { dealloc(header.as_ptr().cast(), layout) };
    }
}

/// Takes the block off its list, if it is in one.
#[inline(always)]
pub(crate) fn off_list(header: NonNull<Header>) {
    // SAFETY: the header is alive: its owner calls this.
    let list = unsafe { header.as_ref() }.list.replace(null());
    // SAFETY: null, or a list of a thread's part, which is never freed.
    if let Some(list) = unsafe { list.as_ref() } {
        list.remove(header);
    }
}

/// A list of blocks. All zeros are an empty list.
pub(crate) struct ScratchList(Cell<*mut Header>);

impl ScratchList {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(null_mut()))
    }

    #[inline(always)]
    pub(crate) fn push(&self, header: NonNull<Header>) {
        // SAFETY: `header` is alive, and only its owner has it.
        let new = unsafe { header.as_ref() };
        new.next.set(self.0.get());
        // The order matters: a call that is abandoned between two of these steps must leave a valid list.
        compiler_fence(Ordering::SeqCst);
        self.0.set(header.as_ptr());
        compiler_fence(Ordering::SeqCst);
        new.list.set(self);
    }

    /// Takes the block off the list; false if it is not in it.
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

    /// Frees all blocks in the list, one by one, because this may be abandoned too.
    ///
    /// # Safety
    ///
    /// Whoever made the buffers has been abandoned: nobody uses or drops them any more.
    pub(crate) unsafe fn free_all(&self) {
        while let Some(header) = NonNull::new(self.0.get()) {
            // The call may have been abandoned in `push`, before this.
            // SAFETY: in the list, so not freed yet.
            unsafe { header.as_ref() }.list.set(self);
            // SAFETY: in the list, so from `allocate`; the caller promises that nobody uses it.
            unsafe { free(header) };
        }
    }

    /// Takes a block off the list that an abandoned call has put into the cell already.
    pub(crate) fn finish_adopting(&self, cell: &AtomicPtr<Header>) {
        let held = NonNull::new(cell.load(Ordering::Relaxed));
        if let Some(header) = held.filter(|&header| self.remove(header)) {
            // SAFETY: it was in the list, so it is the thread's own and not freed.
            unsafe { header.as_ref() }.list.set(null());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_abandoned_call_has_made_is_freed_by_the_list_and_nothing_else_is() {
        let list = ScratchList::new();
        let [_, second, _] = [1, 2, 3].map(|count| allocate::<u8>(count, Some(&list)).unwrap());
        // SAFETY: nobody else has the block.
        unsafe { free(second) };
        // SAFETY: nobody else has the two that are left.
        unsafe { list.free_all() };
        assert!(list.0.get().is_null());
    }
}
