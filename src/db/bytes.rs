//! Finds separators, 64 bytes at a time; and white space.
#![allow(unsafe_code, reason = "vector instructions, which every processor of the target has")]

/// How many bytes are examined at once.
pub(crate) const BLOCK: usize = 64;

/// How many bytes a quarter of such a block has.
pub(crate) const QUARTER: usize = BLOCK / 4;

/// A quarter of a block, in a register.
#[derive(Clone, Copy)]
pub(crate) struct Quarter(parts::Part);

impl Quarter {
    /// The first bytes of `bytes`; `None` if there are fewer than [`QUARTER`].
    #[inline(always)]
    pub(crate) fn first(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|part| Self(parts::load(part)))
    }

    /// Bit N is set where byte N is `byte`.
    #[inline(always)]
    pub(crate) fn all(self, byte: u8) -> u64 {
        parts::all(self.0, byte)
    }
}

/// A block in registers.
#[derive(Clone, Copy)]
pub(crate) struct Block([Quarter; 4]);

impl Block {
    /// The first bytes of `bytes`; `None` if there are fewer than [`BLOCK`].
    #[inline(always)]
    pub(crate) fn first(bytes: &[u8]) -> Option<Self> {
        let block = bytes.first_chunk::<BLOCK>()?;
        let quarter = |at: usize| Quarter::first(block.get(at * QUARTER..)?);
        Some(Self([quarter(0)?, quarter(1)?, quarter(2)?, quarter(3)?]))
    }

    /// Bit N is set where byte N is `byte`.
    #[inline(always)]
    pub(crate) fn all(self, byte: u8) -> u64 {
        let [a, b, c, d] = self.0.map(|quarter| quarter.all(byte));
        a | b << QUARTER | c << (2 * QUARTER) | d << (3 * QUARTER)
    }
}

/// Where `byte` is in the first 64 of the bytes, or in all if there are fewer.
#[inline(always)]
pub(crate) fn all(bytes: &[u8], byte: u8) -> u64 {
    if let Some(block) = Block::first(bytes) {
        return block.all(byte);
    }
    let of = |part: Option<&[u8]>| part.and_then(Quarter::first).map_or(0, |part| part.all(byte));
    // The last, incomplete part overlaps the one before it.
    if let Some(last) = bytes.last_chunk::<QUARTER>() {
        let seen_at = |at: usize| of(bytes.get(at..)) << at;
        let whole = seen_at(0) | seen_at(QUARTER) | seen_at(2 * QUARTER);
        return of(Some(last)) << (bytes.len() - QUARTER) | whole;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let halves =
            u128::from(u64::from_le_bytes(*first)) | u128::from(u64::from_le_bytes(*last)) << 64;
        let seen = of(Some(&halves.to_le_bytes()));
        return seen & 0xff | seen >> 8 << (bytes.len() - 8);
    }
    bytes.iter().rev().fold(0, |seen, &b| seen << 1 | u64::from(b == byte))
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
use vector as parts;
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
use words as parts;

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod vector {
    use core::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8,
    };

    pub(super) type Part = __m128i;

    #[inline(always)]
    #[allow(clippy::cast_possible_wrap, reason = "bits, not numbers")]
    pub(super) fn load(part: &[u8; super::QUARTER]) -> Part {
        let [low, high] = super::words_of(part);
        // SAFETY: SSE2, which this needs, is part of x86_64.
        unsafe { _mm_set_epi64x(high as i64, low as i64) }
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "bits, not numbers")]
    pub(super) fn all(part: Part, byte: u8) -> u64 {
        // SAFETY: SSE2 is part of x86_64.
        let wanted = unsafe { _mm_set1_epi8(byte as i8) };
        // SAFETY: SSE2 is part of x86_64.
        let equal = unsafe { _mm_cmpeq_epi8(part, wanted) };
        // SAFETY: SSE2 is part of x86_64.
        unsafe { _mm_movemask_epi8(equal) as u64 }
    }
}

/// The two halves of a quarter as little-endian words.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the halves")]
fn words_of(part: &[u8; QUARTER]) -> [u64; 2] {
    let both = u128::from_le_bytes(*part);
    [both as u64, (both >> 64) as u64]
}

/// The same without vector instructions, eight bytes in a word.
#[cfg(any(test, miri, not(target_arch = "x86_64")))]
mod words {
    pub(super) type Part = [u64; 2];

    #[inline(always)]
    pub(super) fn load(part: &[u8; super::QUARTER]) -> Part {
        super::words_of(part)
    }

    #[inline(always)]
    pub(super) fn all([low, high]: Part, byte: u8) -> u64 {
        equal(low, byte) | equal(high, byte) << 8
    }

    /// Bit N is set where byte N of the word is `byte`.
    #[inline(always)]
    fn equal(word: u64, byte: u8) -> u64 {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let other = word ^ (u64::from(byte) * 0x0101_0101_0101_0101);
        // The high bit of each byte that is zero in `other`, with no carry between bytes.
        let zero = !(((other & LOW) + LOW) | other | LOW);
        // The eight high bits, moved together into the top byte.
        zero.wrapping_mul(0x0002_0408_1020_4081) >> 56
    }
}

/// The parts between separators, as `slice::split` gives them, but found 64 bytes at a time.
#[derive(Clone)]
pub(crate) struct Split<'a, const SEPARATOR: u8> {
    bytes: &'a [u8],
    /// Where the next part begins; beyond the end after the last part.
    start: usize,
    /// Where the bytes that were examined end.
    examined: usize,
    /// The ends of parts that are found but not given yet, as bits of the last examined block.
    seen: u64,
}

impl<'a, const SEPARATOR: u8> Split<'a, SEPARATOR> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0, examined: 0, seen: 0 }
    }
}

impl<'a, const SEPARATOR: u8> Iterator for Split<'a, SEPARATOR> {
    type Item = &'a [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [u8]> {
        while self.seen == 0 {
            let rest = self.bytes.get(self.examined..)?;
            self.seen = ends::<SEPARATOR>(rest);
            self.examined += BLOCK;
        }
        let end = self.examined - BLOCK + self.seen.trailing_zeros() as usize;
        self.seen &= self.seen - 1;
        let part = self.bytes.get(self.start..end)?;
        self.start = end + 1;
        Some(part)
    }
}

/// Where parts end in the first 64 of the bytes.
#[inline(never)] // Inlined, it would take registers from the loop that follows.
fn ends<const SEPARATOR: u8>(bytes: &[u8]) -> u64 {
    let last = if bytes.len() < BLOCK { 1 << bytes.len() } else { 0 };
    all(bytes, SEPARATOR) | last
}

/// White space: isspace(3) in the C locale.
pub(crate) fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The bytes after leading white space.
#[inline(always)]
pub(crate) fn skip_space(bytes: &[u8]) -> &[u8] {
    let at = bytes.iter().position(|b| !is_space(b)).unwrap_or(bytes.len());
    bytes.get(at..).unwrap_or_default()
}

/// As [`skip_space`], for places where there is hardly ever any.
#[inline(always)]
pub(crate) fn skip_rare_space(bytes: &[u8]) -> &[u8] {
    #[cold]
    fn skip(bytes: &[u8]) -> &[u8] {
        skip_space(bytes)
    }
    if bytes.first().is_some_and(is_space) { skip(bytes) } else { bytes }
}

/// The bytes up to white space, and the bytes after that.
pub(crate) fn split_word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(is_space).unwrap_or(bytes.len());
    let (word, rest) = bytes.split_at_checked(at).unwrap_or((bytes, b""));
    (word, skip_space(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_see_what_is_there() {
        let mut state = 1_u64;
        for round in 0..if cfg!(miri) { 10 } else { 2000 } {
            let block: [u8; BLOCK] = core::array::from_fn(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let byte = b":\n\0\x01\x80\xba;9\x8a\x0b"[(state >> 40) as usize % 10];
                if round % 2 == 0 && byte == 0 { b'x' } else { byte }
            });
            let seen = |bytes: &[u8], byte| {
                bytes.iter().rev().fold(0, |mask, &b| mask << 1 | u64::from(b == byte))
            };
            for byte in *b":\n\0\x80" {
                assert_eq!(Block::first(&block).unwrap().all(byte), seen(&block, byte));
                let (quarter, seen_there) = (&block[..QUARTER], seen(&block[..QUARTER], byte));
                assert_eq!(Quarter::first(quarter).unwrap().all(byte), seen_there);
                let words_there = words::load(quarter.first_chunk().unwrap());
                assert_eq!(words::all(words_there, byte), seen_there);
                let part = &block[..round % (BLOCK + 1)];
                assert_eq!(all(part, byte), seen(part, byte));
            }
        }
    }

    #[test]
    fn parts_are_those_of_the_standard_split() {
        for len in (0..200).step_by(if cfg!(miri) { 63 } else { 1 }) {
            for step in [1, 2, 3, 11, 64, 65, 500] {
                let bytes: Vec<u8> =
                    (0..len).map(|n| if n % step == step / 2 { b',' } else { b'a' }).collect();
                let want: Vec<&[u8]> = bytes.split(|&b| b == b',').collect();
                assert_eq!(Split::<b','>::new(&bytes).collect::<Vec<_>>(), want);
            }
        }
    }
}
