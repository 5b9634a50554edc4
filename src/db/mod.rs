//! The databases, one file each: the row, its parser, the keys by which it is found, and how it is written into the C
//! struct. Parsers are total functions on bytes, with no I/O, no C and no `unsafe`.

pub(crate) mod address;
pub(crate) mod bytes;
pub(crate) mod fields;
pub(crate) mod group;
pub(crate) mod hosts;
pub(crate) mod key;
pub(crate) mod passwd;
pub(crate) mod shadow;

use crate::config::FileKind;
use crate::rt::errno::Errno;
use crate::rt::memory::ScratchBuf;
use crate::rt::out_buf::{OutBuf, c_bytes};
use crate::rt::static_result::StaticResults;
use crate::rt::thread::Level;
use fields::{Fields, Reason};
use key::{Key, What};

pub(crate) use group::Group;
pub(crate) use hosts::Hosts;
pub(crate) use passwd::Passwd;
pub(crate) use shadow::Shadow;

/// What came of a question, and the answer where the caller's memory does not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status<T = ()> {
    Found(T),
    /// Our sources decide, and have none.
    NotFound,
    /// It is not ours: call the next definition.
    Pass,
}

/// A database, whose file has one row a line.
pub(crate) trait Database: Sized + 'static {
    /// What a line becomes. It borrows the line's bytes.
    type Row<'a>: Copy;
    /// The C struct of a row. Zeros are a valid value of it.
    type C: 'static;
    /// Its name in nsswitch.conf(5).
    const NAME: &'static str;
    /// Which configured file it is read from.
    const FILE: FileKind;
    /// How many keys of the kind [`By::Id`] a row can have.
    const MOST_IDS: usize = 1;
    /// The system's own file, if the synthetic user has a row in this database.
    const SYSTEM_FILE: Option<FileKind> = None;

    /// The row of a line that is neither blank nor a comment.
    fn parse<'a>(fields: &mut Fields<'a>) -> Result<Self::Row<'a>, Reason>;
    /// True if the row has the key.
    fn has(row: &Self::Row<'_>, key: &Key<'_>) -> bool;
    fn name<'a>(row: &Self::Row<'a>) -> &'a [u8];
    /// The keys by which only the first row that has them is found: the name, or the id or addresses. (A host's name
    /// is not such a key, because all lines of a name count.)
    fn first_keys<'a>(row: &Self::Row<'a>, by: By) -> impl Iterator<Item = Key<'a>>;
    /// The keys by which all rows that have them are found: a group's members, a host's names.
    fn all_keys<'a>(_row: &Self::Row<'a>) -> impl Iterator<Item = Key<'a>> {
        core::iter::empty()
    }
    /// True if the first line of `file` has the key, one of [`Database::first_keys`]; `None` if that cannot be known
    /// from the start of the line. (The whole line may be long.)
    fn begins_with(file: &[u8], key: &Key<'_>) -> Option<bool> {
        fields::begins_with(file, key)
    }
    /// True if that byte ends a name of [`Database::all_keys`] in a file.
    fn ends_listed(_byte: u8) -> bool {
        true
    }
    /// Writes the row in the quickest way; false if it does not fit in that way.
    #[inline(always)]
    fn write_line(row: &Self::Row<'_>, out: &mut OutBuf<'_, Self::C>) -> bool {
        Self::write_strings(row, out).is_ok()
    }
    /// Writes the row and the strings that it points to; `ERANGE` if the buffer is too small.
    fn write_strings(row: &Self::Row<'_>, out: &mut OutBuf<'_, Self::C>) -> Result<(), Errno>;
    /// Writes the row in one of these ways.
    fn write(row: &Self::Row<'_>, out: &mut OutBuf<'_, Self::C>) -> Result<(), Errno> {
        if Self::write_line(row, out) { Ok(()) } else { Self::write_strings(row, out) }
    }
    /// The memory for the results of the functions without `_r`.
    fn static_results(level: &Level) -> &StaticResults<Self::C>;
    /// The synthetic user's row in this database, if there is one.
    fn synthetic<'a>(_user: &passwd::PasswdRow<'a>) -> Option<Self::Row<'a>> {
        None
    }
    /// Copies a row that an NSS module or libc has filled, because it may point into memory that the next call uses
    /// again.
    ///
    /// # Safety
    ///
    /// All that the struct points to is as its man page says, or null.
    #[allow(unsafe_code, reason = "reads what C has filled")]
    unsafe fn copy_of(row: &Self::C) -> Result<OwnedRow, Errno>;
    /// The copy as a row.
    fn row_of(copy: &OwnedRow) -> Self::Row<'_>;
}

/// The kinds of [`Database::first_keys`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Name,
    /// A uid, a gid, an address.
    Id,
}

impl By {
    /// The kind of the key.
    #[inline(always)]
    pub(crate) fn of(key: &Key<'_>) -> Self {
        match key.what {
            What::Name(_) | What::Host(_) => Self::Name,
            What::Id(_) | What::Address(_) => Self::Id,
        }
    }
}

/// A copy of a row: the texts one after the other, and the numbers. Each database defines what they mean.
#[derive(Default)]
pub(crate) struct OwnedRow {
    text: ScratchBuf<u8>,
    ends: [usize; 5],
    count: usize,
    pub(crate) ids: [u32; 2],
}

impl OwnedRow {
    /// Text number `at`.
    fn part(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(at).copied().unwrap_or(0);
        self.text.get(start.unwrap_or(0)..end).unwrap_or_default()
    }

    /// Adds to the current text.
    fn push(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.text.extend(bytes)
    }

    /// Ends the current text.
    fn end_part(&mut self) {
        if let Some(end) = self.ends.get_mut(self.count) {
            *end = self.text.len();
            self.count += 1;
        }
    }

    /// Adds a C string as a text, and an empty text for a null pointer, which some modules give.
    ///
    /// # Safety
    ///
    /// `text` is null or a C string.
    #[allow(unsafe_code, reason = "reads what C has filled")]
    unsafe fn push_c(&mut self, text: *const core::ffi::c_char) -> Result<(), Errno> {
        // SAFETY: the caller promises null or a C string.
        self.push(unsafe { c_bytes(text) }.unwrap_or_default())?;
        self.end_part();
        Ok(())
    }

    /// Adds the strings of an array as one text, each with a `separator` after it.
    ///
    /// # Safety
    ///
    /// `list` is null or an array of C strings that ends in null.
    #[allow(unsafe_code, reason = "reads what C has filled")]
    unsafe fn push_list(
        &mut self,
        list: *const *mut core::ffi::c_char,
        separator: u8,
    ) -> Result<(), Errno> {
        // SAFETY: the caller promises null or an array that ends in null.
        for text in unsafe { pointers(list) } {
            // SAFETY: an element before the end is a C string.
            self.push(unsafe { c_bytes(text) }.unwrap_or_default())?;
            self.push(&[separator])?;
        }
        self.end_part();
        Ok(())
    }
}

/// The elements of an array of pointers before the null pointer at its end.
///
/// # Safety
///
/// `list` is null or such an array, which lives as long as the iterator.
#[allow(unsafe_code, reason = "reads what C has filled")]
unsafe fn pointers(
    mut list: *const *mut core::ffi::c_char,
) -> impl Iterator<Item = *mut core::ffi::c_char> {
    core::iter::from_fn(move || {
        // SAFETY: the caller promises null or an array that ends in null, and no null has been seen in it yet.
        let element = unsafe { list.as_ref() }.copied().filter(|element| !element.is_null())?;
        // SAFETY: this element was not the end, so there is another.
        list = unsafe { list.add(1) };
        Some(element)
    })
}
