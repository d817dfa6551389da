//! The keys of one entity type, each held once and numbered in order of first sight.

use std::hash::{BuildHasher as _, BuildHasherDefault};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxHasher;

/// Stands for the number of a key that was not seen.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// Keys by number, and numbers by key.
#[derive(Default)]
pub(crate) struct Keys {
    /// All keys, one after the other.
    text: String,
    /// The end of each key in `text`.
    ends: Vec<u32>,
    known: HashTable<Known>,
    hasher: BuildHasherDefault<FxHasher>,
}

/// A key that was seen. It says where the key stands, so that comparing takes one look into the text.
#[derive(Debug, Clone, Copy)]
struct Known {
    hash: u32,
    number: u32,
    start: u32,
    bytes: u32,
}

impl Keys {
    /// How many keys there are. Numbers are below it.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes the keys have together.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The key of a number.
    pub(crate) fn key(&self, number: u32) -> &str {
        self.key_at(number as usize)
    }

    /// The key at a place in the order of first sight.
    pub(crate) fn key_at(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.text[start as usize..self.ends[place] as usize]
    }

    /// The numbers of all keys, in the order of their bytes.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        // The first bytes mostly tell already, and to look for each key's text takes far longer.
        let mut order: Vec<(u64, u32)> =
            (0..self.len()).map(|place| (first_bytes(self.key_at(place)), to_u32(place))).collect();
        let text = |it: &(u64, u32)| self.key(it.1);
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| text(a).cmp(text(b))));
        order.into_iter().map(|(_, number)| number).collect()
    }

    /// The number of a key that was seen.
    pub(crate) fn number(&self, key: &str) -> Option<u32> {
        let hash = self.hash(key);
        let is_it = |it: &Known| it.hash == hash && it.is(key, &self.text);
        self.known.find(spread(hash), is_it).map(|it| it.number)
    }

    /// The number of each of these keys, or [`UNKNOWN`].
    ///
    /// Each look into memory is made for all keys before the next one is made for any: where the keys
    /// come in no order, the processor waits for many of them at once and not for one after the other.
    pub(crate) fn find_all<'a>(&self, keys: impl Iterator<Item = &'a str>, found: &mut Vec<u32>) {
        found.clear();
        // Exports are often grouped, so the same key comes many times in a row.
        let mut asked: Vec<(&str, u32)> = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            if asked.last().is_none_or(|last| !are_same(last.0, key)) {
                asked.push((key, self.hash(key)));
            }
            found.push(to_u32(asked.len() - 1));
        }
        let like =
            |&(_, hash): &(&str, u32)| self.known.find(spread(hash), |it| it.hash == hash).copied();
        let alike: Vec<Option<Known>> = asked.iter().map(like).collect();
        let number = |(&(key, _), alike): (&(&str, u32), &Option<Known>)| match alike {
            None => UNKNOWN,
            Some(it) if it.is(key, &self.text) => it.number,
            // Another key has the same hash.
            Some(_) => self.number(key).unwrap_or(UNKNOWN),
        };
        let numbers: Vec<u32> = asked.iter().zip(&alike).map(number).collect();
        for found in found {
            *found = numbers[*found as usize];
        }
    }

    /// The number of a key, and whether it is new.
    pub(crate) fn insert(&mut self, key: &str) -> (u32, bool) {
        let hash = self.hash(key);
        let Self { text, ends, known, .. } = self;
        let is_it = |it: &Known| it.hash == hash && it.is(key, text);
        match known.entry(spread(hash), is_it, |it| spread(it.hash)) {
            Entry::Occupied(entry) => (entry.get().number, false),
            Entry::Vacant(entry) => {
                let number = to_u32(ends.len());
                let (start, bytes) = (to_u32(text.len()), to_u32(key.len()));
                entry.insert(Known { hash, number, start, bytes });
                text.push_str(key);
                ends.push(to_u32(text.len()));
                (number, true)
            }
        }
    }

    fn hash(&self, key: &str) -> u32 {
        (self.hasher.hash_one(key) >> 32) as u32
    }
}

impl Known {
    fn is(&self, key: &str, text: &str) -> bool {
        let start = self.start as usize;
        self.bytes as usize == key.len() && are_same(&text[start..start + key.len()], key)
    }
}

/// Whether two keys are the same. Most have 36 bytes, and to call the C library for those takes longer
/// than to compare them.
#[inline]
pub(crate) fn are_same(left: &str, right: &str) -> bool {
    if std::ptr::eq(left, right) {
        return true;
    }
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let (Some(left_end), Some(right_end)) = (left.last_chunk::<16>(), right.last_chunk()) else {
        return left == right;
    };
    let are_same = |(left, right): (&[u8; 16], &[u8; 16])| {
        u128::from_ne_bytes(*left) == u128::from_ne_bytes(*right)
    };
    let mut chunks = left.as_chunks().0.iter().zip(right.as_chunks().0);
    // The last chunk has what is left over, and mostly some of the one before again.
    left.len() == right.len() && are_same((left_end, right_end)) && chunks.all(are_same)
}

/// The first eight bytes of a key as a number that is in the order of the bytes.
fn first_bytes(key: &str) -> u64 {
    let key = key.as_bytes();
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    key.iter().rev().fold(0, |bytes, byte| bytes >> 8 | u64::from(*byte) << 56)
}

/// The hash as the table takes it, which looks at bits from both of its ends.
pub(crate) fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).expect("a type with more text is refused, and a batch is small")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_found_together_as_they_are_found_alone() {
        let mut keys = Keys::default();
        for number in 0..5_000 {
            assert_eq!(keys.insert(&format!("key-{number}")), (number, true));
        }
        let asked = ["key-7", "key-7", "", "key-4999", "key-5000", "key-7", "key-0", "key-0"];
        let mut found = vec![3];
        keys.find_all(asked.into_iter(), &mut found);
        assert_eq!(found, [7, 7, UNKNOWN, 4999, UNKNOWN, 7, 0, 0]);
        let alone = asked.map(|it| keys.number(it).unwrap_or(UNKNOWN));
        assert_eq!(found, alone);
    }

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_their_bytes(
            texts in proptest::collection::vec("[\0-\u{2}aé]{0,10}", 0..60),
        ) {
            let mut keys = Keys::default();
            for text in &texts {
                keys.insert(text);
            }
            let order = keys.in_order();
            let sorted: std::collections::BTreeSet<&str> = texts.iter().map(String::as_str).collect();
            prop_assert!(order.iter().map(|it| keys.key(*it)).eq(sorted));
        }

        #[test]
        fn texts_are_the_same_if_every_byte_is(
            text in "[ab]{0,70}",
            other in "[ab]{0,40}",
            at in 0..70_usize,
        ) {
            prop_assert!(are_same(&text, &text.clone()));
            prop_assert_eq!(are_same(&text, &other), text == other);
            let changed = text.char_indices().map(|(place, it)| if place == at { 'c' } else { it });
            prop_assert_eq!(are_same(&text, &changed.collect::<String>()), at >= text.len());
        }
    }

    #[test]
    fn keys_of_the_same_hash_are_told_apart() {
        let mut keys = Keys::default();
        keys.insert("first");
        let hash = keys.hash("second");
        // As if the first had the hash of the second.
        let mut known = *keys.known.iter().next().expect("one is known");
        keys.known.clear();
        known.hash = hash;
        keys.known.insert_unique(spread(hash), known, |it| spread(it.hash));
        let mut found = Vec::new();
        keys.find_all(["second"].into_iter(), &mut found);
        assert_eq!(found, [UNKNOWN]);
        assert_eq!(keys.insert("second"), (1, true));
        keys.find_all(["second"].into_iter(), &mut found);
        assert_eq!(found, [1]);
    }
}
