//! The results of the functions without `_r`.
#![allow(unsafe_code, reason = "memory that a call may leave behind at any instruction")]

use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ptr::null_mut;

use crate::rt::errno::Errno;
use crate::rt::memory::OwnedBuf;

/// The result of a function without `_r`, which is valid until the thread's next call of that family.
pub(crate) struct StaticResult<T> {
    row: UnsafeCell<MaybeUninit<T>>,
    /// In one word, so that an abandoned call leaves the old one or the new one.
    buffer: Cell<Option<OwnedBuf<u8>>>,
}

/// The first size of a result's buffer; sysconf(3) suggests the same.
const RESULT_BYTES: usize = 1024;

impl<T> StaticResult<T> {
    pub(crate) const fn new() -> Self {
        Self { row: UnsafeCell::new(MaybeUninit::uninit()), buffer: Cell::new(None) }
    }

    /// Where the row goes, and the buffer for what it points to.
    pub(crate) fn memory(&self) -> (*mut T, *mut u8, usize) {
        const { assert!(size_of::<Option<OwnedBuf<u8>>>() == size_of::<usize>()) };
        // SAFETY: the cell is this thread's, and the reference ends before the buffer can be replaced.
        let (buffer, size) = match unsafe { &*self.buffer.as_ptr() } {
            Some(buffer) => buffer.parts(),
            None => (null_mut(), 0),
        };
        (self.row.get().cast(), buffer, size)
    }

    /// A buffer of twice the size; what the old one held is not kept.
    pub(crate) fn grow(&self) -> Result<(), Errno> {
        let size = (self.memory().2 * 2).max(RESULT_BYTES);
        self.buffer.set(Some(OwnedBuf::zeroed(size)?));
        Ok(())
    }

    pub(super) fn free(&self) {
        self.buffer.set(None);
    }
}
