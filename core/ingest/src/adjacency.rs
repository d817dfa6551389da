//! The adjacency set of one source: the numbers of its targets, in two bytes each where possible.

use roaring::RoaringBitmap;

/// The most numbers in a list; beyond it a bitmap is smaller, and faster to insert into.
const MAX_LISTED: usize = 4096;

/// A bitmap for numbers that are close to each other, with a bit for each number up to the largest.
/// Empty again after each use, with its capacity kept.
#[derive(Debug, Default)]
pub(crate) struct ScratchBitmap {
    words: Vec<u64>,
}

/// A set of entity numbers.
#[derive(Debug)]
pub(crate) enum AdjacencySet {
    /// A sorted list. Most sources have few targets with small numbers, for which a bitmap takes
    /// four times the memory.
    Listed(Vec<u16>),
    /// All other sets.
    Bitmap(Box<RoaringBitmap>),
}

impl Default for AdjacencySet {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl ScratchBitmap {
    /// Returns true if this many numbers up to `largest` are so dense that scanning every bit is
    /// faster than sorting them.
    pub(crate) fn is_dense(count: usize, largest: u32) -> bool {
        largest as usize / 256 < count
    }

    /// Makes room for the numbers up to this one.
    fn reach(&mut self, largest: u32) {
        let words = largest as usize / 64 + 1;
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
    }

    /// Adds a number for which there is room. Returns true if it is new.
    #[inline]
    fn insert(&mut self, number: u32) -> bool {
        let word = &mut self.words[number as usize / 64];
        let before = *word;
        *word |= 1 << (number % 64);
        before != *word
    }

    /// Removes all numbers in ascending order. None is larger than `largest`.
    #[inline]
    fn drain(&mut self, largest: u32, mut take: impl FnMut(u32)) {
        let words = &mut self.words[..=largest as usize / 64];
        for (start, word) in (0..).step_by(64).zip(words) {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                take(start + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
}

impl AdjacencySet {
    /// Builds the set of these numbers, which may repeat; `None` if inserting them one by one is
    /// better. Reports for each number whether it occurs for the first time.
    pub(crate) fn from_run(
        numbers: impl Iterator<Item = u32> + Clone,
        bits: &mut ScratchBitmap,
        mut report: impl FnMut(bool),
    ) -> Option<Self> {
        let largest = numbers.clone().max().filter(|&number| u16::try_from(number).is_ok())?;
        let mut count = numbers.clone().count();
        if count > MAX_LISTED || !ScratchBitmap::is_dense(count, largest) {
            return None;
        }
        bits.reach(largest);
        count = 0;
        for number in numbers {
            let is_new = bits.insert(number);
            count += usize::from(is_new);
            report(is_new);
        }
        let mut list = Vec::with_capacity(count);
        bits.drain(largest, |number| list.extend(u16::try_from(number)));
        Some(Self::Listed(list))
    }

    /// The number of targets.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bitmap(bitmap) => usize::try_from(bitmap.len()).expect("numbers are u32"),
            Self::Listed(list) => list.len(),
        }
    }

    /// Returns true if the set is empty.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Listed(list) if list.is_empty())
    }

    /// Adds a number. Returns true if it is new.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        match self {
            Self::Bitmap(bitmap) => bitmap.insert(number),
            Self::Listed(list) => {
                if let Ok(number) = u16::try_from(number)
                    && list.len() < MAX_LISTED
                {
                    return insert_sorted(list, number);
                }
                let listed = list.iter().map(|&number| u32::from(number));
                let mut bitmap: RoaringBitmap = listed.collect();
                let is_new = bitmap.insert(number);
                *self = Self::Bitmap(Box::new(bitmap));
                is_new
            }
        }
    }

    /// Returns true if the set has this number.
    pub(crate) fn contains(&self, number: u32) -> bool {
        match self {
            Self::Bitmap(bitmap) => bitmap.contains(number),
            Self::Listed(list) => {
                u16::try_from(number).is_ok_and(|small| list.binary_search(&small).is_ok())
            }
        }
    }

    /// Appends the `rank` of each number, in ascending order. Every rank is distinct.
    pub(crate) fn append_ranks(
        &self,
        rank: &[u32],
        bits: &mut ScratchBitmap,
        ranks: &mut Vec<u32>,
    ) {
        let start = ranks.len();
        match self {
            Self::Bitmap(bitmap) => ranks.extend(bitmap.iter().map(|number| rank[number as usize])),
            Self::Listed(list) => {
                ranks.extend(list.iter().map(|&number| rank[usize::from(number)]));
            }
        }
        let new = &mut ranks[start..];
        let largest = new.iter().max().copied().unwrap_or(0);
        if !ScratchBitmap::is_dense(new.len(), largest) {
            return new.sort_unstable();
        }
        bits.reach(largest);
        for &number in &*new {
            bits.insert(number);
        }
        let mut place = 0;
        bits.drain(largest, |number| {
            new[place] = number;
            place += 1;
        });
    }
}

fn insert_sorted(list: &mut Vec<u16>, number: u16) -> bool {
    // Where rows come in the order of their targets' numbers, the position is the end.
    let place = if list.last().is_none_or(|&last| last < number) {
        list.len()
    } else {
        let Err(place) = list.binary_search(&number) else { return false };
        place
    };
    if list.len() == list.capacity() {
        // Doubling the capacity would leave a third of the memory of all lists unused.
        list.reserve_exact(8 + list.len() / 4);
    }
    list.insert(place, number);
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_set_holds_exactly_the_inserted_numbers(
            numbers in prop_oneof![
                proptest::collection::vec(0..200_u32, 0..300),
                proptest::collection::vec(0..20_000_u32, 0..9000),
                proptest::collection::vec(65_000..66_000_u32, 0..600),
            ],
        ) {
            let mut targets = AdjacencySet::default();
            let mut expected_set = BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(targets.insert(number), expected_set.insert(number));
            }
            for number in 0..66_000 {
                prop_assert_eq!(targets.contains(number), expected_set.contains(&number));
            }
            for spread in [1, 2, 900] {
                let rank: Vec<u32> = (0..66_000).map(|number| spread * (66_000 - number)).collect();
                let mut ranks = vec![7];
                targets.append_ranks(&rank, &mut ScratchBitmap::default(), &mut ranks);
                let places = expected_set.iter().rev().map(|&number| rank[number as usize]);
                let expected: Vec<u32> = std::iter::once(7).chain(places).collect();
                prop_assert_eq!(ranks, expected);
            }
        }

        #[test]
        fn a_set_built_at_once_equals_one_built_by_insertion(
            runs in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![0..300_u32, 65_500..65_550_u32], 0..400),
                1..4,
            ),
        ) {
            let mut bits = ScratchBitmap::default();
            for numbers in runs {
                let (mut expected_set, mut new) = (BTreeSet::new(), Vec::new());
                let report = |is_new| new.push(is_new);
                let numbers_of_run = numbers.iter().copied();
                let Some(targets) = AdjacencySet::from_run(numbers_of_run, &mut bits, report) else {
                    prop_assert!(new.is_empty());
                    continue;
                };
                let inserted = numbers.iter().map(|&number| expected_set.insert(number));
                let expected: Vec<bool> = inserted.collect();
                prop_assert_eq!(new, expected);
                for number in 0..66_000 {
                    prop_assert_eq!(targets.contains(number), expected_set.contains(&number));
                }
            }
        }
    }

    #[test]
    fn a_set_is_no_larger_than_a_vec() {
        assert_eq!(size_of::<AdjacencySet>(), size_of::<Vec<u16>>());
    }
}
