//! What a row is asked for by, and how it looks in a file.

use core::fmt;

use memchr::arch::all::packedpair::HeuristicFrequencyRank;

use super::index::{of_bytes, of_number};
use crate::record::Keyed;
use crate::trace::Bytes;

/// A name or an id, and its hash.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(super) what: What<'a>,
    pub(super) hash: u64,
}

#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    Name(&'a [u8]),
    Id(u32),
}

impl<'a> Key<'a> {
    /// A name.
    #[inline(always)]
    pub(crate) fn name(name: &'a [u8]) -> Self {
        Self { what: What::Name(name), hash: of_bytes(name) }
    }

    /// A uid or gid.
    #[inline(always)]
    pub(crate) fn id(id: u32) -> Self {
        Self { what: What::Id(id), hash: of_number(id) }
    }

    /// True if it is the row's.
    #[inline(always)]
    pub(super) fn is_of(&self, row: &impl Keyed) -> bool {
        match self.what {
            What::Name(name) => is_same(row.name(), name),
            What::Id(id) => row.id() == Some(id),
        }
    }
}

/// As `==`, but without a call of libc for a name of common length.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ends = |name: &[u8]| Some((*name.first_chunk::<8>()?, *name.last_chunk::<8>()?));
    match (ends(one), ends(other)) {
        (Some(a), Some(b)) if one.len() <= 16 => one.len() == other.len() && a == b,
        _ => one == other,
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Name(name) => Bytes(name).fmt(f),
            What::Id(id) => id.fmt(f),
        }
    }
}

/// Names and ids differ from their neighbours in their last characters: those are what a search
/// looks at first.
pub(super) struct LastAreRare<'a>(pub(super) &'a [u8]);

impl HeuristicFrequencyRank for LastAreRare<'_> {
    fn rank(&self, byte: u8) -> u8 {
        if byte == b':' {
            return u8::MAX;
        }
        let from_end = self.0.iter().rev().position(|&b| b == byte);
        from_end.map_or(u8::MAX, |place| u8::try_from(place).unwrap_or(u8::MAX))
    }
}

/// What to look for in a file whose lines are plain.
pub(super) struct Needle {
    bytes: [u8; 64],
    len: usize,
}

impl Needle {
    pub(super) fn new() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }

    /// `\nname:` or `:id:`; nothing for a name that cannot be so looked for.
    pub(super) fn of(&mut self, key: &Key<'_>) -> Option<&[u8]> {
        let (before, id) = match key.what {
            What::Name(name) if name.contains(&b'\n') => return None,
            What::Name(name) => (b'\n', Err(name)),
            What::Id(id) => (b':', Ok(id)),
        };
        self.push(&[before])?;
        match id {
            Ok(id) => self.push_decimal(id)?,
            Err(name) => self.push(name)?,
        }
        self.push(b":")?;
        self.bytes.get(..self.len)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.get_mut(self.len..self.len + bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }

    fn push_decimal(&mut self, mut id: u32) -> Option<()> {
        let mut digits = [b'0'; 10];
        let mut first = digits.len();
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(id % 10).ok()?;
            id /= 10;
            first = at;
            if id == 0 {
                break;
            }
        }
        self.push(digits.get(first..)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_only_if_every_byte_is() {
        for len in 0..40 {
            let name = vec![b'n'; len];
            assert!(is_same(&name, &name.clone()));
            assert!(!is_same(&name, &[&name[..], b"n"].concat()));
            for at in 0..len {
                let mut other = name.clone();
                other[at] = b'm';
                assert!(!is_same(&name, &other), "{len}, {at}");
            }
        }
    }

    #[test]
    fn what_is_looked_for_stands_so_in_the_file() {
        let long = [b'n'; 63];
        for (key, want) in [
            (Key::id(0), Some(&b":0:"[..])),
            (Key::id(1070), Some(b":1070:")),
            (Key::id(u32::MAX), Some(b":4294967295:")),
            (Key::name(b"bob"), Some(b"\nbob:")),
            (Key::name(b""), Some(b"\n:")),
            (Key::name(b"a\nb"), None),
            (Key::name(&long), None),
        ] {
            assert_eq!(Needle::new().of(&key), want);
        }
    }
}
