//! Hash tables from keys to offsets of lines, with open addressing and slots of 32 bits.
//!
//! A slot holds the offset of its line and, in the bits that no offset of the file needs, a part of the key's
//! hash. So a probe reads (almost) only the line that it looks for.

use crate::rt::errno::Errno;
use crate::rt::memory::ScratchBuf;

/// The first line of each key: a view of the slots that an [`IndexBuilder`] has filled.
#[derive(Clone, Copy)]
pub(crate) struct Index<'i> {
    pub(crate) slots: &'i [u32],
    /// A mask of the bits of a slot that hold the offset plus one: [`offset_bits`].
    pub(crate) offset_bits: u32,
}

/// An [`Index`] that is being made.
pub(crate) struct IndexBuilder {
    pub(crate) slots: ScratchBuf<u32>,
    offset_bits: u32,
}

/// A mask of the bits that hold an offset plus one, for a file of `size` bytes.
pub(crate) fn offset_bits(size: usize) -> u32 {
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    u32::MAX.checked_shr(size.leading_zeros()).unwrap_or(0)
}

/// The size from which on a file has no index.
pub(crate) const LIMIT_BYTES: usize = u32::MAX as usize;

impl IndexBuilder {
    /// Room for `count` keys in `size` bytes.
    pub(crate) fn new(count: usize, size: usize) -> Result<Self, Errno> {
        // At most four fifths full, so that probes are short.
        let slots = ScratchBuf::zeroed((count + count / 4 + 1).next_power_of_two())?;
        Ok(Self { slots, offset_bits: offset_bits(size) })
    }

    /// Adds the line at `offset`, or returns an earlier one for which `same` says that it has the key.
    #[inline(always)]
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        offset: usize,
        same: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut candidates = self.index().candidates(hash);
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

    fn index(&self) -> Index<'_> {
        Index { slots: &self.slots, offset_bits: self.offset_bits }
    }
}

impl<'i> Index<'i> {
    /// The lines that may have a key with that hash, in the order in which they were added.
    #[inline(always)]
    pub(crate) fn candidates(self, hash: u64) -> Candidates<'i> {
        #[allow(clippy::cast_possible_truncation, reason = "32 bits are enough to choose a slot")]
        let high = (hash >> 32) as u32 as usize;
        let at = high & self.slots.len().wrapping_sub(1);
        Candidates { index: self, tag: tag(hash), at }
    }
}

/// Goes through the slots where a key can be.
pub(crate) struct Candidates<'i> {
    index: Index<'i>,
    tag: u32,
    at: usize,
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let Index { slots, offset_bits } = self.index;
        loop {
            let slot = slots.get(self.at).copied().unwrap_or(0);
            if slot == 0 {
                return None;
            }
            self.at = (self.at + 1) & slots.len().wrapping_sub(1);
            if (slot ^ self.tag) & !offset_bits == 0 {
                return Some((slot & offset_bits) as usize - 1);
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

/// All lines of each key, as a run of offsets in the file's order: a view of what [`MultiIndexBuilder::finish`] gave.
/// That has four parts: [`HEAD_WORDS`] numbers; the slots of an index from keys to their numbers; three words for each
/// key, see [`MultiIndexBuilder`]; and the runs, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct MultiIndex<'i> {
    numbers: Index<'i>,
    keys: &'i [u32],
    lines: &'i [u32],
}

/// The first part: how many slots there are, how many words for keys, and the index's [`offset_bits`].
const HEAD_WORDS: usize = 3;

/// A [`MultiIndex`] that is being made. All lines are added twice: first those of each key are counted, then they are
/// put into its run.
pub(crate) struct MultiIndexBuilder {
    numbers: IndexBuilder,
    /// For each key the place where it stands first; how many lines it has, and then where its next line goes, so at
    /// last where its run ends; and the last line that was added.
    keys: ScratchBuf<u32>,
    lines: ScratchBuf<u32>,
}

const KEY_WORDS: usize = 3;
/// No line begins at this offset.
const NO_LINE: u32 = u32::MAX;

impl MultiIndexBuilder {
    /// Room for `count` keys in the file's lines.
    pub(crate) fn new(count: usize) -> Result<Self, Errno> {
        let numbers = IndexBuilder::new(count, count)?;
        Ok(Self { numbers, keys: ScratchBuf::new(), lines: ScratchBuf::new() })
    }

    /// Adds the line that begins at `line` to the key that stands at `place`; `same` says whether the key stands at
    /// another place. If a line lists a key twice, that counts once.
    pub(crate) fn add(
        &mut self,
        hash: u64,
        place: u32,
        line: u32,
        same: impl Fn(usize) -> bool,
    ) -> Result<(), Errno> {
        let new = self.keys.len() / KEY_WORDS;
        let keys = &self.keys;
        let is_key =
            |number: usize| keys.get(KEY_WORDS * number).is_some_and(|&at| same(at as usize));
        let number = self.numbers.insert(hash, new, is_key);
        if number.is_none() {
            self.keys.extend(&[place, 0, NO_LINE])?;
        }
        let key = self.keys.get_mut(KEY_WORDS * number.unwrap_or(new)..);
        let Some([_, next, last, ..]) = key.filter(|key| key.get(2) != Some(&line)) else {
            return Ok(());
        };
        // There is no room before the lines are counted.
        if let Some(place) = self.lines.get_mut(*next as usize) {
            *place = line;
        }
        *next += 1;
        *last = line;
        Ok(())
    }

    /// Makes room for the lines that were counted.
    pub(crate) fn make_room(&mut self) -> Result<(), Errno> {
        let mut total = 0;
        for key in self.keys.chunks_exact_mut(KEY_WORDS) {
            if let [_, next, last] = key {
                total += core::mem::replace(next, total);
                *last = NO_LINE;
            }
        }
        self.lines = ScratchBuf::zeroed(total as usize)?;
        Ok(())
    }

    /// The memory of the index.
    pub(crate) fn finish(self) -> Result<ScratchBuf<u32>, Errno> {
        let Self { numbers: IndexBuilder { slots, offset_bits }, keys, lines } = self;
        let of = |len: usize| u32::try_from(len).map_err(|_| Errno::ENOMEM);
        let head: [u32; HEAD_WORDS] = [of(slots.len())?, of(keys.len())?, offset_bits];
        let mut all = ScratchBuf::zeroed(HEAD_WORDS + slots.len() + keys.len() + lines.len())?;
        let parts = head.iter().chain(slots.iter()).chain(keys.iter()).chain(lines.iter());
        for (to, from) in all.iter_mut().zip(parts) {
            *to = *from;
        }
        Ok(all)
    }
}

impl<'i> MultiIndex<'i> {
    /// The parts of the memory; `None` if it is too short.
    pub(crate) fn new(all: &'i [u32]) -> Option<Self> {
        let (&[slots, keys, offset_bits], rest) = all.split_first_chunk::<HEAD_WORDS>()?;
        let (slots, rest) = rest.split_at_checked(slots as usize)?;
        let (keys, lines) = rest.split_at_checked(keys as usize)?;
        Some(Self { numbers: Index { slots, offset_bits }, keys, lines })
    }

    /// The lines of a key; `same` says whether it stands at a place.
    pub(crate) fn lines(&self, hash: u64, same: impl Fn(usize) -> bool) -> Option<&'i [u32]> {
        let place = |number: usize| self.keys.get(KEY_WORDS * number);
        let is_key = |&number: &usize| place(number).is_some_and(|&at| same(at as usize));
        let number = self.numbers.candidates(hash).find(is_key)?;
        // A run begins where the one before it ends.
        let end = |number: usize| self.keys.get(KEY_WORDS * number + 1).map(|&end| end as usize);
        let begin = number.checked_sub(1).and_then(end).unwrap_or(0);
        self.lines.get(begin..end(number)?)
    }
}

/// Removes numbers that occurred before; the others keep their order.
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
        let count = if cfg!(miri) { 40 } else { 4000 };
        let keys: Vec<u32> = (0..count + count / 4).map(|i| i % count).collect();
        let mut index = IndexBuilder::new(keys.len(), keys.len()).unwrap();
        for (at, &key) in keys.iter().enumerate() {
            let earlier = index.insert(Key::id(key).hash, at, |other| keys[other] == key);
            assert_eq!(earlier, at.checked_sub(count as usize));
        }
        let index = index.index();
        for key in 0..=count {
            let found = index.candidates(Key::id(key).hash).find(|&at| keys[at] == key);
            assert_eq!(found, (key < count).then_some(key as usize));
        }
    }

    #[test]
    fn an_index_of_nothing_finds_nothing() {
        let index = IndexBuilder::new(0, 0).unwrap();
        assert_eq!(index.index().candidates(Key::id(0).hash).next(), None);
        let multi = MultiIndexBuilder::new(0).unwrap().finish().unwrap();
        assert_eq!(MultiIndex::new(&multi).unwrap().lines(Key::id(0).hash, |_| true), None);
    }

    #[test]
    fn all_lines_of_a_key_are_found_in_order() {
        // Key n % 7 stands at place n, and there is a line for every two places.
        let key = |place: usize| u32::try_from(place % 7).unwrap();
        let mut multi = MultiIndexBuilder::new(100).unwrap();
        for is_counted in [false, true] {
            if is_counted {
                multi.make_room().unwrap();
            }
            for place in 0..100_u32 {
                let own = key(place as usize);
                let (hash, same) = (Key::id(own).hash, |other| key(other) == own);
                multi.add(hash, place, place / 2, same).unwrap();
                multi.add(hash, place, place / 2, same).unwrap();
            }
        }
        let multi = multi.finish().unwrap();
        let multi = MultiIndex::new(&multi).unwrap();
        let lines = |own: u32| multi.lines(Key::id(own).hash, |at| key(at) == own);
        for own in 0..7 {
            let want: Vec<u32> = (0..100).filter(|n| n % 7 == own).map(|n| n / 2).collect();
            assert_eq!(lines(own), Some(&want[..]));
        }
        assert_eq!(lines(7), None);
    }

    #[test]
    fn distinct_numbers_keep_their_order() {
        let mut numbers = ScratchBuf::copy_of(&[7, 3, 7, 0, 3, 9, 0, 7, 1]).unwrap();
        dedup_stable(&mut numbers).unwrap();
        assert_eq!(*numbers, [7, 3, 0, 9, 1]);
    }
}
