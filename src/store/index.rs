//! A hash table from keys to offsets of lines, open-addressed, a word for each slot.
//!
//! A slot holds a part of the key's hash and the offset of its line, so a probe touches the file's
//! bytes only for the line it looks for.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::errno::Errno;
use crate::sys;

/// Bits of a slot that hold the offset plus one; files up to 1 TiB.
const OFFSET_BITS: u32 = 40;
const OFFSET: u64 = (1 << OFFSET_BITS) - 1;

/// Offsets by hash.
pub(crate) struct Index {
    slots: Vec<u64>,
}

impl Index {
    /// Room for `count` keys.
    pub(crate) fn new(count: usize) -> Result<Self, Errno> {
        // At most four fifths full, so that a probe is short.
        let size = (count + count / 4 + 1).next_power_of_two();
        let mut slots = Vec::new();
        slots.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        slots.resize(size, 0);
        Ok(Self { slots })
    }

    /// Adds the line at `offset`, unless `same` says that an earlier one has the key.
    pub(crate) fn insert(&mut self, hash: u64, offset: usize, same: impl Fn(usize) -> bool) {
        let Ok(at) = self.probe(hash, |at| same(at).then_some(())) else { return };
        let offset = offset as u64 + 1;
        if let Some(slot) = self.slots.get_mut(at)
            && offset <= OFFSET
        {
            *slot = hash & !OFFSET | offset;
        }
    }

    /// What `take` makes of the line that it says has the key.
    #[inline]
    pub(crate) fn find<T>(&self, hash: u64, take: impl Fn(usize) -> Option<T>) -> Option<T> {
        self.probe(hash, take).err()
    }

    /// Where the key goes, or as an error what its line gave.
    #[inline]
    fn probe<T>(&self, hash: u64, take: impl Fn(usize) -> Option<T>) -> Result<usize, T> {
        let mask = self.slots.len() - 1;
        #[allow(clippy::cast_possible_truncation, reason = "only the low bits count")]
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots.get(at).copied().unwrap_or(0);
            if slot == 0 {
                return Ok(at);
            }
            #[allow(clippy::cast_possible_truncation, reason = "usize has 64 bits: lib.rs")]
            let offset = (slot & OFFSET) as usize - 1;
            if (slot ^ hash) & !OFFSET == 0
                && let Some(taken) = take(offset)
            {
                return Err(taken);
            }
            at = (at + 1) & mask;
        }
    }
}

/// The odd number that hashes are made with: random, so that nobody can write a file whose keys all
/// meet in one slot.
static SECRET: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);

#[allow(unsafe_code, reason = "a constructor")]
#[cfg_attr(not(test), unsafe(link_section = ".init_array"))]
#[cfg_attr(test, allow(dead_code, reason = "the unit tests are not preloaded"))]
#[used]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        if let Some(random) = sys::random() {
            SECRET.store(random | 1, Ordering::Relaxed);
        }
    }
    at_load
};

fn secret() -> u64 {
    SECRET.load(Ordering::Relaxed)
}

fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    #[allow(clippy::cast_possible_truncation, reason = "folds the halves")]
    let folded = wide as u64 ^ (wide >> 64) as u64;
    folded
}

/// Of an id.
pub(crate) fn of_number(id: u32) -> u64 {
    number_with(secret(), id)
}

fn number_with(secret: u64, id: u32) -> u64 {
    mix(u64::from(id) ^ 0xa076_1d64_78bd_642f, secret)
}

/// Of a name.
pub(crate) fn of_bytes(name: &[u8]) -> u64 {
    bytes_with(secret(), name)
}

fn bytes_with(secret: u64, name: &[u8]) -> u64 {
    let mut hash = name.len() as u64 ^ 0xe703_7ed1_a0b4_28db;
    for part in name.chunks(8) {
        let word = match <[u8; 8]>::try_from(part) {
            Ok(whole) => u64::from_le_bytes(whole),
            Err(_) => part.iter().fold(0, |word, &b| word << 8 | u64::from(b)),
        };
        hash = mix(hash ^ word, secret);
    }
    mix(hash, 0x8ebc_6af0_9c88_c6e3)
}

/// Keeps the first of equal numbers, in their order.
pub(crate) fn distinct(numbers: &mut Vec<u32>) -> Result<(), Errno> {
    let mut seen = Index::new(numbers.len())?;
    let mut kept = 0;
    for at in 0..numbers.len() {
        let Some(&number) = numbers.get(at) else { break };
        let same = |other: usize| numbers.get(other) == Some(&number);
        if seen.find(of_number(number), |at| same(at).then_some(())).is_none() {
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
        let mut index = Index::new(keys.len()).unwrap();
        for (at, &key) in keys.iter().enumerate() {
            index.insert(of_number(key), at, |other| keys[other] == key);
        }
        for key in 0..4000 {
            let found = index.find(of_number(key), |at| (keys[at] == key).then_some(at));
            assert_eq!(found, Some(key as usize));
        }
        assert_eq!(index.find(of_number(4000), |at| (keys[at] == 4000).then_some(at)), None);
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
        let slot = |hash: u64| hash & 0xfff;
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
    fn distinct_numbers_keep_their_order() {
        let mut numbers = vec![7, 3, 7, 0, 3, 9, 0, 7, 1];
        distinct(&mut numbers).unwrap();
        assert_eq!(numbers, [7, 3, 0, 9, 1]);
    }

    #[test]
    fn an_index_of_nothing_finds_nothing() {
        assert_eq!(Index::new(0).unwrap().find(of_number(0), Some), None);
    }
}
