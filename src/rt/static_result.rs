//! The results of the functions without `_r`.
#![allow(unsafe_code, reason = "memory that a call may leave behind at any instruction")]

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::null_mut;

use crate::rt::errno::Errno;
use crate::rt::memory::{Header, OwnedBuf};

/// The results of one function without `_r`, each valid until the thread's next call of that function.
pub(crate) struct StaticResult<T> {
    /// In one word each, so that an abandoned call leaves the old one or the new one. The row stays where it is.
    row: Cell<Option<OwnedBuf<u8>>>,
    buffer: Cell<Option<OwnedBuf<u8>>>,
    of: PhantomData<T>,
}

/// The results of a database's functions without `_r`. As in glibc none overwrites the result of another.
pub(crate) struct StaticResults<T> {
    pub(crate) by_name: StaticResult<T>,
    pub(crate) by_id: StaticResult<T>,
    pub(crate) next: StaticResult<T>,
}

impl<T> StaticResults<T> {
    pub(crate) const fn new() -> Self {
        Self { by_name: StaticResult::new(), by_id: StaticResult::new(), next: StaticResult::new() }
    }
}

/// The first size of a result's buffer; sysconf(3) suggests the same.
const RESULT_BYTES: usize = 1024;

impl<T> StaticResult<T> {
    pub(crate) const fn new() -> Self {
        Self { row: Cell::new(None), buffer: Cell::new(None), of: PhantomData }
    }

    /// Where the row goes, and the buffer for what it points to. Both are null before [`StaticResult::grow`].
    pub(crate) fn memory(&self) -> (*mut T, *mut u8, usize) {
        const { assert!(align_of::<T>() <= align_of::<Header>()) };
        let [row, buffer] = [&self.row, &self.buffer].map(|cell| {
            // SAFETY: the cell is this thread's, and the reference ends before its memory can be replaced.
            let memory = unsafe { &*cell.as_ptr() };
            memory.as_ref().map_or((null_mut(), 0), OwnedBuf::parts)
        });
        #[allow(
            clippy::cast_ptr_alignment,
            reason = "what stands behind a header is aligned as that is"
        )]
        (row.0.cast(), buffer.0, buffer.1)
    }

    /// A buffer of twice the size; what the old one held is not kept.
    pub(crate) fn grow(&self) -> Result<(), Errno> {
        let (row, _, size) = self.memory();
        if row.is_null() {
            self.row.set(Some(OwnedBuf::zeroed(size_of::<T>())?));
        }
        self.buffer.set(Some(OwnedBuf::zeroed((size * 2).max(RESULT_BYTES))?));
        Ok(())
    }
}
