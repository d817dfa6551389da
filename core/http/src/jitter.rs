//! Numbers that spread waits, reproducible from their seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// A stream of numbers, reproducible from its seed (`SplitMix64`).
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// A stream that starts at `seed`: any number, best a random one, so that two programs started together
    /// do not call together.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Returns the next number, at least 0 and below 1.
    pub fn fraction(&self) -> f64 {
        let top = u32::try_from(self.bits() >> 32).expect("32 bits are left");
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }

    /// Returns the next 64 bits.
    pub fn bits(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_spreads_evenly_and_is_reproducible() {
        let (first, second) = (Jitter::new(7), Jitter::new(7));
        let numbers: Vec<f64> = (0..1_000).map(|_| first.fraction()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = numbers.iter().sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(numbers.iter().all(|number| number.to_bits() == second.fraction().to_bits()));
    }
}
