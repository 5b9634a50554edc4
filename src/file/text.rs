//! A file's bytes in memory, and the lines in them.

use core::ops::Deref;

use crate::db::bytes::{BLOCK, Block, QUARTER, Quarter};
use crate::db::fields::{Line, WINDOW_BYTES};
use crate::rt::buf_cell::BufCell;
use crate::rt::errno::Errno;
use crate::rt::memory::{OwnedBuf, ScratchBuf};

/// A file's bytes. After them come newlines, so that a whole window can be read at any place, and every line ends in
/// one.
pub(crate) struct Text {
    memory: BufCell<u8>,
    len: usize,
}

/// The same in memory of the present call: the bytes and the newlines.
pub(crate) struct ScratchText(ScratchBuf<u8>);

impl ScratchText {
    /// Reads a text of about `size` bytes. `read` fills a slice from an offset on, and gives the number of bytes, 0 at
    /// the end. If that goes on much longer the error is `EFBIG`.
    pub(crate) fn read(
        size: usize,
        mut read: impl FnMut(&mut [u8], usize) -> Result<usize, Errno>,
    ) -> Result<Self, Errno> {
        /// A file may grow while it is read, to twice its size and this.
        const GROWTH_BYTES: usize = 16 << 20;
        let most = size.saturating_mul(2).saturating_add(GROWTH_BYTES);
        // One byte more than is expected, so that the end is found without more memory.
        let mut memory = ScratchBuf::zeroed(size.saturating_add(1 + WINDOW_BYTES))?;
        let mut len = 0;
        loop {
            let end = memory.len() - WINDOW_BYTES;
            let room = memory.get_mut(len..end).unwrap_or_default();
            let (asked, count) = (room.len(), if room.is_empty() { 0 } else { read(room, len)? });
            len += count;
            if len > most {
                return Err(Errno::EFBIG);
            }
            if len == end {
                memory.enlarge(memory.len().saturating_mul(2).max(1 << 16))?;
            } else if count == 0 || count < asked && len == size {
                // Fewer bytes than were asked for, and as many as were expected: this is the end.
                break;
            }
        }
        memory.truncate(len + WINDOW_BYTES);
        memory.get_mut(len..).unwrap_or_default().fill(b'\n');
        Ok(Self(memory))
    }

    /// A copy of bytes.
    #[inline(never)]
    pub(crate) fn copy_of(bytes: &[u8]) -> Result<Self, Errno> {
        let mut memory = ScratchBuf::copy_of(bytes)?;
        memory.extend(&[b'\n'; WINDOW_BYTES])?;
        Ok(Self(memory))
    }

    /// The bytes and the newlines, for [`first_line`].
    pub(crate) fn padded(&self) -> &[u8] {
        &self.0
    }

    /// The same in memory that outlives the call.
    pub(crate) fn into_padded(self) -> Result<OwnedBuf<u8>, Errno> {
        self.0.into_owned()
    }
}

impl Deref for ScratchText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.get(..self.0.len() - WINDOW_BYTES).unwrap_or_default()
    }
}

impl Text {
    /// A text of that length, which has no bytes before [`Text::fill`].
    pub(crate) const fn of_length(len: usize) -> Self {
        Self { memory: BufCell::new(), len }
    }

    /// Puts the bytes into the text, for good.
    pub(crate) fn fill(&'static self, text: ScratchText) {
        self.memory.adopt(text.0);
    }

    /// Frees the bytes.
    ///
    /// # Safety
    ///
    /// Nobody uses them any more, and the text's own memory is never freed.
    #[allow(unsafe_code, reason = "hands the caller's word on")]
    pub(crate) unsafe fn release(&self) {
        // SAFETY: the caller promises that nobody uses the bytes, and that the memory of this stays.
        unsafe { self.memory.release() };
    }

    /// The bytes from `at` on, and the newlines after them.
    #[inline(always)]
    pub(crate) fn rest(&self, at: usize) -> Option<&[u8]> {
        self.memory.get()?.get(at..self.len + WINDOW_BYTES)
    }

    /// The line that begins at `at`; `None` at the end of the file.
    #[inline(always)]
    pub(crate) fn line(&self, at: usize) -> Option<Line<'_>> {
        first_line(self.rest(at)?)
    }
}

/// The first line of the rest of a text and the newlines after it; `None` at the end of the text.
#[inline(always)]
pub(crate) fn first_line(rest: &[u8]) -> Option<Line<'_>> {
    let (window, after) = rest.split_first_chunk::<WINDOW_BYTES>()?;
    if after.is_empty() {
        return None;
    }
    let first = Block::first(window)?;
    let (near, ends) = (first.all(b':'), first.all(b'\n'));
    if ends != 0 {
        let len = ends.trailing_zeros();
        let colons = (near & !(u64::MAX << len), 0);
        return Some(Line { rest, len: len as usize, colons });
    }
    let mut far = 0;
    // Most lines end soon. There is a newline, at the latest after the file.
    for place in [0, QUARTER, 2 * QUARTER, 3 * QUARTER] {
        let part = Quarter::first(window.get(BLOCK + place..)?)?;
        far |= part.all(b':') << place;
        let ends = part.all(b'\n');
        if ends != 0 {
            let len = place + ends.trailing_zeros() as usize;
            let colons = (near, far & !(u64::MAX << len));
            return Some(Line { rest, len: BLOCK + len, colons });
        }
    }
    let len = 2 * BLOCK + memchr::memchr(b'\n', rest.get(2 * BLOCK..)?)?;
    Some(Line { rest, len, colons: (near, far) })
}

impl Deref for Text {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        self.memory.get().and_then(|memory| memory.get(..self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_length_are_found_with_their_colons() {
        let text = |bytes: &[u8]| ScratchText::copy_of(bytes).unwrap();
        assert!(first_line(text(b"").padded()).is_none());
        for len in (0..300).chain([5000, 70_000]).step_by(if cfg!(miri) { 37 } else { 1 }) {
            let line: Vec<u8> = (0..len).map(|n| if n % 7 == 3 { b':' } else { b'a' }).collect();
            for after in [&b"\n"[..], b"\n::\n", b""].into_iter().take(2 + len.min(1)) {
                let whole = [&line[..], after].concat();
                let text = text(&whole);
                assert_eq!(*text, *whole);
                let found = first_line(text.padded()).unwrap();
                assert_eq!(found.bytes(), line);
                for at in 0..64 {
                    let is_colon = found.colons.0 >> at & 1 == 1;
                    assert_eq!(is_colon, line.get(at) == Some(&b':'), "{len}, {at}");
                    let is_colon = found.colons.1 >> at & 1 == 1;
                    assert_eq!(is_colon, line.get(BLOCK + at) == Some(&b':'), "{len}, {at}");
                }
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow there")]
    fn a_file_without_an_end_is_an_error() {
        let endless = ScratchText::read(10, |into, _| {
            into.fill(b'a');
            Ok(into.len())
        });
        assert_eq!(endless.err(), Some(Errno::EFBIG));
    }
}
