//! A hash table from keys to offsets of lines, open-addressed, half a word for each slot.
//!
//! A slot holds the offset of its line, and in the bits that no offset of the file needs a part of
//! the key's hash, so that a probe touches the file's bytes only for the line it looks for.

use alloc::vec::Vec;

use core::sync::atomic::{AtomicU64, Ordering};

use crate::errno::Errno;
use crate::memory::Array;
use crate::sys;

/// Offsets by hash.
pub(crate) struct Index {
    slots: Array<u32>,
    /// The bits of a slot that hold the offset plus one.
    offset: u32,
}

impl Index {
    /// An index of lines in fewer bytes than this; a larger file has none.
    pub(crate) const LIMIT: usize = u32::MAX as usize;

    /// Room for `count` keys in `size` bytes.
    pub(crate) fn new(count: usize, size: usize) -> Result<Self, Errno> {
        // At most four fifths full, so that a probe is short.
        let slots = Array::new((count + count / 4 + 1).next_power_of_two())?;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        Ok(Self { slots, offset: u32::MAX.checked_shr(size.leading_zeros()).unwrap_or(0) })
    }

    /// Adds the line at `offset`, unless `same` says that an earlier one has the key.
    #[inline(always)]
    pub(crate) fn insert(&mut self, hash: u64, offset: usize, same: impl Fn(usize) -> bool) {
        let mut candidates = self.candidates(hash);
        for candidate in candidates.by_ref() {
            if same(candidate) {
                return;
            }
        }
        let at = candidates.at;
        if let Some(slot) = self.slots.get_mut(at)
            && let Ok(offset) = u32::try_from(offset + 1)
            && offset <= self.offset
        {
            *slot = tag(hash) & !self.offset | offset;
        }
    }

    /// What `take` makes of the line that it says has the key.
    #[inline]
    pub(crate) fn find<T>(&self, hash: u64, take: impl Fn(usize) -> Option<T>) -> Option<T> {
        self.candidates(hash).find_map(take)
    }

    /// The lines that may have the key, in the order in which they were added.
    #[inline(always)]
    pub(crate) fn candidates(&self, hash: u64) -> Candidates<'_> {
        #[allow(clippy::cast_possible_truncation, reason = "usize has 64 bits: lib.rs")]
        let high = (hash >> 32) as usize;
        Candidates { index: self, tag: tag(hash), at: high & (self.slots.len() - 1) }
    }
}

/// A walk along the slots where a key can be.
pub(crate) struct Candidates<'i> {
    index: &'i Index,
    tag: u32,
    at: usize,
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        loop {
            let slot = self.index.slots.get(self.at).copied().unwrap_or(0);
            if slot == 0 {
                return None;
            }
            self.at = (self.at + 1) & (self.index.slots.len() - 1);
            if (slot ^ self.tag) & !self.index.offset == 0 {
                return Some((slot & self.index.offset) as usize - 1);
            }
        }
    }
}

/// The odd number that hashes are made with: random, so that nobody can write a file whose keys all
/// meet in one slot.
///
/// Zero before the first use.
static SECRET: AtomicU64 = AtomicU64::new(0);

#[inline(always)]
fn secret() -> u64 {
    match SECRET.load(Ordering::Relaxed) {
        0 => first_secret(),
        secret => secret,
    }
}

/// The same for every thread that comes here: the kernel gave it to the program.
#[cold]
fn first_secret() -> u64 {
    let secret = sys::random().unwrap_or(0x9e37_79b9_7f4a_7c15) | 1;
    SECRET.swap(secret, Ordering::Relaxed);
    secret
}

/// The part of the hash that does not choose the first slot.
#[allow(clippy::cast_possible_truncation, reason = "the low half")]
fn tag(hash: u64) -> u32 {
    hash as u32
}

#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    #[allow(clippy::cast_possible_truncation, reason = "folds the halves")]
    let folded = wide as u64 ^ (wide >> 64) as u64;
    folded
}

/// Of an id.
#[inline(always)]
pub(crate) fn of_number(id: u32) -> u64 {
    number_with(secret(), id)
}

/// Something that no key resembles.
const SALT: u64 = 0xa076_1d64_78bd_642f;

// Whatever part of a key differs is mixed twice: the products of numbers in a row are as regular as
// the numbers, and would crowd in a few slots.

#[inline(always)]
fn number_with(secret: u64, id: u32) -> u64 {
    mix(mix(u64::from(id) ^ SALT, secret), secret)
}

/// Of a name.
#[inline(always)]
pub(crate) fn of_bytes(name: &[u8]) -> u64 {
    bytes_with(secret(), name)
}

#[inline(always)]
fn bytes_with(secret: u64, name: &[u8]) -> u64 {
    let seed = name.len() as u64 ^ 0xe703_7ed1_a0b4_28db;
    // Words that may overlap, so that no byte is looked at by itself.
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        let mixed = |hash, word: &[u8; 8]| mix(hash ^ u64::from_le_bytes(*word), secret);
        let hash = if name.len() <= 16 {
            mixed(seed, first)
        } else {
            name.as_chunks().0.iter().fold(seed, mixed)
        };
        return mix(hash ^ mixed(SALT, last), secret);
    }
    let word = match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => name.iter().fold(0, |word, &b| word << 8 | u64::from(b)),
    };
    mix(mix(seed ^ word, secret), secret)
}

/// Keeps the first of equal numbers, in their order.
pub(crate) fn distinct(numbers: &mut Vec<u32>) -> Result<(), Errno> {
    let mut seen = Index::new(numbers.len(), numbers.len())?;
    let mut kept = 0;
    for at in 0..numbers.len() {
        let Some(&number) = numbers.get(at) else { break };
        let same = |other: usize| numbers.get(other) == Some(&number);
        if !seen.candidates(of_number(number)).any(same) {
            seen.insert(of_number(number), kept, same);
            // Not `swap`, which can panic.
            if let Some(place) = numbers.get_mut(kept) {
                *place = number;
            }
            kept += 1;
        }
    }
    numbers.truncate(kept);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_first_is_found() {
        let keys: Vec<u32> = (0..5000).map(|i| i % 4000).collect();
        let mut index = Index::new(keys.len(), keys.len()).unwrap();
        for (at, &key) in keys.iter().enumerate() {
            index.insert(of_number(key), at, |other| keys[other] == key);
        }
        for key in 0..4000 {
            let found = index.candidates(of_number(key)).find(|&at| keys[at] == key);
            assert_eq!(found, Some(key as usize));
        }
        assert_eq!(index.candidates(of_number(4000)).find(|&at| keys[at] == 4000), None);
    }

    #[test]
    fn names_that_differ_in_a_byte_hash_differently() {
        let names: Vec<String> = (0..10_000).map(|i| format!("user{i}")).collect();
        let hashes: std::collections::HashSet<u64> =
            names.iter().map(|n| of_bytes(n.as_bytes())).collect();
        assert_eq!(hashes.len(), names.len());
    }

    #[test]
    fn keys_that_meet_under_one_secret_do_not_under_another() {
        let (one, other) = (0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03);
        let slot = |hash: u64| hash >> 32 & 0xfff;
        let name = |id: u32| format!("user{id}");
        for hash in [
            |secret: u64, id: u32, _: &str| number_with(secret, id),
            |secret: u64, _: u32, name: &str| bytes_with(secret, name.as_bytes()),
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
                    Some(name) => bytes_with(secret | 1, name),
                    None => number_with(secret | 1, u32::try_from(100_000 + n).unwrap()),
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

    #[test]
    fn distinct_numbers_keep_their_order() {
        let mut numbers = vec![7, 3, 7, 0, 3, 9, 0, 7, 1];
        distinct(&mut numbers).unwrap();
        assert_eq!(numbers, [7, 3, 0, 9, 1]);
    }

    #[test]
    fn an_index_of_nothing_finds_nothing() {
        assert_eq!(Index::new(0, 0).unwrap().candidates(of_number(0)).next(), None);
    }
}
