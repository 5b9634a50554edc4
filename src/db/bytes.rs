//! Finds separators, 64 bytes at a time; and white space.
#![allow(unsafe_code, reason = "vector instructions, which every processor of the target has")]

/// How many bytes are examined at once.
pub(crate) const BLOCK: usize = 64;

/// A block in registers.
#[derive(Clone, Copy)]
pub(crate) struct Block(parts::Parts);

impl Block {
    /// The first bytes of `bytes`; `None` if there are fewer than [`BLOCK`].
    #[inline(always)]
    pub(crate) fn first(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|block| Self(parts::load(block)))
    }

    /// Bit N is set where byte N is `byte`.
    #[inline(always)]
    pub(crate) fn all(self, byte: u8) -> u64 {
        parts::all(self.0, byte)
    }

    /// True if a NUL is among the bytes.
    #[inline(always)]
    pub(crate) fn has_nul(self) -> bool {
        parts::has_nul(self.0)
    }
}

/// How many bytes a quarter has.
pub(crate) const QUARTER: usize = BLOCK / 4;

/// A quarter of a block.
#[derive(Clone, Copy)]
pub(crate) struct Quarter(parts::Part);

impl Quarter {
    /// The first bytes of `bytes`; `None` if there are fewer than [`QUARTER`].
    #[inline(always)]
    pub(crate) fn first(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|part| Self(parts::load_part(part)))
    }

    /// Bit N is set where byte N is `byte`.
    #[inline(always)]
    pub(crate) fn all(self, byte: u8) -> u64 {
        parts::all_part(self.0, byte)
    }

    /// True if a NUL is among the bytes.
    #[inline(always)]
    pub(crate) fn has_nul(self) -> bool {
        self.all(0) != 0
    }
}

/// Where `byte` is in the first 64 of the bytes, or in all if there are fewer.
#[inline(always)]
pub(crate) fn all(bytes: &[u8], byte: u8) -> u64 {
    if let Some(block) = Block::first(bytes) {
        return block.all(byte);
    }
    // The last, incomplete part overlaps the one before it.
    let of = |part: &[u8; QUARTER]| parts::all_part(parts::load_part(part), byte);
    if let Some(last) = bytes.last_chunk() {
        let seen_at = |at: usize| {
            let quarter = bytes.get(at * QUARTER..).and_then(|rest| rest.first_chunk());
            quarter.map_or(0, |part| of(part) << (at * QUARTER))
        };
        return of(last) << (bytes.len() - QUARTER) | seen_at(0) | seen_at(1) | seen_at(2);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let halves =
            u128::from(u64::from_le_bytes(*first)) | u128::from(u64::from_le_bytes(*last)) << 64;
        let seen = of(&halves.to_le_bytes());
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
        __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8,
    };

    use super::{BLOCK, QUARTER, quarter, word};

    pub(super) type Part = __m128i;
    pub(super) type Parts = [Part; 4];

    #[inline(always)]
    pub(super) fn load_part(part: &[u8; QUARTER]) -> Part {
        #[allow(clippy::cast_possible_wrap, reason = "bits, not a number")]
        let (low, high) = (word(part, 0) as i64, word(part, 1) as i64);
        // SAFETY: SSE2, which this needs, is part of x86_64.
        unsafe { _mm_set_epi64x(high, low) }
    }

    #[inline(always)]
    pub(super) fn load(block: &[u8; BLOCK]) -> Parts {
        core::array::from_fn(|at| load_part(quarter(block, at)))
    }

    #[inline(always)]
    pub(super) fn all_part(part: Part, byte: u8) -> u64 {
        #[allow(clippy::cast_possible_wrap, reason = "bits, not a number")]
        // SAFETY: SSE2 is part of x86_64.
        let wanted = unsafe { _mm_set1_epi8(byte as i8) };
        // SAFETY: SSE2 is part of x86_64.
        let equal = unsafe { _mm_cmpeq_epi8(part, wanted) };
        // SAFETY: SSE2 is part of x86_64.
        let mask = unsafe { _mm_movemask_epi8(equal) };
        #[allow(clippy::cast_sign_loss, reason = "sixteen bits")]
        let mask = mask as u64;
        mask
    }

    #[inline(always)]
    pub(super) fn all(parts: Parts, byte: u8) -> u64 {
        let [a, b, c, d] = parts.map(|part| all_part(part, byte));
        a | b << 16 | c << 32 | d << 48
    }

    #[inline(always)]
    pub(super) fn has_nul([a, b, c, d]: Parts) -> bool {
        // SAFETY: SSE2 is part of x86_64.
        let low = unsafe { _mm_min_epu8(a, b) };
        // SAFETY: SSE2 is part of x86_64.
        let high = unsafe { _mm_min_epu8(c, d) };
        // SAFETY: SSE2 is part of x86_64.
        all_part(unsafe { _mm_min_epu8(low, high) }, 0) != 0
    }
}

/// Word number `at` of a quarter, as its bytes lie in memory from the lowest on.
#[inline(always)]
fn word(part: &[u8; QUARTER], at: usize) -> u64 {
    let bytes = part.get(at * 8..).and_then(|rest| rest.first_chunk());
    u64::from_le_bytes(bytes.copied().unwrap_or_default())
}

/// Quarter number `at` of a block.
#[inline(always)]
fn quarter(block: &[u8; BLOCK], at: usize) -> &[u8; QUARTER] {
    block.get(at * QUARTER..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; QUARTER])
}

/// The same without vector instructions, eight bytes in a word.
#[cfg(any(test, miri, not(target_arch = "x86_64")))]
mod words {
    use super::{BLOCK, QUARTER, quarter, word};

    pub(super) type Part = [u64; 2];
    pub(super) type Parts = [Part; 4];

    #[inline(always)]
    pub(super) fn load_part(part: &[u8; QUARTER]) -> Part {
        [word(part, 0), word(part, 1)]
    }

    #[inline(always)]
    pub(super) fn load(block: &[u8; BLOCK]) -> Parts {
        core::array::from_fn(|at| load_part(quarter(block, at)))
    }

    #[inline(always)]
    pub(super) fn all_part([low, high]: Part, byte: u8) -> u64 {
        equal(low, byte) | equal(high, byte) << 8
    }

    #[inline(always)]
    pub(super) fn all(parts: Parts, byte: u8) -> u64 {
        parts.iter().rev().fold(0, |mask, &part| mask << QUARTER | all_part(part, byte))
    }

    #[inline(always)]
    pub(super) fn has_nul(parts: Parts) -> bool {
        all(parts, 0) != 0
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
    looked: usize,
    /// The ends of parts that are found but not given yet, as bits of the last examined block.
    seen: u64,
}

impl<'a, const SEPARATOR: u8> Split<'a, SEPARATOR> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
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
            self.looked += BLOCK;
        }
        let end = self.looked - BLOCK + self.seen.trailing_zeros() as usize;
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
                assert_eq!(words::all(words::load(&block), byte), seen(&block, byte));
                let (quarter, seen_there) = (&block[..QUARTER], seen(&block[..QUARTER], byte));
                assert_eq!(Quarter::first(quarter).unwrap().all(byte), seen_there);
                let words_there = words::load_part(quarter.first_chunk().unwrap());
                assert_eq!(words::all_part(words_there, byte), seen_there);
                let part = &block[..round % (BLOCK + 1)];
                assert_eq!(all(part, byte), seen(part, byte));
            }
            let has_nul = block.contains(&0);
            assert_eq!(Block::first(&block).unwrap().has_nul(), has_nul);
            assert_eq!(words::has_nul(words::load(&block)), has_nul);
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
