//! Lines whose colons are known, and the quick way through those that are as most lines are.
//!
//! What is quick here gives what the parsers of the sibling files give, or nothing, and then those
//! are asked. So it need not know blanks, comments, signs or numbers beyond eight digits.

use crate::marks::BLOCK;
use crate::record::{Group, Passwd};

/// How many bytes from a line's start on can be looked at, whatever its length: those in which its
/// colons are known, and whole words behind the last.
pub(crate) const WINDOW: usize = 3 * BLOCK;

/// A line of a file.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// From the line's start on, beyond its end.
    pub(crate) rest: &'a [u8],
    /// The beginning of that.
    pub(crate) window: &'a [u8; WINDOW],
    /// Without the newline.
    pub(crate) len: usize,
    /// Where colons are in the first 64 bytes of the line, and in the next 64.
    pub(crate) colons: (u64, u64),
    /// False if there is surely no NUL byte in it.
    pub(crate) may_have_nul: bool,
}

/// What the quick way makes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quick<R> {
    pub(crate) row: R,
    /// The id stands in the file as it would be printed, between colons.
    pub(crate) is_plain: bool,
}

impl<'a> Line<'a> {
    /// The line without its newline.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.rest.get(..self.len).unwrap_or_default()
    }

    #[inline(always)]
    fn part(&self, from: usize, to: usize) -> Option<&'a [u8]> {
        self.window.get(from..to)
    }

    /// What follows a colon.
    #[inline(always)]
    fn after(&self, colon: usize) -> Option<&'a [u8]> {
        self.rest.get(colon + 1..self.len)
    }

    /// Neither empty nor a comment, nor with a blank or a sign before the name.
    #[inline(always)]
    fn begins_with_a_name(&self) -> bool {
        self.len > 0 && self.window.first().is_some_and(|&b| b > b'-')
    }

    /// The number from `from` to `to`, if it is one to eight digits.
    #[inline(always)]
    fn digits(&self, from: usize, to: usize) -> Option<u32> {
        let count = to.wrapping_sub(from);
        if !(1..=8).contains(&count) {
            return None;
        }
        let word = u64::from_le_bytes(*self.window.get(from..)?.first_chunk()?);
        // The digits to the upper end, zeros below them, which stand before them then.
        let digits = (word ^ 0x3030_3030_3030_3030) << (64 - 8 * count);
        if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
            return None;
        }
        // Neighbours together: to four numbers below 100, and those to one.
        let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
        let high = (pairs & 0xff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
        let low = (pairs >> 16 & 0xff_0000_00ff).wrapping_mul(0x2710_0000_0001);
        u32::try_from(high.wrapping_add(low) >> 32).ok()
    }

    #[inline(always)]
    fn is_plain(&self, from: usize, to: usize) -> bool {
        to - from == 1 || self.window.get(from) != Some(&b'0')
    }
}

/// The places of colons, from the first on.
struct Colons {
    near: u64,
    far: u64,
    base: usize,
}

impl Colons {
    #[inline(always)]
    fn of(line: &Line<'_>) -> Self {
        Self { near: line.colons.0, far: line.colons.1, base: 0 }
    }

    /// The next one, if it is in the first 128 bytes.
    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.near == 0 {
            *self = Self { near: self.far, far: 0, base: BLOCK };
            if self.near == 0 {
                return None;
            }
        }
        let at = self.near.trailing_zeros() as usize + self.base;
        self.near &= self.near - 1;
        Some(at)
    }
}

/// passwd(5).
#[inline(always)]
pub(crate) fn passwd<'a>(line: &Line<'a>) -> Option<Quick<Passwd<'a>>> {
    let mut colons = Colons::of(line);
    let (a, b, c) = (colons.next()?, colons.next()?, colons.next()?);
    let (d, e, f) = (colons.next()?, colons.next()?, colons.next()?);
    if !line.begins_with_a_name() {
        return None;
    }
    let row = Passwd {
        name: line.part(0, a)?,
        passwd: line.part(a + 1, b)?,
        uid: line.digits(b + 1, c)?,
        gid: line.digits(c + 1, d)?,
        gecos: line.part(d + 1, e)?,
        dir: line.part(e + 1, f)?,
        shell: line.after(f)?,
        line: line.bytes(),
    };
    Some(Quick { row, is_plain: line.is_plain(b + 1, c) })
}

/// group(5).
#[inline(always)]
pub(crate) fn group<'a>(line: &Line<'a>) -> Option<Quick<Group<'a>>> {
    let mut colons = Colons::of(line);
    let (a, b, c) = (colons.next()?, colons.next()?, colons.next()?);
    if !line.begins_with_a_name() {
        return None;
    }
    let row = Group {
        name: line.part(0, a)?,
        passwd: line.part(a + 1, b)?,
        gid: line.digits(b + 1, c)?,
        line: line.bytes(),
        member_list: line.after(c)?,
    };
    Some(Quick { row, is_plain: line.is_plain(b + 1, c) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{marks, parse};

    fn with_line<R>(bytes: &[u8], take: impl FnOnce(&Line<'_>) -> R) -> R {
        let colons = |part: &[u8]| marks::all(part, b':');
        let (near, far) = bytes.split_at(bytes.len().min(BLOCK));
        let colons = (colons(near), colons(far));
        let rest = [bytes, &[b'\n'; WINDOW]].concat();
        let window = rest.first_chunk().unwrap();
        take(&Line { rest: &rest, window, len: bytes.len(), colons, may_have_nul: true })
    }

    #[test]
    fn the_quick_way_gives_what_the_parsers_give_or_nothing() {
        let long = [b"u:x:1:2:".as_slice(), &[b'g'; 200], b":d:s"].concat();
        let lines: &[(&[u8], bool)] = &[
            (b"bob:x:1000:100:Bob, B.:/home/bob:/bin/sh", true),
            (
                b"bob:x:1000:100:a:long field that goes beyond the first block of bytes:/home:/s",
                true,
            ),
            (b"u:x:0:99999999:::", true),
            (b"u:x:1:1:::::", true),
            (b":x:5:5:::", false),
            (b"u:x:100000000:1:::", false),
            (b"u:x::1:::", false),
            (b"u:x:1 :1:::", false),
            (b"u:x:/:1:::", false),
            (b"u:x:1\xb1:1:::", false),
            (b"u:x:1", false),
            (b"u:x:1:1", false),
            (b" u:x:1:1:::", false),
            (b"+u:x:1:1:::", false),
            (b"#u:x:1:1:::", false),
            (b"", false),
            (&long, false),
        ];
        for (bytes, is_quick) in lines {
            let name = bytes.escape_ascii();
            with_line(bytes, |line| {
                let quick = passwd(line).map(|quick| quick.row);
                assert!(quick.is_none() || Ok(quick) == parse::passwd(bytes), "{name}");
                assert!(quick.is_some() || !is_quick, "{name}");
                let quick = group(line).map(|quick| quick.row);
                assert!(quick.is_none() || Ok(quick) == parse::group(bytes), "{name}");
            });
        }
    }

    #[test]
    fn random_lines_are_read_the_same_both_ways() {
        let (mut state, mut rows) = (7_u64, 0);
        for _ in 0..100_000 {
            let mut next = |below: u64| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) % below
            };
            let mut line = Vec::new();
            for field in 0..next(9) {
                let digits = matches!(field, 2 | 3) && next(8) > 0;
                let (len, alphabet) = match (digits, next(20)) {
                    (true, _) => (1 + next(9), b"0123456789".as_slice()),
                    (false, 0) => (next(90), b"a0 9:,".as_slice()),
                    (false, _) => (next(12), b"abc.,- 0+#".as_slice()),
                };
                line.extend(
                    (0..len)
                        .map(|_| alphabet[usize::try_from(next(alphabet.len() as u64)).unwrap()]),
                );
                line.push(b':');
            }
            line.pop();
            with_line(&line, |quick| {
                let user = passwd(quick).map(|quick| quick.row);
                assert!(user.is_none() || Ok(user) == parse::passwd(&line), "{line:?}");
                let team = group(quick).map(|quick| quick.row);
                assert!(team.is_none() || Ok(team) == parse::group(&line), "{line:?}");
                rows += usize::from(user.is_some()) + usize::from(team.is_some());
            });
        }
        assert!(rows > 10_000, "{rows}");
    }

    #[test]
    fn numbers_of_one_to_eight_digits_are_read_and_told_plain() {
        for (text, want) in [
            ("0", Some((0, true))),
            ("7", Some((7, true))),
            ("00", Some((0, false))),
            ("12345678", Some((12_345_678, true))),
            ("99999999", Some((99_999_999, true))),
            ("0012", Some((12, false))),
            ("123456789", None),
            ("12a4", None),
            ("1:", None),
            ("", None),
        ] {
            with_line(text.as_bytes(), |line| {
                let got = line.digits(0, text.len()).map(|n| (n, line.is_plain(0, text.len())));
                assert_eq!(got, want, "{text}");
            });
        }
    }
}
