//! Keys by which rows are found, their hashes, and how they look in a file.

use core::fmt;
use core::net::IpAddr;
use core::sync::atomic::{AtomicU64, Ordering};

use memchr::arch::all::packedpair::HeuristicFrequencyRank;

use super::address::with_octets;
use crate::rt::log::Bytes;
use crate::rt::sys;

/// A name, an id or an address, and its hash.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) what: What<'a>,
    pub(crate) hash: u64,
}

/// What a key is.
#[derive(Clone, Copy)]
pub(crate) enum What<'a> {
    /// A user's or group's name.
    Name(&'a [u8]),
    /// A uid or gid.
    Id(u32),
    /// A host's name: in any letter case, and with or without a dot at its end.
    Host(&'a [u8]),
    /// A host's address.
    Address(IpAddr),
}

impl<'a> Key<'a> {
    #[inline(always)]
    pub(crate) fn name(name: &'a [u8]) -> Self {
        Self { what: What::Name(name), hash: hash_of_bytes(secret(), name, 0) }
    }

    #[inline(always)]
    pub(crate) fn id(id: u32) -> Self {
        Self { what: What::Id(id), hash: hash_of_number(secret(), id) }
    }

    pub(crate) fn host(name: &'a [u8]) -> Self {
        // In this bit the two cases of a letter differ.
        let hash = hash_of_bytes(secret(), without_dot(name), 0x2020_2020_2020_2020);
        Self { what: What::Host(name), hash }
    }

    pub(crate) fn address(address: IpAddr) -> Self {
        let hash = with_octets(address, |octets| hash_of_bytes(secret(), octets, 0));
        Self { what: What::Address(address), hash }
    }

    /// The name, if the key is one.
    #[inline(always)]
    pub(crate) fn text(&self) -> Option<&'a [u8]> {
        match self.what {
            What::Name(name) | What::Host(name) => Some(name),
            What::Id(_) | What::Address(_) => None,
        }
    }

    /// True if the key is that name.
    #[inline(always)]
    pub(crate) fn is_name(&self, own: &[u8]) -> bool {
        match self.what {
            What::Name(name) => is_same(own, name),
            What::Host(name) => is_same_host(own, name),
            What::Id(_) | What::Address(_) => false,
        }
    }

    /// True if the key is the name or the id.
    #[inline(always)]
    pub(crate) fn is_name_or_id(&self, name: &[u8], id: u32) -> bool {
        match self.what {
            What::Id(wanted) => wanted == id,
            _ => self.is_name(name),
        }
    }
}

/// A host name without the dot that may end it, which only says that nothing is to be appended.
pub(crate) fn without_dot(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").filter(|rest| !rest.is_empty()).unwrap_or(name)
}

#[inline(never)]
fn is_same_host(one: &[u8], other: &[u8]) -> bool {
    without_dot(one).eq_ignore_ascii_case(without_dot(other))
}

/// Like `==`, but without calling libc for a name of usual length.
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
            What::Name(name) | What::Host(name) => Bytes(name).fmt(f),
            What::Id(id) => id.fmt(f),
            What::Address(address) => address.fmt(f),
        }
    }
}

/// The odd number that goes into all hashes. It is random, so that nobody can write a file whose keys all get the same
/// slot. Zero before the first use.
static SECRET: AtomicU64 = AtomicU64::new(0);

#[inline(always)]
fn secret() -> u64 {
    match SECRET.load(Ordering::Relaxed) {
        0 => first_secret(),
        secret => secret,
    }
}

/// Every thread that comes here gets the same number, which the kernel gave to the program.
#[cold]
fn first_secret() -> u64 {
    let secret = sys::random().unwrap_or(0x9e37_79b9_7f4a_7c15) | 1;
    SECRET.swap(secret, Ordering::Relaxed);
    secret
}

#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    #[allow(clippy::cast_possible_truncation, reason = "folds the halves")]
    let folded = wide as u64 ^ (wide >> 64) as u64;
    folded
}

/// A number that no key is likely to equal.
const SALT: u64 = 0xa076_1d64_78bd_642f;

// Whatever part of a key differs is mixed twice: the products of numbers in a row are as regular as the
// numbers, and would crowd in a few slots.
//
// foldhash 0.2 was measured with 500 secrets and the keys of the test below. Its fast form takes 26 instructions for an
// id and 39 for a name of eleven bytes, this one 31 and 50; but with the worst secret a key probes 130 times there,
// here 2.3 times. Its quality form is as good as this one (2.4; 30 and 50), and has five words of secret.

#[inline(always)]
fn hash_of_number(secret: u64, id: u32) -> u64 {
    mix(mix(u64::from(id) ^ SALT, secret), secret)
}

/// The bits of `ignored` count as set in each word of the name.
#[inline(always)]
fn hash_of_bytes(secret: u64, name: &[u8], ignored: u64) -> u64 {
    let seed = name.len() as u64 ^ 0xe703_7ed1_a0b4_28db;
    // The words may overlap, so that no byte has to be read alone.
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        let of = |word: &[u8; 8]| u64::from_le_bytes(*word) | ignored;
        let mixed = |hash, word: &[u8; 8]| mix(hash ^ of(word), secret);
        let hash = if name.len() <= 16 {
            mixed(seed, first)
        } else {
            name.chunks_exact(8).filter_map(|word| word.first_chunk()).fold(seed, mixed)
        };
        return mix(hash ^ mixed(SALT, last), secret);
    }
    let word = match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => name.iter().fold(0, |word, &b| word << 8 | u64::from(b)),
    };
    mix(mix(seed ^ (word | ignored), secret), secret)
}

/// Ranks bytes for a search: the last two of the text count as the rarest, because names and ids differ from their
/// neighbours in their last characters.
pub(crate) struct RankFromEnd([u8; 2]);

impl RankFromEnd {
    /// The ranks for a text, which may end with a colon.
    pub(crate) fn of(text: &[u8]) -> Self {
        match text.strip_suffix(b":").unwrap_or(text) {
            [.., before, last] => Self([*last, *before]),
            _ => Self([b':'; 2]),
        }
    }
}

impl HeuristicFrequencyRank for RankFromEnd {
    fn rank(&self, byte: u8) -> u8 {
        let rank = self.0.iter().position(|&rare| rare == byte);
        rank.map_or(u8::MAX, |rank| u8::from(rank > 0))
    }
}

/// What to search for in a file whose lines are plain.
pub(crate) struct Needle {
    bytes: [u8; 64],
    len: usize,
}

impl Needle {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }

    /// `\nname:` or `:id:`; `None` for a key that has no such form.
    pub(crate) fn of(&mut self, key: &Key<'_>) -> Option<&[u8]> {
        match key.what {
            What::Name(name) if !name.contains(&b'\n') => {
                self.push(b"\n")?;
                self.push(name)?;
            }
            What::Id(id) => {
                self.push(b":")?;
                self.push_decimal(id)?;
            }
            _ => return None,
        }
        self.push(b":")?;
        self.bytes.get(..self.len)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.bytes.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    fn push_decimal(&mut self, id: u32) -> Option<()> {
        if id > 9 {
            self.push_decimal(id / 10)?;
        }
        self.push(&[b'0' + u8::try_from(id % 10).ok()?])
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
    fn a_key_is_searched_as_it_stands_in_the_file() {
        let long = [b'n'; 63];
        for (key, want) in [
            (Key::id(0), Some(&b":0:"[..])),
            (Key::id(1070), Some(b":1070:")),
            (Key::id(u32::MAX), Some(b":4294967295:")),
            (Key::name(b"bob"), Some(b"\nbob:")),
            (Key::name(b""), Some(b"\n:")),
            (Key::name(b"a\nb"), None),
            (Key::name(&long), None),
            (Key::host(b"a"), None),
        ] {
            assert_eq!(Needle::new().of(&key), want);
        }
    }

    #[test]
    fn a_host_name_is_the_same_in_any_case_and_with_a_dot_at_its_end() {
        let long = "x".repeat(70);
        for (one, other, same) in [
            ("a.site", "A.siTE.", true),
            ("b", "b.", true),
            ("a.site", "a", false),
            ("b.", "b..", false),
            (&long, &long.to_uppercase(), true),
            (&long, &long[..69], false),
        ] {
            let (a, b) = (Key::host(one.as_bytes()), Key::host(other.as_bytes()));
            assert_eq!(a.is_name(other.as_bytes()), same, "{one} {other}");
            assert_eq!(a.hash == b.hash, same, "{one} {other}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic alone, and too much of it")]
    fn keys_that_meet_under_one_secret_do_not_under_another() {
        let (one, other) = (0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03);
        let slot = |hash: u64| hash >> 32 & 0xfff;
        let name = |id: u32| format!("user{id}");
        for hash in [
            |secret: u64, id: u32, _: &str| hash_of_number(secret, id),
            |secret: u64, _: u32, name: &str| hash_of_bytes(secret, name.as_bytes(), 0),
        ] {
            let met: Vec<u32> =
                (0..400_000).filter(|&id| slot(hash(one, id, &name(id))) == 7).collect();
            assert!(met.len() > 50, "{}", met.len());
            let mut slots: Vec<_> =
                met.iter().map(|&id| slot(hash(other, id, &name(id)))).collect();
            slots.sort_unstable();
            slots.dedup();
            assert!(slots.len() > met.len() / 2, "{} of {}", slots.len(), met.len());
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic alone, and too much of it")]
    fn keys_in_a_row_lie_apart_whatever_the_secret_is() {
        let (slots, count) = (1 << 13, 6400);
        let names = |prefix: &'static str| -> Vec<Vec<u8>> {
            (0..count).map(|n| format!("{prefix}{n:04}").into_bytes()).collect()
        };
        let keys = [vec![], names(""), names("u"), names("user000"), names("longer-name-")];
        let mut secret = 7_u64;
        for turn in 0..500 {
            secret = secret.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let names = &keys[turn % keys.len()];
            let mut taken = vec![false; slots];
            let mut probes = 0;
            for n in 0..count {
                let hash = match names.get(n) {
                    Some(name) => hash_of_bytes(secret | 1, name, 0),
                    None => hash_of_number(secret | 1, u32::try_from(100_000 + n).unwrap()),
                };
                let mut at = (hash >> 32) as usize % slots;
                while taken[at] {
                    at = (at + 1) % slots;
                    probes += 1;
                }
                taken[at] = true;
            }
            // Numbers drawn at random need 1.8 for each.
            assert!(probes < count * 3, "{secret:#x}: {probes} for {:?}", names.first());
        }
    }
}
