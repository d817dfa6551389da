//! The keys of one entity type, each held once and numbered in order of first sight.

use std::hash::{BuildHasher as _, BuildHasherDefault};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

/// Keys by number, and numbers by key.
#[derive(Default)]
pub(crate) struct Keys {
    /// All keys, one after the other.
    text: String,
    /// The end of each key in `text`.
    ends: Vec<usize>,
    numbers: HashTable<u32>,
    hasher: BuildHasherDefault<FxHasher>,
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
        key_at(&self.text, &self.ends, place)
    }

    /// The number of a key that was seen.
    pub(crate) fn number(&self, key: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.numbers.find(hash, |&it| self.key(it) == key).copied()
    }

    /// The number of a key, and whether it is new.
    pub(crate) fn insert(&mut self, key: &str) -> (u32, bool) {
        let Keys { text, ends, numbers, hasher } = self;
        let hash = hasher.hash_one(key);
        let entry = numbers.entry(
            hash,
            |&it| key_at(text, ends, it as usize) == key,
            |&it| hasher.hash_one(key_at(text, ends, it as usize)),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => (*entry.get(), false),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let number = u32::try_from(ends.len()).expect("fewer than 2^32 entities of a type");
                entry.insert(number);
                text.push_str(key);
                ends.push(text.len());
                (number, true)
            }
        }
    }
}

fn key_at<'a>(text: &'a str, ends: &[usize], place: usize) -> &'a str {
    let start = if place == 0 { 0 } else { ends[place - 1] };
    &text[start..ends[place]]
}
