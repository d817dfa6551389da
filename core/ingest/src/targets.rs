//! The targets of one source: a set of numbers, in two bytes each where that is possible.

use roaring::RoaringBitmap;

/// What a list may hold; beyond it a bitmap is smaller, and quicker to insert into.
const MAX_LISTED: usize = 4096;

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
    fn default() -> Targets {
        Targets::Listed(Vec::new())
    }
}

impl Targets {
    /// Adds a number. Returns whether it is new.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        match self {
            Targets::Bitmap(bitmap) => bitmap.insert(number),
            Targets::Listed(list) => {
                if let Ok(number) = u16::try_from(number)
                    && list.len() < MAX_LISTED
                {
                    return insert_sorted(list, number);
                }
                let listed = list.iter().map(|&it| u32::from(it));
                let mut bitmap: RoaringBitmap = listed.collect();
                let is_new = bitmap.insert(number);
                *self = Targets::Bitmap(Box::new(bitmap));
                is_new
            }
        }
    }

    /// Whether the number is here.
    pub(crate) fn contains(&self, number: u32) -> bool {
        match self {
            Targets::Bitmap(bitmap) => bitmap.contains(number),
            Targets::Listed(list) => {
                u16::try_from(number).is_ok_and(|it| list.binary_search(&it).is_ok())
            }
        }
    }

    /// Appends what `rank` has for each number, in the order of the numbers.
    pub(crate) fn append_ranks(&self, rank: &[u32], ranks: &mut Vec<u32>) {
        match self {
            Targets::Bitmap(bitmap) => ranks.extend(bitmap.iter().map(|it| rank[it as usize])),
            Targets::Listed(list) => ranks.extend(list.iter().map(|&it| rank[usize::from(it)])),
        }
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
            let rank: Vec<u32> = (0..66_000).map(|it| 2 * it + 1).collect();
            let mut ranks = vec![7];
            targets.append_ranks(&rank, &mut ranks);
            let expected: Vec<u32> =
                std::iter::once(7).chain(plain.iter().map(|it| 2 * it + 1)).collect();
            prop_assert_eq!(ranks, expected);
        }
    }

    #[test]
    fn a_source_takes_no_more_than_a_list() {
        assert_eq!(size_of::<Targets>(), size_of::<Vec<u16>>());
    }
}
