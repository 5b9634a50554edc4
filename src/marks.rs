//! Where colons and line ends are, 64 bytes at a time.
#![allow(unsafe_code, reason = "vector instructions, which every processor of the target has")]

/// How many bytes are looked at together.
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

/// Where `byte` is in the first 64 of the bytes, which may be fewer.
#[inline(always)]
pub(crate) fn all(bytes: &[u8], byte: u8) -> u64 {
    if let Some(block) = Block::first(bytes) {
        return block.all(byte);
    }
    // What does not fill a quarter, or half of one, overlaps what is before it.
    let of = |part: &[u8; QUARTER]| parts::all_part(parts::load_part(part), byte);
    if let Some(last) = bytes.last_chunk() {
        let (quarters, _) = bytes.as_chunks();
        let seen_at = |at| quarters.get(at).map_or(0, |part| of(part) << (at * QUARTER));
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

    use super::{BLOCK, QUARTER};

    pub(super) type Part = __m128i;
    pub(super) type Parts = [Part; 4];

    #[inline(always)]
    pub(super) fn load_part(part: &[u8; QUARTER]) -> Part {
        let (words, _) = part.as_chunks::<8>();
        let [low, high] = core::array::from_fn(|at| {
            i64::from_le_bytes(words.get(at).copied().unwrap_or_default())
        });
        // SAFETY: SSE2 is part of x86_64.
        unsafe { _mm_set_epi64x(high, low) }
    }

    #[inline(always)]
    pub(super) fn load(block: &[u8; BLOCK]) -> Parts {
        let (parts, _) = block.as_chunks();
        core::array::from_fn(|at| load_part(parts.get(at).unwrap_or(&[0; QUARTER])))
    }

    #[inline(always)]
    pub(super) fn all_part(part: Part, byte: u8) -> u64 {
        // SAFETY: as above.
        unsafe { mask(part, byte) }
    }

    #[inline(always)]
    pub(super) fn all(parts: Parts, byte: u8) -> u64 {
        let [a, b, c, d] = parts.map(|part| all_part(part, byte));
        a | b << 16 | c << 32 | d << 48
    }

    #[inline(always)]
    pub(super) fn has_nul(parts: Parts) -> bool {
        // SAFETY: as above.
        let least = unsafe { least(parts) };
        // SAFETY: as above.
        unsafe { mask(least, 0) != 0 }
    }

    /// # Safety
    ///
    /// The processor has SSE2.
    #[target_feature(enable = "sse2")]
    #[inline]
    fn mask(part: __m128i, byte: u8) -> u64 {
        let equal = _mm_cmpeq_epi8(part, _mm_set1_epi8(byte.cast_signed()));
        u64::from(_mm_movemask_epi8(equal).cast_unsigned())
    }

    /// # Safety
    ///
    /// As above.
    #[target_feature(enable = "sse2")]
    #[inline]
    fn least([a, b, c, d]: Parts) -> __m128i {
        _mm_min_epu8(_mm_min_epu8(a, b), _mm_min_epu8(c, d))
    }
}

/// The same without vector instructions, eight bytes in a word.
#[cfg(any(test, miri, not(target_arch = "x86_64")))]
mod words {
    use super::{BLOCK, QUARTER};

    pub(super) type Part = [u64; 2];
    pub(super) type Parts = [u64; 8];

    pub(super) fn load_part(part: &[u8; QUARTER]) -> Part {
        let (words, _) = part.as_chunks::<8>();
        core::array::from_fn(|at| u64::from_le_bytes(words.get(at).copied().unwrap_or_default()))
    }

    pub(super) fn all_part([low, high]: Part, byte: u8) -> u64 {
        equal(low, byte) | equal(high, byte) << 8
    }

    pub(super) fn load(block: &[u8; BLOCK]) -> Parts {
        let (words, _) = block.as_chunks::<8>();
        core::array::from_fn(|at| u64::from_le_bytes(words.get(at).copied().unwrap_or_default()))
    }

    pub(super) fn all(parts: Parts, byte: u8) -> u64 {
        parts.iter().rev().fold(0, |mask, &word| mask << 8 | equal(word, byte))
    }

    pub(super) fn has_nul(parts: Parts) -> bool {
        all(parts, 0) != 0
    }

    /// Bit N is set where byte N of the word is `byte`.
    fn equal(word: u64, byte: u8) -> u64 {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let other = word ^ (u64::from(byte) * 0x0101_0101_0101_0101);
        // The high bit of each byte that is zero in `other`, with no carry between bytes.
        let zero = !(((other & LOW) + LOW) | other | LOW);
        // The eight high bits, moved together into the top byte.
        zero.wrapping_mul(0x0002_0408_1020_4081) >> 56
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_see_what_is_there() {
        let mut state = 1_u64;
        for round in 0..2000 {
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
}
