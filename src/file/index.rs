//! Hash tables from keys to offsets of lines, open-addressed, half a word a slot.
//!
//! A slot holds the offset of its line, and in the bits that no offset of the file needs a part of the
//! key's hash, so that a probe touches the file's bytes only for the line it looks for.

use crate::rt::errno::Errno;
use crate::rt::memory::{OwnedBuf, ScratchBuf};

/// The first line of each key.
pub(crate) struct Index {
    slots: OwnedBuf<u32>,
    /// The bits of a slot that hold the offset plus one.
    offset_bits: u32,
}

/// An [`Index`] that is being made.
pub(crate) struct IndexBuilder {
    slots: ScratchBuf<u32>,
    offset_bits: u32,
}

/// A larger file has no index.
pub(crate) const LIMIT_BYTES: usize = u32::MAX as usize;

impl IndexBuilder {
    /// Room for `count` keys in `size` bytes.
    pub(crate) fn new(count: usize, size: usize) -> Result<Self, Errno> {
        // At most four fifths full, so that a probe is short.
        let slots = ScratchBuf::zeroed((count + count / 4 + 1).next_power_of_two())?;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let offset_bits = u32::MAX.checked_shr(size.leading_zeros()).unwrap_or(0);
        Ok(Self { slots, offset_bits })
    }

    /// Adds the line at `offset`, unless `same` says of an earlier one that it has the key; gives that.
    #[inline(always)]
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        offset: usize,
        same: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut candidates = Candidates::new(&self.slots, self.offset_bits, hash);
        let found = candidates.by_ref().find(|&candidate| same(candidate));
        let at = candidates.at;
        if found.is_some() {
            return found;
        }
        if let (Some(slot), Ok(offset)) = (self.slots.get_mut(at), u32::try_from(offset + 1)) {
            if offset <= self.offset_bits {
                *slot = tag(hash) & !self.offset_bits | offset;
            }
        }
        None
    }

    /// The index, to be kept.
    pub(crate) fn keep(self) -> Result<Index, Errno> {
        Ok(Index { slots: self.slots.keep()?, offset_bits: self.offset_bits })
    }
}

impl Index {
    /// The lines that may have the key, in the order in which they were added.
    #[inline(always)]
    pub(crate) fn candidates(&self, hash: u64) -> Candidates<'_> {
        Candidates::new(&self.slots, self.offset_bits, hash)
    }
}

/// A walk along the slots where a key can be.
pub(crate) struct Candidates<'i> {
    slots: &'i [u32],
    offset_bits: u32,
    tag: u32,
    at: usize,
}

impl<'i> Candidates<'i> {
    #[inline(always)]
    fn new(slots: &'i [u32], offset_bits: u32, hash: u64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "32 bits are enough to choose a slot")]
        let high = (hash >> 32) as u32 as usize;
        Self { slots, offset_bits, tag: tag(hash), at: high & (slots.len().wrapping_sub(1)) }
    }
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        loop {
            let slot = self.slots.get(self.at).copied().unwrap_or(0);
            if slot == 0 {
                return None;
            }
            self.at = (self.at + 1) & (self.slots.len().wrapping_sub(1));
            if (slot ^ self.tag) & !self.offset_bits == 0 {
                return Some((slot & self.offset_bits) as usize - 1);
            }
        }
    }
}

/// The part of the hash that does not choose the first slot.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the low half")]
fn tag(hash: u64) -> u32 {
    hash as u32
}

/// All lines of each key: for each a run of offsets, in the file's order.
pub(crate) struct MultiIndex {
    /// From a key to its number.
    numbers: Index,
    /// Where each key stands first, and where its run begins; at the end where the last run ends.
    keys: OwnedBuf<u32>,
    /// The runs behind each other.
    lines: OwnedBuf<u32>,
}

/// A [`MultiIndex`] that is being made. The file is gone through twice: keys are counted, then their
/// lines are put where there is room for them.
pub(crate) struct MultiIndexBuilder {
    numbers: IndexBuilder,
    /// Pairs: where a key stands first, and how many lines it has, then where its next line goes.
    keys: ScratchBuf<u32>,
    lines: ScratchBuf<u32>,
}

impl MultiIndexBuilder {
    /// Room for `count` keys in the file's lines.
    pub(crate) fn new(count: usize) -> Result<Self, Errno> {
        let (keys, lines) = (ScratchBuf::new(), ScratchBuf::new());
        Ok(Self { numbers: IndexBuilder::new(count, count)?, keys, lines })
    }

    /// The number of a key that stands at `place`; `same` says whether it stands at another place too.
    fn number(
        &mut self,
        hash: u64,
        place: u32,
        same: &impl Fn(usize) -> bool,
    ) -> Result<usize, Errno> {
        let next = self.keys.len() / 2;
        let keys = &self.keys;
        let is_key = |number: usize| keys.get(2 * number).is_some_and(|&at| same(at as usize));
        if let Some(number) = self.numbers.insert(hash, next, is_key) {
            return Ok(number);
        }
        self.keys.extend(&[place, 0])?;
        Ok(next)
    }

    /// Counts a line of the key that stands at `place`.
    pub(crate) fn count(
        &mut self,
        hash: u64,
        place: u32,
        same: impl Fn(usize) -> bool,
    ) -> Result<(), Errno> {
        let number = self.number(hash, place, &same)?;
        if let Some(count) = self.keys.get_mut(2 * number + 1) {
            *count += 1;
        }
        Ok(())
    }

    /// Ends the counting.
    pub(crate) fn make_room(&mut self) -> Result<(), Errno> {
        let mut total = 0;
        for count in self.keys.iter_mut().skip(1).step_by(2) {
            let begin = total;
            total += *count;
            *count = begin;
        }
        self.lines = ScratchBuf::zeroed(total as usize)?;
        self.keys.extend(&[0, total])
    }

    /// Adds the line that begins at `line` to the key that stands at `place`.
    pub(crate) fn add(&mut self, hash: u64, line: u32, same: impl Fn(usize) -> bool) {
        let keys = &self.keys;
        let is_key = |number: usize| keys.get(2 * number).is_some_and(|&at| same(at as usize));
        let (slots, bits) = (&self.numbers.slots, self.numbers.offset_bits);
        let Some(number) = Candidates::new(slots, bits, hash).find(|&number| is_key(number)) else {
            return;
        };
        let Some(next) = self.keys.get_mut(2 * number + 1) else { return };
        if let Some(place) = self.lines.get_mut(*next as usize) {
            *place = line;
            *next += 1;
        }
    }

    /// The index, to be kept.
    pub(crate) fn keep(mut self) -> Result<MultiIndex, Errno> {
        // Each run has been filled up to where the next begins: shift the ends back to beginnings.
        let mut begin = 0;
        for end in self.keys.iter_mut().skip(1).step_by(2) {
            begin = core::mem::replace(end, begin);
        }
        let (numbers, keys) = (self.numbers.keep()?, self.keys.keep()?);
        Ok(MultiIndex { numbers, keys, lines: self.lines.keep()? })
    }
}

impl MultiIndex {
    /// The lines of a key; `same` says whether it stands at a place.
    pub(crate) fn lines(&self, hash: u64, same: impl Fn(usize) -> bool) -> &[u32] {
        let is_key =
            |&number: &usize| self.keys.get(2 * number).is_some_and(|&at| same(at as usize));
        let Some(number) = self.numbers.candidates(hash).find(is_key) else { return &[] };
        let run = self.keys.get(2 * number + 1).zip(self.keys.get(2 * number + 3));
        let Some((&begin, &end)) = run else { return &[] };
        self.lines.get(begin as usize..end as usize).unwrap_or_default()
    }
}

/// Keeps the first of equal numbers, in their order.
pub(crate) fn dedup_stable(numbers: &mut ScratchBuf<u32>) -> Result<(), Errno> {
    let hash = |number: u32| crate::db::key::Key::id(number).hash;
    let mut seen = IndexBuilder::new(numbers.len(), numbers.len())?;
    let mut kept = 0;
    for at in 0..numbers.len() {
        let Some(&number) = numbers.get(at) else { break };
        let same = |other: usize| numbers.get(other) == Some(&number);
        if seen.insert(hash(number), kept, same).is_none() {
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
    use crate::db::key::Key;

    #[test]
    fn what_was_inserted_first_is_found() {
        let keys: Vec<u32> = (0..5000).map(|i| i % 4000).collect();
        let mut index = IndexBuilder::new(keys.len(), keys.len()).unwrap();
        for (at, &key) in keys.iter().enumerate() {
            let earlier = index.insert(Key::id(key).hash, at, |other| keys[other] == key);
            assert_eq!(earlier, (at >= 4000).then(|| at - 4000));
        }
        let index = index.keep().unwrap();
        for key in 0..4000 {
            let found = index.candidates(Key::id(key).hash).find(|&at| keys[at] == key);
            assert_eq!(found, Some(key as usize));
        }
        assert_eq!(index.candidates(Key::id(4000).hash).find(|&at| keys[at] == 4000), None);
    }

    #[test]
    fn an_index_of_nothing_finds_nothing() {
        let index = IndexBuilder::new(0, 0).unwrap().keep().unwrap();
        assert_eq!(index.candidates(Key::id(0).hash).next(), None);
        let mut multi = MultiIndexBuilder::new(0).unwrap();
        multi.make_room().unwrap();
        assert!(multi.keep().unwrap().lines(Key::id(0).hash, |_| true).is_empty());
    }

    #[test]
    fn all_lines_of_a_key_are_found_in_order() {
        // Key n % 7 stands at place n, on line 10 n.
        let key = |place: usize| u32::try_from(place % 7).unwrap();
        let mut multi = MultiIndexBuilder::new(100).unwrap();
        for place in 0..100_u32 {
            let own = key(place as usize);
            multi.count(Key::id(own).hash, place, |other| key(other) == own).unwrap();
        }
        multi.make_room().unwrap();
        for place in 0..100_u32 {
            let own = key(place as usize);
            multi.add(Key::id(own).hash, 10 * place, |other| key(other) == own);
        }
        let multi = multi.keep().unwrap();
        for own in 0..7 {
            let want: Vec<u32> = (0..100).filter(|n| n % 7 == own).map(|n| 10 * n).collect();
            assert_eq!(multi.lines(Key::id(own).hash, |at| key(at) == own), want);
        }
        assert!(multi.lines(Key::id(7).hash, |at| key(at) == 7).is_empty());
    }

    #[test]
    fn distinct_numbers_keep_their_order() {
        let mut numbers = ScratchBuf::copy_of(&[7, 3, 7, 0, 3, 9, 0, 7, 1]).unwrap();
        dedup_stable(&mut numbers).unwrap();
        assert_eq!(*numbers, [7, 3, 0, 9, 1]);
    }
}
