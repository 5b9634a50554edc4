//! Writes a row, and all that it points to, into the memory that C gives for it.
//!
//! Nothing is written past the buffer's end, pointers are aligned even if the buffer is not, and all that a
//! result points to is in the buffer: getpwnam_r(3). Taking room and checking room are one call.
#![allow(unsafe_code, reason = "writes through pointers that C gives")]

use core::ffi::c_char;
use core::marker::PhantomData;

use crate::rt::errno::Errno;

/// Room in a buffer, taken from the front.
#[derive(Clone)]
pub(crate) struct Room<'b> {
    next: *mut u8,
    left: usize,
    buffer: PhantomData<&'b mut [u8]>,
}

impl<'b> Room<'b> {
    /// # Safety
    ///
    /// `buffer` is valid for writes of `len` bytes for as long as this value and what it makes live.
    pub(crate) unsafe fn new(buffer: *mut u8, len: usize) -> Self {
        Self { next: buffer, left: len, buffer: PhantomData }
    }

    #[inline(always)]
    fn take(&mut self, size: usize) -> Result<*mut u8, Errno> {
        self.left = self.left.checked_sub(size).ok_or(Errno::ERANGE)?;
        let taken = self.next;
        // SAFETY: `checked_sub` shows that `size` bytes were left, so this is inside the buffer or its end.
        self.next = unsafe { taken.add(size) };
        Ok(taken)
    }

    #[inline(always)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<*mut c_char, Errno> {
        let to = self.take(bytes.len())?;
        // SAFETY: `take` gave `to` that much room; it is C's memory, and `bytes` are the library's or a key.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(to.cast())
    }

    #[inline(always)]
    pub(crate) fn string(&mut self, bytes: &[u8]) -> Result<*mut c_char, Errno> {
        let text = self.bytes(bytes)?;
        self.bytes(b"\0")?;
        Ok(text)
    }

    #[inline(always)]
    fn align<T>(&mut self) -> Result<(), Errno> {
        self.take(self.next.addr().wrapping_neg() % align_of::<T>()).map(|_| ())
    }

    /// Room for `count` values, to be written in order.
    #[inline(always)]
    pub(crate) fn array<T>(&mut self, count: usize) -> Result<OutArray<'b, T>, Errno> {
        self.align::<T>()?;
        let size = count.checked_mul(size_of::<T>()).ok_or(Errno::ERANGE)?;
        let first = self.take(size)?;
        #[allow(clippy::cast_ptr_alignment, reason = "`align` has seen to it")]
        let first = first.cast();
        Ok(OutArray { first, count, filled: 0, buffer: PhantomData })
    }

    /// A copy of a line, of which parts can be made C strings.
    #[inline(always)]
    pub(crate) fn line<'l>(&mut self, line: &'l [u8]) -> Result<LineCopy<'b, 'l>, Errno> {
        Ok(LineCopy { line, start: self.string(line)?.cast(), buffer: PhantomData })
    }

    /// An array of all the pointers, with a null pointer at its end.
    #[inline(never)] // The loop has the registers to itself.
    pub(crate) fn pointers(
        &mut self,
        pointers: impl Iterator<Item = Option<*mut c_char>>,
    ) -> Option<*mut *mut c_char> {
        let mut room = self.clone();
        room.align::<*mut c_char>().ok()?;
        let first = room.next;
        for pointer in pointers {
            room.append(pointer?).ok()?;
        }
        room.append(core::ptr::null_mut::<c_char>()).ok()?;
        *self = room;
        #[allow(clippy::cast_ptr_alignment, reason = "`align` has seen to it")]
        let first = first.cast();
        Some(first)
    }

    /// Writes a value right after another one of its type.
    #[inline(always)]
    fn append<T: Copy>(&mut self, value: T) -> Result<(), Errno> {
        let at = self.take(size_of::<T>())?;
        #[allow(clippy::cast_ptr_alignment, reason = "the value before it is aligned")]
        let at = at.cast::<T>();
        // SAFETY: `take` gave the room, and `pointers` has aligned the first of these values.
        unsafe { at.write(value) };
        Ok(())
    }

    /// True if there is room for the most padding that aligning a pointer can need.
    #[inline(always)]
    pub(crate) fn has_padding(&self) -> bool {
        self.left >= align_of::<*mut c_char>() - 1
    }
}

/// An array in the buffer, of which the first elements are written.
pub(crate) struct OutArray<'b, T> {
    first: *mut T,
    count: usize,
    filled: usize,
    buffer: PhantomData<&'b mut [u8]>,
}

impl<T> OutArray<'_, T> {
    pub(crate) fn push(&mut self, value: T) -> Result<(), Errno> {
        if self.filled == self.count {
            return Err(Errno::ERANGE);
        }
        // SAFETY: the check above: `filled < count`, so inside the array.
        let at = unsafe { self.first.add(self.filled) };
        // SAFETY: `Room::array` took `count` aligned elements from the buffer.
        unsafe { at.write(value) };
        self.filled += 1;
        Ok(())
    }

    /// The address of an element, written or not, or of the end.
    pub(crate) fn address(&self, at: usize) -> *mut T {
        self.first.wrapping_add(at)
    }
}

/// A line that was copied into the buffer.
pub(crate) struct LineCopy<'b, 'l> {
    line: &'l [u8],
    start: *mut u8,
    buffer: PhantomData<&'b mut [u8]>,
}

impl LineCopy<'_, '_> {
    /// The copy of a part of the line, with a NUL put after it; `None` if `part` is not a part of the line.
    #[inline(always)]
    pub(crate) fn part(&self, part: &[u8]) -> Option<*mut c_char> {
        let place = part.as_ptr().addr().wrapping_sub(self.line.as_ptr().addr());
        if place > self.line.len() || part.len() > self.line.len() - place {
            return None;
        }
        // SAFETY: the check above: the place lies in the line or at its end, and `start` is a copy of the line.
        let at = unsafe { self.start.add(place) };
        // SAFETY: the check above: the part ends in the line or at its end, where the copy has a NUL.
        let end = unsafe { at.add(part.len()) };
        // SAFETY: a byte of the copy or its NUL, which `Room::line` took from the caller's buffer.
        unsafe { end.write(0) };
        Some(at.cast())
    }
}

/// Where a result goes: the struct, and the buffer for what it points to.
pub(crate) struct OutBuf<'b, C> {
    row: *mut C,
    room: Room<'b>,
}

impl<'b, C> OutBuf<'b, C> {
    /// # Safety
    ///
    /// `row` is valid for a write, and `buffer` for writes of `len` bytes, until the exported function returns.
    pub(crate) unsafe fn new(row: *mut C, buffer: *mut c_char, len: usize) -> Self {
        // SAFETY: the caller promises that `buffer` is valid for writes of `len` bytes for as long.
        Self { row, room: unsafe { Room::new(buffer.cast(), len) } }
    }

    pub(crate) fn row(&self) -> *mut C {
        self.row
    }

    /// The whole buffer.
    #[inline(always)]
    pub(crate) fn room(&self) -> Room<'b> {
        self.room.clone()
    }

    /// Writes the row, whose pointers point into what [`OutBuf::room`] gave.
    #[inline(always)]
    pub(crate) fn set(&mut self, row: C) {
        // SAFETY: the caller of `new` promised that it is valid for a write.
        unsafe { self.row.write(row) };
    }

    /// The buffer as C takes it, for a function of libc that fills the row.
    pub(crate) fn raw(&self) -> (*mut C, *mut c_char, usize) {
        (self.row, self.room.next.cast(), self.room.left)
    }
}

/// A place where C expects a value: a result pointer, an error number.
pub(crate) struct Place<'p, T>(*mut T, PhantomData<&'p mut T>);

impl<T> Place<'_, T> {
    /// # Safety
    ///
    /// `place` is valid for writes until the exported function returns.
    #[inline(always)]
    pub(crate) unsafe fn new(place: *mut T) -> Self {
        Self(place, PhantomData)
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, value: T) {
        // SAFETY: the caller of `new` promised that it is valid for writes for as long as this value lives.
        unsafe { self.0.write(value) };
    }
}

/// A C string that the program gave.
///
/// # Safety
///
/// `text` is null or a C string that lives until the exported function returns.
#[inline(always)]
pub(crate) unsafe fn c_bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, so, as this function asks of its caller, a C string that lives long enough.
    Some(unsafe { core::ffi::CStr::from_ptr(text) }.to_bytes())
}
