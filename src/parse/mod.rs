//! Lines into rows: total functions on bytes, with no I/O, no C and no `unsafe`.
//!
//! What glibc's files parser accepts is accepted with equal fields (`nss/nss_files/files-parse.c`,
//! as fgetpwent(3), fgetgrent(3) and fgetspent(3) show it): leading blanks of a line are skipped,
//! fields missing at the end are empty, numbers are read as `strtoul` does. Three things differ, on
//! purpose:
//!
//! - Names that start with `+` or `-` are NIS directives to nss_compat, which glibc's parser gives
//!   uid 0. Here they are refused: nobody becomes root by a line that is not about root.
//! - A line with a NUL byte is refused. glibc would end a C string there, and see another line.
//! - A last line without a newline is read as it stands. glibc, where such a line has leading blanks,
//!   reads its last bytes twice (`__nss_readline` moves the line without its end; seen with 2.36):
//!   gid 12 becomes 122.

mod address;
mod group;
mod host;
mod line;
mod passwd;
mod shadow;

use crate::record::skip_space;
pub(crate) use address::{Literal, literal, numeric};
pub(crate) use group::group;
pub(crate) use host::host;
pub(crate) use line::{Line, Quick, WINDOW, group as quick_group, passwd as quick_passwd};
pub(crate) use passwd::passwd;
pub(crate) use shadow::shadow;

/// Why a line is not a row, for the log.
pub(crate) type Reason = &'static str;

/// A row; nothing for a blank line or a comment; or the reason why the line is malformed.
pub(crate) type Parsed<T> = Result<Option<T>, Reason>;

/// The line without leading blanks, or `None` if it is blank or a comment.
fn content(line: &[u8]) -> Option<&[u8]> {
    let line = skip_space(line);
    (!matches!(line.first(), None | Some(b'#'))).then_some(line)
}

/// Takes a line apart at its colons.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Everything up to the next colon or the end.
    fn text(&mut self) -> &'a [u8] {
        // Fields are short: setting up a wide search would cost more than it saves.
        self.up_to(self.0.iter().position(|&b| b == b':'))
    }

    /// The same, where much is expected.
    fn long_text(&mut self) -> &'a [u8] {
        self.up_to(memchr::memchr(b':', self.0))
    }

    fn up_to(&mut self, colon: Option<usize>) -> &'a [u8] {
        let at = colon.unwrap_or(self.0.len());
        let (field, rest) = self.0.split_at_checked(at).unwrap_or((self.0, b""));
        self.0 = rest.get(1..).unwrap_or_default();
        field
    }

    /// The name that a line starts with.
    fn name(&mut self) -> Result<&'a [u8], Reason> {
        let name = self.text();
        match name.first() {
            Some(b'+' | b'-') => Err("NIS compat entries are not supported"),
            _ => Ok(name),
        }
    }

    /// A user or group id.
    fn id(&mut self, what: Reason) -> Result<u32, Reason> {
        narrow(self.text()).ok_or(what)
    }
}

/// A number of 32 bits. One beyond them is not taken for another.
fn narrow(field: &[u8]) -> Option<u32> {
    number(field).and_then(|n| u32::try_from(n).ok())
}

/// `strtoul(3)` in base 10, on all of the field: blanks, a sign, digits. Out of range is the largest
/// number, and a minus sign negates modulo 2⁶⁴.
fn number(field: &[u8]) -> Option<u64> {
    let field = skip_space(field);
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, field),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = Some(0_u64);
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.and_then(|v| v.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    }
    Some(match value {
        None => u64::MAX,
        Some(v) if negative => v.wrapping_neg(),
        Some(v) => v,
    })
}

/// For a line with a NUL byte, which whoever has the whole file looks for: parsers do not.
pub(crate) const NUL: Reason = "NUL byte";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtoul_reads_them() {
        let table: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"007", Some(7)),
            (b" \t+7", Some(7)),
            (b"-1", Some(u64::MAX)),
            (b"-0", Some(0)),
            (b"18446744073709551616", Some(u64::MAX)),
            (b"-18446744073709551616", Some(u64::MAX)),
            (b"-18446744073709551615", Some(1)),
            (b"", None),
            (b"-", None),
            (b"+-1", None),
            (b"1 ", None),
            (b"0x10", None),
            (b"abc", None),
        ];
        for (text, want) in table {
            assert_eq!(number(text), *want, "{}", text.escape_ascii());
        }
    }
}
