//! The position of an enumeration, in one word: `cursor`.

/// Which row comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first row at that offset of the snapshot or after it.
    File(u64),
    Module,
    Libc,
    /// The synthetic user's row, or that of a group of the process, by number.
    Synthetic(u64),
    End,
}

/// A phase, and whether the synthetic user has a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) phase: Phase,
    pub(super) has_synthetic: bool,
}

impl Position {
    const COUNT_BITS: u32 = 58;

    pub(super) fn to_word(self) -> u64 {
        let (phase, count) = match self.phase {
            Phase::File(at) => (0, at),
            Phase::Module => (1, 0),
            Phase::Libc => (2, 0),
            Phase::Synthetic(number) => (3, number),
            Phase::End => (4, 0),
        };
        (phase << 1 | u64::from(self.has_synthetic)) << Self::COUNT_BITS | count
    }

    pub(super) fn from_word(word: u64) -> Self {
        let count = word & ((1 << Self::COUNT_BITS) - 1);
        let high = word >> Self::COUNT_BITS;
        let phase = match high >> 1 {
            0 => Phase::File(count),
            1 => Phase::Module,
            2 => Phase::Libc,
            3 => Phase::Synthetic(count),
            _ => Phase::End,
        };
        Self { phase, has_synthetic: high & 1 == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_word_and_back() {
        for phase in [
            Phase::File(0),
            Phase::File(1 << 40),
            Phase::Module,
            Phase::Libc,
            Phase::Synthetic(0),
            Phase::Synthetic(7),
            Phase::End,
        ] {
            for has_synthetic in [false, true] {
                let position = Position { phase, has_synthetic };
                assert_eq!(Position::from_word(position.to_word()), position);
            }
        }
    }
}
