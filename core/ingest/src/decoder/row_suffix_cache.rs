//! A cache of row suffixes, a suffix being everything after the first cell. In an export of
//! packages each row names a device and then one of a few thousand packages, so most suffixes
//! recur; the cell ends of a cached suffix need not be searched again.
//!
//! The cache holds the bytes of the file, belongs to the decoder alone and lives until the file
//! ends: only the number of a suffix leaves the decoder.

use std::hash::{BuildHasher as _, BuildHasherDefault};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::rows::position;
use crate::keys::spread;

/// The most suffixes in the cache, and the most bytes of all of them together.
const MAX_SUFFIXES: u32 = 1 << 15;
const MAX_BYTES: usize = 4 << 20;

/// Rows before the first hit-rate check.
const ROWS_BEFORE_FIRST_CHECK: usize = 4096;

/// Rows between hit-rate checks, and the number of rows of which at least one must hit.
const ROWS_PER_CHECK: usize = MAX_SUFFIXES as usize;
const ROWS_PER_HIT: usize = 4;

/// The number of leading bytes that are hashed. Shorter suffixes are not cached: searching their
/// cells takes no longer.
const HASHED_BYTES: usize = 32;

/// The suffix cache of one file.
#[derive(Default)]
pub(super) struct RowSuffixCache {
    entries: HashTable<Entry>,
    hasher: BuildHasherDefault<FxHasher>,
    count: u32,
    /// All suffixes, one after the other.
    bytes: Vec<u8>,
    /// The cell ends of each suffix and then its quotes, counted from the separator before it.
    marks: Vec<u32>,
    /// Lookups since the last hit-rate check.
    misses: usize,
    hits: usize,
    /// True once suffixes proved to be mostly new, so that caching costs more than it saves.
    is_disabled: bool,
}

/// A suffix by the hash of its first bytes, with its location. All in one struct: most lookups miss
/// the nearest processor cache, and a second indirection would miss it again.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    number: u32,
    /// The start and end of its bytes.
    bytes: (u32, u32),
    /// Offsets in `marks`: the start of its cell ends, the end of those and start of its quotes,
    /// and the end of these.
    marks: (u32, u32, u32),
}

/// A suffix found in the cache.
pub(super) struct CachedSuffix<'a> {
    pub(super) number: u32,
    /// Its length in bytes, line end included.
    pub(super) bytes: usize,
    /// The ends of its cells, counted from the separator before it.
    pub(super) ends: &'a [u32],
    /// The offsets of its quotes, counted likewise.
    pub(super) quotes: &'a [u32],
}

impl RowSuffixCache {
    /// Returns true if suffixes are worth looking up and caching.
    pub(super) fn is_enabled(&self) -> bool {
        !self.is_disabled
    }

    /// Finds the suffix with which this input begins.
    #[inline]
    pub(super) fn find(&mut self, input: &[u8]) -> Option<CachedSuffix<'_>> {
        let hash = self.hash(input.first_chunk()?);
        let &Entry { number, bytes, marks, .. } = self.entry_by_hash(hash)?;
        if !input.starts_with(&self.bytes[bytes.0 as usize..bytes.1 as usize]) {
            return None;
        }
        self.hits += 1;
        let [start, middle, end] = [marks.0, marks.1, marks.2].map(|offset| offset as usize);
        Some(CachedSuffix {
            number,
            bytes: (bytes.1 - bytes.0) as usize,
            ends: &self.marks[start..middle],
            quotes: &self.marks[middle..end],
        })
    }

    /// Caches a suffix that was not found, and returns its number, if there is room and no other
    /// suffix has the same first bytes: a chain of those would have to be compared one by one. Its
    /// ends and quotes are counted from the separator before it.
    pub(super) fn insert(
        &mut self,
        suffix: &[u8],
        ends: impl Iterator<Item = u32>,
        quotes: impl Iterator<Item = u32>,
    ) -> Option<u32> {
        self.count_miss();
        let has_room = self.count < MAX_SUFFIXES && self.bytes.len() + suffix.len() < MAX_BYTES;
        let first = suffix.first_chunk().filter(|_| has_room && !self.is_disabled)?;
        let (hash, number) = (self.hash(first), self.count);
        if self.entry_by_hash(hash).is_some() {
            return None;
        }
        self.count += 1;
        let start = position(self.bytes.len());
        self.bytes.extend_from_slice(suffix);
        let bytes = (start, position(self.bytes.len()));
        let start = position(self.marks.len());
        self.marks.extend(ends);
        let middle = position(self.marks.len());
        self.marks.extend(quotes);
        let marks = (start, middle, position(self.marks.len()));
        let entry = Entry { hash, number, bytes, marks };
        self.entries.insert_unique(spread(hash), entry, |entry| spread(entry.hash));
        Some(number)
    }

    /// Counts a row whose suffix was not cached, and disables the cache if the hit rate is too low.
    pub(super) fn count_miss(&mut self) {
        self.misses += 1;
        let lookups = self.misses + self.hits;
        let is_rate_low = lookups >= ROWS_PER_CHECK && self.hits < lookups / ROWS_PER_HIT;
        if is_rate_low || (lookups >= ROWS_BEFORE_FIRST_CHECK && self.hits == 0) {
            *self = Self { is_disabled: true, ..Self::default() };
        }
        if lookups >= ROWS_PER_CHECK {
            (self.misses, self.hits) = (0, 0);
        }
    }

    fn entry_by_hash(&self, hash: u32) -> Option<&Entry> {
        self.entries.find(spread(hash), |entry| entry.hash == hash)
    }

    fn hash(&self, first: &[u8; HASHED_BYTES]) -> u32 {
        (self.hasher.hash_one(first) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffix_of_kind(kind: usize) -> String {
        format!("{kind:06}-and-what-comes-after-the-first-bytes,{}\n", kind % 7)
    }

    /// The cache after rows with these suffixes.
    fn after(kinds: impl Iterator<Item = usize>) -> RowSuffixCache {
        let mut cache = RowSuffixCache::default();
        for kind in kinds {
            let suffix = suffix_of_kind(kind);
            if cache.find(suffix.as_bytes()).is_none() {
                cache.insert(suffix.as_bytes(), [45, 47].into_iter(), [].into_iter());
            }
        }
        cache
    }

    #[test]
    fn the_cache_stays_enabled_only_while_suffixes_recur() {
        let repeating = [
            ("too early to tell", after(0..3000)),
            ("each recurs", after((0..80_000).map(|row| row % 3000))),
            ("every second row", after((0..80_000).map(|row| if row % 2 == 0 { 0 } else { row }))),
        ];
        for (what, cache) in repeating {
            assert!(cache.is_enabled(), "{what}");
        }
        let varied = [
            ("all differ", after(0..5000)),
            ("every tenth row", after((0..80_000).map(|row| if row % 10 == 0 { 0 } else { row }))),
        ];
        for (what, cache) in varied {
            assert!(!cache.is_enabled() && cache.bytes.is_empty(), "{what}");
        }
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut cache = after((0..200_000).map(|row| if row % 2 == 0 { 0 } else { row }));
        assert_eq!(cache.count, MAX_SUFFIXES);
        let long = "x".repeat(MAX_BYTES);
        assert_eq!(cache.insert(long.as_bytes(), [].into_iter(), [].into_iter()), None);
        let found = cache.find(format!("{}the next row", suffix_of_kind(0)).as_bytes());
        assert_eq!(found.map(|suffix| suffix.bytes), Some(suffix_of_kind(0).len()));
        assert!(cache.find(b"shorter than what is hashed").is_none());
    }

    #[test]
    fn one_of_several_suffixes_with_the_same_first_bytes_is_cached() {
        let mut cache = RowSuffixCache::default();
        let suffix = |end: usize| format!("{}{end}\n", "the same ".repeat(10)).into_bytes();
        assert_eq!(cache.insert(&suffix(1), [].into_iter(), [].into_iter()), Some(0));
        assert_eq!(cache.insert(&suffix(2), [].into_iter(), [].into_iter()), None);
        assert!(cache.find(&suffix(1)).is_some());
        assert!(cache.find(&suffix(2)).is_none());
    }
}
