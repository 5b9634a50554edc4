//! A simple reader of the files, field by field and with libc's own `strtoull`, for comparison.

use core::ffi::{c_char, c_int, c_ulonglong};
use core::ptr::null_mut;
use std::ffi::CString;

use crate::db::group::GroupRow;
use crate::db::passwd::PasswdRow;
use crate::db::shadow::ShadowRow;
use crate::db::{Database, Group, Passwd, Shadow};

/// A row's texts, of which the name is the first; its numbers, of which the id is the first; its list of members.
pub(super) type Owned = (Vec<Vec<u8>>, Vec<i128>, Vec<Vec<u8>>);

/// A database that this file reads.
pub(super) trait Naive: Database {
    /// True if the first number is an id.
    const HAS_ID: bool = true;
    /// A copy of one of the library's rows, to compare.
    fn owned(row: Self::Row<'_>) -> Owned;
    /// The fields of a line that is neither blank nor a comment.
    fn read_fields(fields: &mut Rest<'_>) -> Option<Owned>;

    /// The row that a line is, by the rules that the head of `src/db/fields.rs` gives.
    fn read_line(line: &[u8]) -> Option<Owned> {
        let content = without_blanks(line);
        let is_row = !content.is_empty() && content[0] != b'#' && !line.contains(&0);
        Self::read_fields(&mut Rest(content)).filter(|_| is_row && !b"+-".contains(&content[0]))
    }

    /// The id of a row that [`Naive::owned`] or [`Naive::read_line`] gave.
    fn id(row: &Owned) -> Option<u32> {
        row.1.first().filter(|_| Self::HAS_ID).and_then(|&id| u32::try_from(id).ok())
    }
}

/// What is left of a line.
pub(super) struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// The bytes up to the next colon, which is passed, or to the end.
    fn text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&b| b == b':').unwrap_or(self.0.len());
        let field = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        field
    }

    /// A count of days: −1 if it is empty, but it must not be the end of the line.
    fn days(&mut self) -> Option<i128> {
        if self.0.is_empty() {
            return None;
        }
        match self.text() {
            b"" => Some(-1),
            // 4294967295 is -1 in an `int`.
            text => number(text).map(|days| i32::from_ne_bytes(days.to_ne_bytes()).into()),
        }
    }
}

/// The bytes from the first one on that is no white space to C.
fn without_blanks(text: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| b" \t\n\x0b\x0c\r".contains(b);
    &text[text.iter().take_while(|b| is_blank(b)).count()..]
}

unsafe extern "C" {
    fn strtoull(text: *const c_char, end: *mut *mut c_char, base: c_int) -> c_ulonglong;
}

/// A number of 32 bits that is all of the text.
fn number(text: &[u8]) -> Option<u32> {
    let text = CString::new(text).ok()?;
    let mut end = null_mut();
    // SAFETY: a C string, and room for a pointer.
    let value = unsafe { strtoull(text.as_ptr(), &raw mut end, 10) };
    let is_all = end.addr() - text.as_ptr().addr() == text.as_bytes().len();
    u32::try_from(value).ok().filter(|_| is_all && !text.is_empty())
}

fn owned<const N: usize>(texts: [&[u8]; N], numbers: Vec<i128>) -> Owned {
    (texts.map(<[u8]>::to_vec).to_vec(), numbers, Vec::new())
}

/// The flag in C's struct if the line has none: shadow(5), getspnam(3).
const NO_FLAG: i128 = libc::c_ulong::MAX as i128;

impl Naive for Passwd {
    fn owned(row: PasswdRow<'_>) -> Owned {
        let texts = [row.name, row.passwd, row.gecos, row.dir, row.shell];
        owned(texts, vec![row.uid.into(), row.gid.into()])
    }

    fn read_fields(fields: &mut Rest<'_>) -> Option<Owned> {
        let (name, passwd) = (fields.text(), fields.text());
        let ids = vec![number(fields.text())?.into(), number(fields.text())?.into()];
        let (gecos, dir) = (fields.text(), fields.text());
        Some(owned([name, passwd, gecos, dir, fields.0], ids))
    }
}

impl Naive for Group {
    fn owned(row: GroupRow<'_>) -> Owned {
        let (texts, ids, _) = owned([row.name, row.passwd], vec![row.gid.into()]);
        (texts, ids, row.members().map(<[u8]>::to_vec).collect())
    }

    fn read_fields(fields: &mut Rest<'_>) -> Option<Owned> {
        let (name, passwd) = (fields.text(), fields.text());
        let (texts, ids, _) = owned([name, passwd], vec![number(fields.text())?.into()]);
        let members = fields.0.split(|&b| b == b',').map(without_blanks);
        Some((texts, ids, members.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()))
    }
}

impl Naive for Shadow {
    const HAS_ID: bool = false;

    fn owned(row: ShadowRow<'_>) -> Owned {
        let days = [row.last_change, row.min, row.max, row.warn, row.inactive, row.expire];
        let numbers = days.map(i128::from).into_iter();
        let flag = row.flag.map_or(NO_FLAG, i128::from);
        owned([row.name, row.passwd], numbers.chain([flag]).collect())
    }

    fn read_fields(fields: &mut Rest<'_>) -> Option<Owned> {
        let texts = [fields.text(), fields.text()];
        let mut numbers = vec![fields.days()?, fields.days()?, fields.days()?];
        fields.0 = without_blanks(fields.0);
        if fields.0.is_empty() {
            numbers.extend([-1, -1, -1, NO_FLAG]);
        } else {
            numbers.extend([fields.days()?, fields.days()?, fields.days()?]);
            let is_missing = fields.0.is_empty();
            numbers.push(if is_missing { NO_FLAG } else { number(fields.0)?.into() });
        }
        Some(owned(texts, numbers))
    }
}
