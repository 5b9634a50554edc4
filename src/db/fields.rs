//! The one grammar of colon-separated lines.
//!
//! It accepts what glibc's files parser accepts, with equal fields (`nss/nss_files/files-parse.c`; fgetpwent(3),
//! fgetgrent(3) and fgetspent(3) use it): leading blanks of a line are skipped, fields missing at the end are
//! empty, numbers are read as by `strtoul`. Three things differ, on purpose:
//!
//! - Names that start with `+` or `-` are NIS directives to nss_compat, which glibc's parser gives uid 0.
//!   Here they are refused: nobody becomes root by a line that is not about root.
//! - A line with a NUL byte is refused. glibc would end a C string there, and see another line.
//! - A last line without a newline is read as it stands. glibc, where such a line has leading blanks,
//!   reads its last bytes twice (`__nss_readline` moves the line without its end; seen with 2.36): gid
//!   12 becomes 122.
//!
//! The colons in a line's first 128 bytes are known before, because finding the line's end finds them too. So most
//! fields are found without reading their bytes.

use super::bytes::{BLOCK, Split, skip_space};
use super::key::{Key, What};

/// How many bytes from a line's start on can be read, whatever its length: those in which its colons are known, and a
/// block more.
pub(crate) const WINDOW_BYTES: usize = 3 * BLOCK;

/// Why a line is not a row, for the log.
pub(crate) type Reason = &'static str;

/// The reason for a line with a NUL byte. The parsers do not look for one: whoever has the whole file does.
pub(crate) const NUL: Reason = "NUL byte";

/// A line of a file.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// The bytes from the line's start to at least [`WINDOW_BYTES`] after its end.
    pub(crate) rest: &'a [u8],
    /// The length without the newline.
    pub(crate) len: usize,
    /// Where colons are in the first 64 bytes of the line, and in the next 64.
    pub(crate) colons: (u64, u64),
}

impl<'a> Line<'a> {
    /// The line without its newline.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.rest.get(..self.len).unwrap_or_default()
    }

    /// True if a NUL byte is in it.
    #[inline(always)]
    pub(crate) fn has_nul(&self) -> bool {
        memchr::memchr(0, self.bytes()).is_some()
    }
}

/// A line being taken apart at its colons.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    len: usize,
    /// Where the next field begins; after the line's end if there is none.
    at: usize,
    /// The known colons that were not reached yet: those in the present block as bits, those in the next, and where the
    /// present block begins.
    near: u64,
    far: u64,
    block: usize,
    /// The line begins with the name, and each id so far is between colons, in the form in which it is printed.
    pub(crate) is_plain: bool,
}

impl<'a> Fields<'a> {
    /// `None` if the line is blank or a comment.
    #[inline(always)]
    pub(crate) fn new(line: Line<'a>) -> Option<Self> {
        let Line { rest, len, colons: (near, far), .. } = line;
        // Most lines begin with a name: neither blank nor `#`, `+` or `-`.
        let is_plain = len > 0 && rest.first().is_some_and(|&b| b > b'-');
        let at = if is_plain { 0 } else { skipped(line.bytes())? };
        Some(Self { rest, len, at, near, far, block: 0, is_plain })
    }

    #[inline(always)]
    pub(crate) fn line(&self) -> &'a [u8] {
        self.rest.get(..self.len).unwrap_or_default()
    }

    /// Where the field ends that begins at `self.at`.
    #[inline(always)]
    fn end(&mut self) -> usize {
        if self.near == 0 {
            (self.near, self.far, self.block) = (self.far, 0, BLOCK);
            if self.near == 0 {
                return far_end(self.line(), self.at);
            }
        }
        let end = self.near.trailing_zeros() as usize + self.block;
        self.near &= self.near - 1;
        end
    }

    /// Everything up to the next colon or the end.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> &'a [u8] {
        let (from, end) = (self.at, self.end());
        self.at = end + 1;
        match self.rest.get(from..end) {
            Some(field) => field,
            None => missing(),
        }
    }

    /// The rest of the line, with its colons.
    #[inline(always)]
    pub(crate) fn rest(&self) -> &'a [u8] {
        match self.rest.get(self.at..self.len) {
            Some(rest) => rest,
            None => missing(),
        }
    }

    /// Skips blanks.
    pub(crate) fn skip_space(&mut self) {
        self.at += self.rest().len() - skip_space(self.rest()).len();
    }

    /// The name that a line starts with.
    #[inline(always)]
    pub(crate) fn name(&mut self) -> Result<&'a [u8], Reason> {
        let name = self.text();
        if !self.is_plain && matches!(name.first(), Some(b'+' | b'-')) {
            return Err("NIS compat entries are not supported");
        }
        Ok(name)
    }

    /// A user or group id; the error is `what`.
    #[inline(always)]
    pub(crate) fn id(&mut self, what: Reason) -> Result<u32, Reason> {
        let (from, end) = (self.at, self.end());
        self.at = end + 1;
        if let Some(id) = digits(self.rest, from, end) {
            let is_printed = end - from == 1 || self.rest.get(from) != Some(&b'0');
            self.is_plain &= is_printed && end < self.len;
            return Ok(id);
        }
        self.is_plain = false;
        number_of_32_bits(self.rest.get(from..end).unwrap_or_default()).ok_or(what)
    }
}

/// A field that is missing at the end of a line. It is rare, and so not inlined.
#[cold]
#[inline(never)]
fn missing<'a>() -> &'a [u8] {
    b""
}

/// Where a field ends that begins at `at`, after the bytes in which the colons are known.
#[cold]
#[inline(never)]
fn far_end(line: &[u8], at: usize) -> usize {
    let from = at.max(2 * BLOCK);
    let rest = line.get(from..).unwrap_or_default();
    memchr::memchr(b':', rest).map_or(line.len(), |at| from + at)
}

/// The number from `from` to `end`, if it is one to ten digits within 32 bits.
#[inline(always)]
fn digits(rest: &[u8], from: usize, end: usize) -> Option<u32> {
    let count = end.wrapping_sub(from);
    if count.wrapping_sub(1) < 8 {
        return eight_digits(rest, from, count);
    }
    // Ids of OpenShift and Active Directory have nine or ten digits.
    let high = match rest.get(from..end)? {
        [a, _, _, _, _, _, _, _, _] => u64::from(a.wrapping_sub(b'0')),
        [a, b, _, _, _, _, _, _, _, _] if b.is_ascii_digit() => {
            u64::from(a.wrapping_sub(b'0')) * 10 + u64::from(b.wrapping_sub(b'0'))
        }
        _ => return None,
    };
    let low = eight_digits(rest, end - 8, 8)?;
    // A first byte that is no digit counts as 10 or more: then ten digits are beyond 32 bits.
    if count == 9 && high > 9 {
        return None;
    }
    u32::try_from(high * 100_000_000 + u64::from(low)).ok()
}

/// A number of one to eight digits.
#[inline(always)]
fn eight_digits(rest: &[u8], from: usize, count: usize) -> Option<u32> {
    let word = u64::from_le_bytes(*rest.get(from..)?.first_chunk()?);
    // Shift the digits to the top bytes; the zero bytes below read as leading zeros.
    let digits = (word ^ 0x3030_3030_3030_3030) << (64 - 8 * count);
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Joins neighbours to four numbers below 100, and those to one number.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & 0xff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let low = (pairs >> 16 & 0xff_0000_00ff).wrapping_mul(0x2710_0000_0001);
    u32::try_from(high.wrapping_add(low) >> 32).ok()
}

/// Where the content of a line begins that does not begin with a name; `None` if it is blank or a comment.
#[cold]
#[inline(never)]
fn skipped(line: &[u8]) -> Option<usize> {
    let content = skip_space(line);
    (!matches!(content.first(), None | Some(b'#'))).then_some(line.len() - content.len())
}

/// True if the row at the start of `file`, which begins with a name, another field and perhaps an id, has the key; `None`
/// if that takes the whole line. (A line with many members is long.)
#[cold]
pub(crate) fn begins_with(file: &[u8], key: &Key<'_>) -> Option<bool> {
    let mut fields = Split::<b':'>::new(skip_space(file));
    let name = fields.next()?;
    match key.what {
        What::Id(id) => number_of_32_bits(fields.nth(1)?).map(|own| own == id),
        _ => Some(key.is_name(name)),
    }
}

/// A number of 32 bits; `None` for a larger one.
#[cold]
pub(crate) fn number_of_32_bits(field: &[u8]) -> Option<u32> {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::db::bytes;

    /// Has `take` see a line as it lies in a file.
    pub(crate) fn with_line<R>(text: &[u8], take: impl FnOnce(Line<'_>) -> R) -> R {
        let colons = |part: &[u8]| bytes::all(part, b':');
        let (near, far) = text.split_at(text.len().min(BLOCK));
        let colons = (colons(near), colons(far));
        let rest = [text, &[b'\n'; WINDOW_BYTES]].concat();
        take(Line { rest: &rest, len: text.len(), colons })
    }

    #[test]
    fn fields_are_those_between_colons_wherever_they_lie() {
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for _ in 0..if cfg!(miri) { 50 } else { 50_000 } {
            let mut text = Vec::new();
            for _ in 0..next(9) {
                let len = if next(8) == 0 { next(150) } else { next(12) };
                text.extend((0..len).map(|_| b"abc0 -+#,"[next(9)]));
                text.push(b':');
            }
            text.pop();
            with_line(&text, |line| {
                let Some(mut fields) = Fields::new(line) else {
                    let content = skip_space(&text);
                    assert!(content.is_empty() || content.starts_with(b"#"), "{text:?}");
                    return;
                };
                let want: Vec<_> = skip_space(&text).split(|&b| b == b':').collect();
                for n in 0..8 {
                    assert_eq!(fields.text(), *want.get(n).unwrap_or(&&b""[..]), "{text:?}, {n}");
                }
            });
        }
    }

    #[test]
    fn ids_of_any_length_are_read_as_strtoul_reads_them() {
        let mut texts: Vec<String> = (0..12).map(|len| "1234567890123"[..len].into()).collect();
        for n in [0_u64, 7, 99_999_999, 100_000_000, 999_999_999, 1_000_680_000, 4_294_967_294] {
            texts.extend([n.to_string(), format!("0{n}"), format!(" {n}"), format!("+{n}")]);
        }
        for n in [4_294_967_295_u64, 4_294_967_296, 9_999_999_999] {
            texts.push(n.to_string());
        }
        for at in 0..10 {
            for odd in ['/', ':', 'a', '\u{b1}', ' ', '-'] {
                let mut text: Vec<char> = "4123456789".chars().collect();
                text[at] = odd;
                for part in [&text[..], &text[1..], &text[..9]] {
                    texts.push(part.iter().collect());
                }
            }
        }
        for text in texts.iter().filter(|text| !text.contains(':')) {
            let line = format!("a:{text}:b");
            with_line(line.as_bytes(), |line| {
                let mut fields = Fields::new(line).unwrap();
                assert_eq!(fields.text(), b"a");
                let id = fields.id("none");
                assert_eq!(id.ok(), number_of_32_bits(text.as_bytes()), "{text}");
                let printed = id.is_ok_and(|id| id.to_string() == *text);
                assert_eq!(fields.is_plain, printed, "{text}");
                assert_eq!(fields.rest(), b"b");
            });
        }
    }

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
