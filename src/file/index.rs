//! Hash tables from keys to offsets of lines, with open addressing and slots of 32 bits.
//!
//! A slot holds the offset of its line and, in the bits that no offset of the file needs, a part of the key's
//! hash. So a probe reads (almost) only the line that it looks for.

use crate::rt::errno::Errno;
use crate::rt::memory::ScratchBuf;

/// The first line of each key: a view of what [`IndexBuilder::finish`] gave.
#[derive(Clone, Copy)]
pub(crate) struct Index<'i> {
    pub(crate) slots: &'i [u32],
    /// A mask of the bits of a slot that hold the offset plus one: [`offset_bits`].
    pub(crate) offset_bits: u32,
}

/// An [`Index`] that is being made.
pub(crate) struct IndexBuilder {
    slots: ScratchBuf<u32>,
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

    /// Adds the line at `offset`, unless there is an earlier one for which `same` says that it has the key. Gives that.
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

    /// The slots.
    pub(crate) fn finish(self) -> ScratchBuf<u32> {
        self.slots
    }
}

impl<'i> Index<'i> {
    /// The lines that may have a key with that hash, in the order in which they were added.
    #[inline(always)]
    pub(crate) fn candidates(self, hash: u64) -> Candidates<'i> {
        Candidates::new(self.slots, self.offset_bits, hash)
    }
}

/// Goes through the slots where a key can be.
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

/// All lines of each key, as a run of offsets in the file's order: a view of what [`MultiIndexFiller::finish`] gave.
/// That has four parts: [`HEAD`] numbers; the slots of an index from keys to their numbers; for each key a pair of the
/// place where it stands first and the beginning of its run, and one more pair at the end; and the runs.
#[derive(Clone, Copy)]
pub(crate) struct MultiIndex<'i> {
    numbers: Index<'i>,
    keys: &'i [u32],
    lines: &'i [u32],
}

/// How many slots there are, how many numbers for keys, and the index's [`offset_bits`].
const HEAD: usize = 3;

/// A [`MultiIndex`] that is being made. The file is read twice: first the lines of each key are counted, then they are
/// put into its run.
pub(crate) struct MultiIndexBuilder {
    numbers: IndexBuilder,
    /// Pairs: the place where a key stands first, and how many lines it has.
    keys: ScratchBuf<u32>,
}

/// The same after the counting.
pub(crate) struct MultiIndexFiller(ScratchBuf<u32>);

impl MultiIndexBuilder {
    /// Room for `count` keys in the file's lines.
    pub(crate) fn new(count: usize) -> Result<Self, Errno> {
        Ok(Self { numbers: IndexBuilder::new(count, count)?, keys: ScratchBuf::new() })
    }

    /// Counts a line of the key that stands at `place`; `same` says whether the key stands at another place.
    pub(crate) fn count(
        &mut self,
        hash: u64,
        place: u32,
        same: impl Fn(usize) -> bool,
    ) -> Result<(), Errno> {
        let next = self.keys.len() / 2;
        let keys = &self.keys;
        let is_key = |number: usize| keys.get(2 * number).is_some_and(|&at| same(at as usize));
        let Some(number) = self.numbers.insert(hash, next, is_key) else {
            return self.keys.extend(&[place, 1]);
        };
        if let Some(count) = self.keys.get_mut(2 * number + 1) {
            *count += 1;
        }
        Ok(())
    }

    /// Ends the counting.
    pub(crate) fn make_room(mut self) -> Result<MultiIndexFiller, Errno> {
        let mut total = 0;
        for count in self.keys.iter_mut().skip(1).step_by(2) {
            let begin = total;
            total += *count;
            *count = begin;
        }
        self.keys.extend(&[0, total])?;
        let (slots, keys) = (&self.numbers.slots, &self.keys);
        let of = |len: usize| u32::try_from(len).map_err(|_| Errno::ENOMEM);
        let head: [u32; HEAD] = [of(slots.len())?, of(keys.len())?, self.numbers.offset_bits];
        let mut all = ScratchBuf::zeroed(HEAD + slots.len() + keys.len() + total as usize)?;
        let parts = head.iter().chain(slots.iter()).chain(keys.iter());
        for (to, from) in all.iter_mut().zip(parts) {
            *to = *from;
        }
        Ok(MultiIndexFiller(all))
    }
}

impl MultiIndexFiller {
    /// Adds the line that begins at `line` to a key; `same` says whether the key stands at a place.
    pub(crate) fn add(&mut self, hash: u64, line: u32, same: impl Fn(usize) -> bool) {
        let Some(index) = MultiIndex::new(&self.0) else { return };
        let Some(number) = index.number(hash, same) else { return };
        let (keys_at, lines_at) =
            (HEAD + index.numbers.slots.len(), self.0.len() - index.lines.len());
        // While the runs are filled, the beginning of each is the place of its next line.
        let Some(next) = self.0.get_mut(keys_at + 2 * number + 1) else { return };
        let at = lines_at + *next as usize;
        *next += 1;
        if let Some(place) = self.0.get_mut(at) {
            *place = line;
        }
    }

    /// The memory of the index.
    pub(crate) fn finish(mut self) -> ScratchBuf<u32> {
        // Now each beginning is the end of its run, where the next run begins. This shifts them back.
        let keys =
            MultiIndex::new(&self.0).map(|index| (index.numbers.slots.len(), index.keys.len()));
        let (slots, keys) = keys.unwrap_or_default();
        let keys = self.0.get_mut(HEAD + slots..HEAD + slots + keys).unwrap_or_default();
        let mut begin = 0;
        for end in keys.iter_mut().skip(1).step_by(2) {
            begin = core::mem::replace(end, begin);
        }
        self.0
    }
}

impl<'i> MultiIndex<'i> {
    /// The parts of the memory; `None` if it is too short.
    pub(crate) fn new(all: &'i [u32]) -> Option<Self> {
        let (&[slots, keys, offset_bits], rest) = all.split_first_chunk::<HEAD>()?;
        let (slots, rest) = rest.split_at_checked(slots as usize)?;
        let (keys, lines) = rest.split_at_checked(keys as usize)?;
        Some(Self { numbers: Index { slots, offset_bits }, keys, lines })
    }

    fn number(&self, hash: u64, same: impl Fn(usize) -> bool) -> Option<usize> {
        let is_key =
            |&number: &usize| self.keys.get(2 * number).is_some_and(|&at| same(at as usize));
        self.numbers.candidates(hash).find(is_key)
    }

    /// The lines of a key; `same` says whether it stands at a place.
    pub(crate) fn lines(&self, hash: u64, same: impl Fn(usize) -> bool) -> &'i [u32] {
        let Some(number) = self.number(hash, same) else { return &[] };
        let run = self.keys.get(2 * number + 1).zip(self.keys.get(2 * number + 3));
        let Some((&begin, &end)) = run else { return &[] };
        self.lines.get(begin as usize..end as usize).unwrap_or_default()
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
        let keys: Vec<u32> = (0..5000).map(|i| i % 4000).collect();
        let mut index = IndexBuilder::new(keys.len(), keys.len()).unwrap();
        for (at, &key) in keys.iter().enumerate() {
            let earlier = index.insert(Key::id(key).hash, at, |other| keys[other] == key);
            assert_eq!(earlier, (at >= 4000).then(|| at - 4000));
        }
        let index = index.index();
        for key in 0..4000 {
            let found = index.candidates(Key::id(key).hash).find(|&at| keys[at] == key);
            assert_eq!(found, Some(key as usize));
        }
        assert_eq!(index.candidates(Key::id(4000).hash).find(|&at| keys[at] == 4000), None);
    }

    #[test]
    fn an_index_of_nothing_finds_nothing() {
        let index = IndexBuilder::new(0, 0).unwrap();
        assert_eq!(index.index().candidates(Key::id(0).hash).next(), None);
        let multi = MultiIndexBuilder::new(0).unwrap().make_room().unwrap().finish();
        let multi = MultiIndex::new(&multi).unwrap();
        assert!(multi.lines(Key::id(0).hash, |_| true).is_empty());
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
        let mut multi = multi.make_room().unwrap();
        for place in 0..100_u32 {
            let own = key(place as usize);
            multi.add(Key::id(own).hash, 10 * place, |other| key(other) == own);
        }
        let multi = multi.finish();
        let multi = MultiIndex::new(&multi).unwrap();
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
