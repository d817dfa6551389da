//! The keys of one entity type, each stored once and numbered in order of first occurrence.

use std::hash::{BuildHasher as _, BuildHasherDefault};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxHasher;

/// Stands for the number of an unknown key.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// A two-way map between keys and numbers.
#[derive(Default)]
pub(crate) struct Keys {
    /// All keys, one after the other.
    text: String,
    /// The end of each key in `text`.
    ends: Vec<u32>,
    table: HashTable<KeyEntry>,
    hasher: BuildHasherDefault<FxHasher>,
}

/// A key of the hash table. It has the key's location in the text, so that a comparison takes one
/// look into the text and none into `ends`.
#[derive(Debug, Clone, Copy)]
struct KeyEntry {
    hash: u32,
    number: u32,
    start: u32,
    bytes: u32,
}

impl Keys {
    /// The number of keys. Every number is below it.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The total size of the keys in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The key with this number.
    pub(crate) fn key(&self, number: u32) -> &str {
        self.key_at(number as usize)
    }

    /// The key at this position in the order of first occurrence.
    pub(crate) fn key_at(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.text[start as usize..self.ends[place] as usize]
    }

    /// Returns the numbers of all keys, in the order of the keys' bytes.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        // The first bytes usually decide, and fetching the text of each key for every comparison
        // takes far longer.
        let mut order: Vec<(u64, u32)> =
            (0..self.len()).map(|place| (first_bytes(self.key_at(place)), to_u32(place))).collect();
        let key = |entry: &(u64, u32)| self.key(entry.1);
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a).cmp(key(b))));
        order.into_iter().map(|(_, number)| number).collect()
    }

    /// Returns the number of a known key.
    pub(crate) fn number(&self, key: &str) -> Option<u32> {
        let hash = self.hash(key);
        let is_match = |entry: &KeyEntry| entry.hash == hash && entry.has_key(key, &self.text);
        self.table.find(spread(hash), is_match).map(|entry| entry.number)
    }

    /// Finds the number of each of these keys, or [`UNKNOWN`].
    ///
    /// Each stage of the lookup runs for all keys before the next stage begins: if the keys come in
    /// random order, the processor then waits for many cache misses at once instead of one after
    /// the other.
    pub(crate) fn find_all<'a>(&self, keys: impl Iterator<Item = &'a str>, found: &mut Vec<u32>) {
        found.clear();
        // Exports are often grouped, so the same key often repeats in consecutive rows.
        let mut distinct: Vec<(&str, u32)> = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            if distinct.last().is_none_or(|last| !keys_equal(last.0, key)) {
                distinct.push((key, self.hash(key)));
            }
            found.push(to_u32(distinct.len() - 1));
        }
        let find_by_hash = |&(_, hash): &(&str, u32)| {
            self.table.find(spread(hash), |entry| entry.hash == hash).copied()
        };
        let candidates: Vec<Option<KeyEntry>> = distinct.iter().map(find_by_hash).collect();
        let number = |(&(key, _), candidate): (&(&str, u32), &Option<KeyEntry>)| match candidate {
            None => UNKNOWN,
            Some(entry) if entry.has_key(key, &self.text) => entry.number,
            // Another key has the same hash.
            Some(_) => self.number(key).unwrap_or(UNKNOWN),
        };
        let numbers: Vec<u32> = distinct.iter().zip(&candidates).map(number).collect();
        for position in found {
            *position = numbers[*position as usize];
        }
    }

    /// Returns the number of a key, and true if the key is new.
    pub(crate) fn insert(&mut self, key: &str) -> (u32, bool) {
        let hash = self.hash(key);
        let Self { text, ends, table, .. } = self;
        let is_match = |entry: &KeyEntry| entry.hash == hash && entry.has_key(key, text);
        match table.entry(spread(hash), is_match, |entry| spread(entry.hash)) {
            Entry::Occupied(occupied) => (occupied.get().number, false),
            Entry::Vacant(vacant) => {
                let number = to_u32(ends.len());
                let (start, bytes) = (to_u32(text.len()), to_u32(key.len()));
                vacant.insert(KeyEntry { hash, number, start, bytes });
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

impl KeyEntry {
    fn has_key(&self, key: &str, text: &str) -> bool {
        let start = self.start as usize;
        self.bytes as usize == key.len() && keys_equal(&text[start..start + key.len()], key)
    }
}

/// Returns true if two keys are equal. Most have 36 bytes, for which calling the C library's
/// `memcmp` takes longer than comparing them inline.
#[inline]
pub(crate) fn keys_equal(left: &str, right: &str) -> bool {
    if std::ptr::eq(left, right) {
        return true;
    }
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let (Some(left_end), Some(right_end)) = (left.last_chunk::<16>(), right.last_chunk()) else {
        return left == right;
    };
    let is_equal = |(left, right): (&[u8; 16], &[u8; 16])| {
        u128::from_ne_bytes(*left) == u128::from_ne_bytes(*right)
    };
    let mut chunks = left.as_chunks().0.iter().zip(right.as_chunks().0);
    // The last chunk covers the remainder, and usually overlaps the chunk before it.
    left.len() == right.len() && is_equal((left_end, right_end)) && chunks.all(is_equal)
}

/// The first eight bytes of a key as a number that sorts like the bytes.
fn first_bytes(key: &str) -> u64 {
    let key = key.as_bytes();
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    key.iter().rev().fold(0, |bytes, byte| bytes >> 8 | u64::from(*byte) << 56)
}

/// Spreads a hash over 64 bits, since the table uses bits from both ends.
pub(crate) fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).expect("a type with more text is rejected, and a batch is small")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finding_many_keys_at_once_equals_finding_each_alone() {
        let mut keys = Keys::default();
        for number in 0..5_000 {
            assert_eq!(keys.insert(&format!("key-{number}")), (number, true));
        }
        let distinct = ["key-7", "key-7", "", "key-4999", "key-5000", "key-7", "key-0", "key-0"];
        let mut found = vec![3];
        keys.find_all(distinct.into_iter(), &mut found);
        assert_eq!(found, [7, 7, UNKNOWN, 4999, UNKNOWN, 7, 0, 0]);
        let alone = distinct.map(|key| keys.number(key).unwrap_or(UNKNOWN));
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
            let sorted: std::collections::BTreeSet<&str> =
                texts.iter().map(String::as_str).collect();
            prop_assert!(order.iter().map(|number| keys.key(*number)).eq(sorted));
        }

        #[test]
        fn keys_are_equal_if_every_byte_is(
            text in "[ab]{0,70}",
            other in "[ab]{0,40}",
            at in 0..70_usize,
        ) {
            prop_assert!(keys_equal(&text, &text.clone()));
            prop_assert_eq!(keys_equal(&text, &other), text == other);
            let changed = text
                .char_indices()
                .map(|(place, character)| if place == at { 'c' } else { character });
            prop_assert_eq!(keys_equal(&text, &changed.collect::<String>()), at >= text.len());
        }
    }

    #[test]
    fn keys_with_the_same_hash_stay_distinct() {
        let mut keys = Keys::default();
        keys.insert("first");
        let hash = keys.hash("second");
        // As if the first key had the hash of the second.
        let mut entry = *keys.table.iter().next().expect("one key");
        keys.table.clear();
        entry.hash = hash;
        keys.table.insert_unique(spread(hash), entry, |entry| spread(entry.hash));
        let mut found = Vec::new();
        keys.find_all(["second"].into_iter(), &mut found);
        assert_eq!(found, [UNKNOWN]);
        assert_eq!(keys.insert("second"), (1, true));
        keys.find_all(["second"].into_iter(), &mut found);
        assert_eq!(found, [1]);
    }
}
