//! The rows themselves. They borrow their bytes, and know no format.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::marks;

/// What a row is found by.
pub(crate) trait Keyed {
    /// Its name.
    fn name(&self) -> &[u8];
    /// Its uid or gid; shadow entries have none.
    fn id(&self) -> Option<u32>;
}

/// One user: passwd(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passwd<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) passwd: &'a [u8],
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) gecos: &'a [u8],
    pub(crate) dir: &'a [u8],
    pub(crate) shell: &'a [u8],
    /// The line that all fields are parts of; or empty, if they are not.
    pub(crate) line: &'a [u8],
}

impl Keyed for Passwd<'_> {
    fn name(&self) -> &[u8] {
        self.name
    }

    fn id(&self) -> Option<u32> {
        Some(self.uid)
    }
}

/// One group: group(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) passwd: &'a [u8],
    pub(crate) gid: u32,
    /// The line that name, password and members are parts of; or empty, if they are not.
    pub(crate) line: &'a [u8],
    /// As the file has it, or, from a module, names that each end in NUL, which no line of a file
    /// has; [`Group::members`] takes it apart.
    pub(crate) member_list: &'a [u8],
}

impl<'a> Group<'a> {
    /// The members in the list's order. As glibc has it, in a file blanks before a name are skipped
    /// and empty names dropped.
    pub(crate) fn members(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let apart = self.member_list.last() == Some(&0);
        let (list, names) = if apart {
            (b"".as_slice(), self.member_list)
        } else {
            (self.member_list, b"".as_slice())
        };
        let names = Split::<0>::new(names).filter(|name| !name.is_empty());
        Self::listed(list).chain(names)
    }

    /// The members in a list of a file.
    pub(crate) fn listed(list: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        Split::<b','>::new(list).map(skip_rare_space).filter(|name| !name.is_empty())
    }
}

impl Keyed for Group<'_> {
    fn name(&self) -> &[u8] {
        self.name
    }

    fn id(&self) -> Option<u32> {
        Some(self.gid)
    }
}

/// One user's password and its ages: shadow(5). Days are counted from 1970-01-01; −1 is an empty
/// field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shadow<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) passwd: &'a [u8],
    pub(crate) last_change: i64,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) warn: i64,
    pub(crate) inactive: i64,
    pub(crate) expire: i64,
    /// All ones if it is empty.
    pub(crate) flag: u64,
}

impl Keyed for Shadow<'_> {
    fn name(&self) -> &[u8] {
        self.name
    }

    fn id(&self) -> Option<u32> {
        None
    }
}

/// An address family that a lookup asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
}

/// One host: hosts(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host<'a> {
    pub(crate) address: IpAddr,
    /// The canonical name.
    pub(crate) name: &'a [u8],
    /// As the file has it; [`Host::aliases`] takes it apart.
    pub(crate) alias_list: &'a [u8],
}

impl<'a> Host<'a> {
    /// The other names in the file's order.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut rest = self.alias_list;
        core::iter::from_fn(move || {
            let (name, after) = split_word(rest);
            rest = after;
            (!name.is_empty()).then_some(name)
        })
    }

    /// The canonical name and the aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        core::iter::once(self.name).chain(self.aliases())
    }

    /// True if this is one of its names. Host names have no letter case: RFC 1123; and a dot at the
    /// end only says that nothing is to be appended.
    pub(crate) fn has_name(&self, name: &[u8]) -> bool {
        let name = without_dot(name);
        self.names().any(|own| without_dot(own).eq_ignore_ascii_case(name))
    }

    /// Its address if the family can show it. As glibc has it, `::1` is also 127.0.0.1, and an
    /// IPv4-mapped address also IPv4.
    pub(crate) fn address_as(&self, family: Family) -> Option<IpAddr> {
        match (family, self.address) {
            (Family::V4, IpAddr::V6(Ipv6Addr::LOCALHOST)) => Some(Ipv4Addr::LOCALHOST.into()),
            (Family::V4, IpAddr::V6(ip)) => ip.to_ipv4_mapped().map(IpAddr::V4),
            (Family::V6, IpAddr::V4(_)) => None,
            (_, ip) => Some(ip),
        }
    }
}

/// A host name without the dot that may end it.
pub(crate) fn without_dot(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// The bytes up to white space, and what follows that.
pub(crate) fn split_word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(is_space).unwrap_or(bytes.len());
    let (word, rest) = bytes.split_at_checked(at).unwrap_or((bytes, b""));
    (word, skip_space(rest))
}

/// The parts of bytes between separators: what `slice::split` does, with a look at 64 bytes at once.
#[derive(Clone)]
struct Split<'a, const SEPARATOR: u8> {
    bytes: &'a [u8],
    /// Where the next part begins; beyond the end after the last.
    start: usize,
    /// What has been looked at ends here.
    looked: usize,
    /// Where parts end that are seen ahead, as bits of the last block that was looked at.
    seen: u64,
}

impl<'a, const SEPARATOR: u8> Split<'a, SEPARATOR> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0, looked: 0, seen: 0 }
    }
}

impl<'a, const SEPARATOR: u8> Iterator for Split<'a, SEPARATOR> {
    type Item = &'a [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [u8]> {
        while self.seen == 0 {
            let rest = self.bytes.get(self.looked..)?;
            self.seen = ends::<SEPARATOR>(rest);
            self.looked += marks::BLOCK;
        }
        let end = self.looked - marks::BLOCK + self.seen.trailing_zeros() as usize;
        self.seen &= self.seen - 1;
        let part = self.bytes.get(self.start..end)?;
        self.start = end + 1;
        Some(part)
    }
}

/// Where parts end in the first 64 of the bytes.
#[inline(never)] // It would crowd the loop that it is called before.
fn ends<const SEPARATOR: u8>(bytes: &[u8]) -> u64 {
    let last = if bytes.len() < marks::BLOCK { 1 << bytes.len() } else { 0 };
    marks::all(bytes, SEPARATOR) | last
}

/// What follows leading white space, as `isspace` has it in the C locale.
#[inline(always)]
pub(crate) fn skip_space(bytes: &[u8]) -> &[u8] {
    let at = bytes.iter().position(|b| !is_space(b)).unwrap_or(bytes.len());
    bytes.get(at..).unwrap_or_default()
}

/// As [`skip_space`], where there hardly ever is any.
#[inline(always)]
fn skip_rare_space(bytes: &[u8]) -> &[u8] {
    #[cold]
    fn skip(bytes: &[u8]) -> &[u8] {
        skip_space(bytes)
    }
    if bytes.first().is_some_and(is_space) { skip(bytes) } else { bytes }
}

pub(crate) fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_standard_split() {
        for len in 0..200 {
            for step in [1, 2, 3, 11, 64, 65, 500] {
                let bytes: Vec<u8> =
                    (0..len).map(|n| if n % step == step / 2 { b',' } else { b'a' }).collect();
                let want: Vec<&[u8]> = bytes.split(|&b| b == b',').collect();
                assert_eq!(Split::<b','>::new(&bytes).collect::<Vec<_>>(), want);
            }
        }
    }
}
