//! The results of the functions without `_r`.
#![allow(unsafe_code, reason = "memory that a call may leave behind at any instruction")]

use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ptr::{NonNull, null_mut};

use crate::rt::errno::Errno;
use crate::rt::memory::{Header, OwnedBuf};

/// The result of a function without `_r`, which is valid until the thread's next call of that family.
pub(crate) struct StaticResult<T> {
    row: UnsafeCell<MaybeUninit<T>>,
    /// An [`OwnedBuf`] in one word, so that an abandoned call leaves the old one or the new one.
    buffer: Cell<*mut Header>,
}

/// The first size of a result's buffer; sysconf(3) suggests the same.
const RESULT_BYTES: usize = 1024;

impl<T> StaticResult<T> {
    pub(crate) const fn new() -> Self {
        Self { row: UnsafeCell::new(MaybeUninit::uninit()), buffer: Cell::new(null_mut()) }
    }

    /// Where the row goes, and the buffer for what it points to.
    pub(crate) fn memory(&self) -> (*mut T, *mut u8, usize) {
        let (buffer, size) = match NonNull::new(self.buffer.get()) {
            // SAFETY: the cell holds what `grow` has put there, and takes it back only there.
            Some(raw) => unsafe { OwnedBuf::<u8>::raw_parts(raw) },
            None => (null_mut(), 0),
        };
        (self.row.get().cast(), buffer, size)
    }

    /// A buffer of twice the size; what the old one held is not kept.
    pub(crate) fn grow(&self) -> Result<(), Errno> {
        let size = (self.memory().2 * 2).max(RESULT_BYTES);
        let new = OwnedBuf::<u8>::zeroed(size)?;
        self.replace(Some(new));
        Ok(())
    }

    pub(super) fn replace(&self, new: Option<OwnedBuf<u8>>) {
        let new = new.map_or(null_mut(), OwnedBuf::into_raw);
        if let Some(old) = NonNull::new(self.buffer.replace(new)) {
            // SAFETY: from `into_raw` in `grow`, and no longer in the cell.
            drop(unsafe { OwnedBuf::<u8>::from_raw(old) });
        }
    }
}
