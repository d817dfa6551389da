//! A pseudo-random order of numbers that is computed and not stored, so that 50 million rows are
//! shuffled in the memory of one.

/// The number of rounds. Four make a permutation that looks random (Luby and Rackoff, "How to
/// construct pseudorandom permutations", 1988).
const ROUNDS: u64 = 4;

/// A permutation of the numbers below a bound: a Feistel network over the next power of four,
/// repeated until the result is below the bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shuffle {
    bound: u64,
    half_bits: u32,
}

impl Shuffle {
    /// Returns the permutation of the numbers below `bound`, the same for each bound.
    pub(crate) fn new(bound: u64) -> Self {
        let bits = 64 - bound.saturating_sub(1).leading_zeros();
        Self { bound, half_bits: bits.div_ceil(2).max(1) }
    }

    /// The number at a position, both below the bound.
    pub(crate) fn at(self, place: u64) -> u64 {
        let mut number = self.permute(place);
        // The domain has at most four times as many numbers, so this ends after four rounds on
        // average.
        while number >= self.bound {
            number = self.permute(number);
        }
        number
    }

    fn permute(self, number: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (mix(right ^ (round << 40)) & mask));
        }
        left << self.half_bits | right
    }
}

/// The finalizer of `SplitMix64`.
fn mix(number: u64) -> u64 {
    let mut number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_one_place() {
        for bound in [1, 2, 3, 4, 5, 16, 17, 1_000, 4_097] {
            let shuffle = Shuffle::new(bound);
            let mut numbers: Vec<u64> = (0..bound).map(|place| shuffle.at(place)).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..bound).collect::<Vec<_>>());
        }
    }

    #[test]
    fn neighbours_are_not_neighbours_any_more() {
        let shuffle = Shuffle::new(100_000);
        let near =
            (1..100_000).filter(|&place| shuffle.at(place - 1).abs_diff(shuffle.at(place)) < 100);
        // 200 of 100,000 by chance.
        assert!((100..400).contains(&near.count()));
    }
}
