//! The targets of one source: a set of numbers, in two bytes each where that is possible.

use roaring::RoaringBitmap;

/// What a list may hold; beyond it a bitmap is smaller, and quicker to insert into.
const MAX_LISTED: usize = 4096;

/// A set of numbers that are near each other, a bit for each number up to the largest. Empty again after
/// each use, with the room that it has got.
#[derive(Debug, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

/// A set of entity numbers.
#[derive(Debug)]
pub(crate) enum Targets {
    /// In their order. Most sources have few targets with small numbers, and a bitmap of those takes four
    /// times the memory.
    Listed(Vec<u16>),
    /// Anything else.
    Bitmap(Box<RoaringBitmap>),
}

impl Default for Targets {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Bits {
    /// Whether so many numbers up to this one are near enough that looking at every bit is quicker than
    /// to sort them.
    pub(crate) fn suit(count: usize, largest: u32) -> bool {
        largest as usize / 256 < count
    }

    /// Makes room for the numbers up to this one.
    fn reach(&mut self, largest: u32) {
        let words = largest as usize / 64 + 1;
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
    }

    /// Adds a number for which there is room. Returns whether it is new.
    #[inline]
    fn insert(&mut self, number: u32) -> bool {
        let word = &mut self.words[number as usize / 64];
        let before = *word;
        *word |= 1 << (number % 64);
        before != *word
    }

    /// Takes all numbers out, in their order. None is larger than this one.
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

impl Targets {
    /// The set of these numbers, of which each may be there more than once; `None` if it is better made
    /// one by one. Tells for each number whether it is the first of its kind.
    pub(crate) fn of_run(
        numbers: impl Iterator<Item = u32> + Clone,
        bits: &mut Bits,
        mut tell: impl FnMut(bool),
    ) -> Option<Self> {
        let largest = numbers.clone().max().filter(|&it| u16::try_from(it).is_ok())?;
        let mut count = numbers.clone().count();
        if count > MAX_LISTED || !Bits::suit(count, largest) {
            return None;
        }
        bits.reach(largest);
        count = 0;
        for number in numbers {
            let is_new = bits.insert(number);
            count += usize::from(is_new);
            tell(is_new);
        }
        let mut list = Vec::with_capacity(count);
        bits.drain(largest, |number| list.extend(u16::try_from(number)));
        Some(Self::Listed(list))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bitmap(bitmap) => usize::try_from(bitmap.len()).expect("numbers are u32"),
            Self::Listed(list) => list.len(),
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Listed(list) if list.is_empty())
    }

    /// Adds a number. Returns whether it is new.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        match self {
            Self::Bitmap(bitmap) => bitmap.insert(number),
            Self::Listed(list) => {
                if let Ok(number) = u16::try_from(number)
                    && list.len() < MAX_LISTED
                {
                    return insert_sorted(list, number);
                }
                let listed = list.iter().map(|&it| u32::from(it));
                let mut bitmap: RoaringBitmap = listed.collect();
                let is_new = bitmap.insert(number);
                *self = Self::Bitmap(Box::new(bitmap));
                is_new
            }
        }
    }

    /// Whether the number is here.
    pub(crate) fn contains(&self, number: u32) -> bool {
        match self {
            Self::Bitmap(bitmap) => bitmap.contains(number),
            Self::Listed(list) => {
                u16::try_from(number).is_ok_and(|it| list.binary_search(&it).is_ok())
            }
        }
    }

    /// Appends what `rank` has for each number, in order. `rank` has another value for each.
    pub(crate) fn append_ranks(&self, rank: &[u32], bits: &mut Bits, ranks: &mut Vec<u32>) {
        let start = ranks.len();
        match self {
            Self::Bitmap(bitmap) => ranks.extend(bitmap.iter().map(|it| rank[it as usize])),
            Self::Listed(list) => ranks.extend(list.iter().map(|&it| rank[usize::from(it)])),
        }
        let new = &mut ranks[start..];
        let largest = new.iter().max().copied().unwrap_or(0);
        if !Bits::suit(new.len(), largest) {
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
    // Where rows come in the order of their targets' numbers, the place is the end.
    let place = if list.last().is_none_or(|&last| last < number) {
        list.len()
    } else {
        let Err(place) = list.binary_search(&number) else { return false };
        place
    };
    if list.len() == list.capacity() {
        // Doubling would leave a third of the memory of all lists unused.
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
        fn it_is_the_set_of_the_numbers_that_were_inserted(
            numbers in prop_oneof![
                proptest::collection::vec(0..200_u32, 0..300),
                proptest::collection::vec(0..20_000_u32, 0..9000),
                proptest::collection::vec(65_000..66_000_u32, 0..600),
            ],
        ) {
            let mut targets = Targets::default();
            let mut plain = BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(targets.insert(number), plain.insert(number));
            }
            for number in 0..66_000 {
                prop_assert_eq!(targets.contains(number), plain.contains(&number));
            }
            for spread in [1, 2, 900] {
                let rank: Vec<u32> = (0..66_000).map(|it| spread * (66_000 - it)).collect();
                let mut ranks = vec![7];
                targets.append_ranks(&rank, &mut Bits::default(), &mut ranks);
                let places = plain.iter().rev().map(|&it| rank[it as usize]);
                let expected: Vec<u32> = std::iter::once(7).chain(places).collect();
                prop_assert_eq!(ranks, expected);
            }
        }

        #[test]
        fn a_run_is_the_set_that_its_numbers_make_one_by_one(
            runs in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![0..300_u32, 65_500..65_550_u32], 0..400),
                1..4,
            ),
        ) {
            let mut bits = Bits::default();
            for numbers in runs {
                let (mut plain, mut new) = (BTreeSet::new(), Vec::new());
                let tell = |is_new| new.push(is_new);
                let Some(targets) = Targets::of_run(numbers.iter().copied(), &mut bits, tell) else {
                    prop_assert!(new.is_empty());
                    continue;
                };
                let expected: Vec<bool> = numbers.iter().map(|&it| plain.insert(it)).collect();
                prop_assert_eq!(new, expected);
                for number in 0..66_000 {
                    prop_assert_eq!(targets.contains(number), plain.contains(&number));
                }
            }
        }
    }

    #[test]
    fn a_source_takes_no_more_than_a_list() {
        assert_eq!(size_of::<Targets>(), size_of::<Vec<u16>>());
    }
}
