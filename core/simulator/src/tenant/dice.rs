//! Pseudo-random numbers from a place in the tenant instead of from a sequence: the same place
//! always gives the same number, so any row can be generated without the rows before it.

/// The purpose of a number. Two kinds never share numbers.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Device = 1,
    DeviceUid,
    CollectorUid,
    User,
    UserUid,
    Title,
    TitleUid,
    InstallCount,
    Install,
    Alert,
    AlertUid,
    UnknownDeviceUid,
}

/// splitmix64's output function (Steele, Lea, Flood 2014): a bijection that mixes every bit.
const fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A short run of numbers that belongs to one place of the tenant.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64, kind: Kind, index: u64) -> Self {
        let stream = mix(seed.wrapping_add(GOLDEN.wrapping_mul(kind as u64)));
        Self(mix(stream.wrapping_add(index.wrapping_mul(GOLDEN))))
    }

    pub(crate) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Returns a number from 0 to `bound - 1`; `bound` is not 0.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// Returns true once in `n` draws on average.
    pub(crate) const fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.index(choices.len())]
    }

    /// Returns a position in a list of `length`, which is not 0.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        position(self.number(), length)
    }
}

/// The position in a list of `length` for a random number; `length` is not 0.
pub(crate) fn position(random: u64, length: usize) -> usize {
    usize::try_from(random % length as u64).expect("a position is less than a length")
}

/// The two halves of the uid of object `index` of a kind.
pub(crate) const fn uid(seed: u64, kind: Kind, index: u64) -> (u64, u64) {
    let mut dice = Dice::new(seed, kind, index);
    (dice.number(), dice.number())
}
