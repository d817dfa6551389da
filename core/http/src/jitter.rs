//! Numbers that spread waits, reproducible from their seed.

use std::sync::{Mutex, PoisonError};

use fastrand::Rng;

/// A stream of numbers that several threads share, reproducible from its seed.
#[derive(Debug)]
pub struct Jitter(Mutex<Rng>);

impl Jitter {
    /// Creates a stream from a seed: any number, best a random one, so that two programs started together do not call
    /// together.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::with_seed(seed)))
    }

    /// Returns the next number, at least 0 and below 1.
    pub fn fraction(&self) -> f64 {
        self.with(Rng::f64)
    }

    /// Returns the next 64 bits.
    pub fn bits(&self) -> u64 {
        self.with(|random| random.u64(..))
    }

    fn with<T>(&self, next: impl FnOnce(&mut Rng) -> T) -> T {
        // The state of a generator is whole whatever happened to a thread that used it.
        next(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
