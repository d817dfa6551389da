//! What rows have after their first cell. Where that is in few forms, as in an export of packages, each row
//! of which names a device and then one of its packages, a row is known by it, and where its cells end
//! need not be found again.
//!
//! It is kept as it stands in the file, in the decoder alone, until the file ends: only its number leaves.

use std::hash::{BuildHasher as _, BuildHasherDefault};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::rows::position;
use crate::keys::spread;

/// The most tails that are kept, and what they may have in bytes together.
const MAX_TAILS: u32 = 1 << 15;
const MAX_BYTES: usize = 4 << 20;

/// After so many rows it is looked at whether any of them had a tail that was known.
const FIRST_ROWS: usize = 4096;

/// After so many rows, again and again, it is looked at whether at least one in so many had.
const WINDOW_ROWS: usize = MAX_TAILS as usize;
const MIN_KNOWN_ONE_IN: usize = 4;

/// So many bytes find a tail. Shorter ones are not kept: their cells are found as quickly.
const HASHED_BYTES: usize = 32;

/// The tails of the rows of a file.
#[derive(Default)]
pub(super) struct Tails {
    known: HashTable<Known>,
    hasher: BuildHasherDefault<FxHasher>,
    count: u32,
    /// All tails, one after the other.
    bytes: Vec<u8>,
    /// Where the cells of each tail end, and then its quotes, counted from the separator before it.
    marks: Vec<u32>,
    /// What was seen since it was last looked at.
    rows: usize,
    rows_known: usize,
    /// Whether tails are mostly new, so that keeping them costs more than it saves.
    is_vain: bool,
}

/// A tail by the hash of its first bytes, and where it is: all in one place, since most looks at it come
/// from a cache that is not the nearest.
#[derive(Clone, Copy)]
struct Known {
    hash: u32,
    number: u32,
    /// Where its bytes begin and end.
    bytes: (u32, u32),
    /// In the marks, where those of its cells begin, where they end and those of its quotes begin, and
    /// where these end.
    marks: (u32, u32, u32),
}

/// A tail that is known.
pub(super) struct Tail<'a> {
    pub(super) number: u32,
    /// How many bytes it has, the line end included.
    pub(super) bytes: usize,
    /// Where its cells end, counted from the separator before it.
    pub(super) ends: &'a [u32],
    /// Where its quotes are, counted likewise.
    pub(super) quotes: &'a [u32],
}

impl Tails {
    /// Whether to look for tails, and to keep them.
    pub(super) fn are_useful(&self) -> bool {
        !self.is_vain
    }

    /// The tail with which this input begins.
    #[inline]
    pub(super) fn find(&mut self, input: &[u8]) -> Option<Tail<'_>> {
        let hash = self.hash(input.first_chunk()?);
        let &Known { number, bytes, marks, .. } = self.known_by(hash)?;
        if !input.starts_with(&self.bytes[bytes.0 as usize..bytes.1 as usize]) {
            return None;
        }
        self.rows_known += 1;
        let [start, between, end] = [marks.0, marks.1, marks.2].map(|it| it as usize);
        Some(Tail {
            number,
            bytes: (bytes.1 - bytes.0) as usize,
            ends: &self.marks[start..between],
            quotes: &self.marks[between..end],
        })
    }

    /// Keeps a tail that was not found, and returns its number, if there is room and no other one with the
    /// same first bytes: of many of those, all would have to be looked at. Its ends and quotes are counted
    /// from the separator before it.
    pub(super) fn keep(
        &mut self,
        tail: &[u8],
        ends: impl Iterator<Item = u32>,
        quotes: impl Iterator<Item = u32>,
    ) -> Option<u32> {
        self.look_back();
        let has_room = self.count < MAX_TAILS && self.bytes.len() + tail.len() < MAX_BYTES;
        let first = tail.first_chunk().filter(|_| has_room && !self.is_vain)?;
        let (hash, number) = (self.hash(first), self.count);
        if self.known_by(hash).is_some() {
            return None;
        }
        self.count += 1;
        let start = position(self.bytes.len());
        self.bytes.extend_from_slice(tail);
        let bytes = (start, position(self.bytes.len()));
        let start = position(self.marks.len());
        self.marks.extend(ends);
        let between = position(self.marks.len());
        self.marks.extend(quotes);
        let marks = (start, between, position(self.marks.len()));
        let known = Known { hash, number, bytes, marks };
        self.known.insert_unique(spread(hash), known, |it| spread(it.hash));
        Some(number)
    }

    /// Counts a row whose tail was not known, and finds out from time to time whether it is any use.
    pub(super) fn look_back(&mut self) {
        self.rows += 1;
        let seen = self.rows + self.rows_known;
        let are_few = seen >= WINDOW_ROWS && self.rows_known < seen / MIN_KNOWN_ONE_IN;
        if are_few || (seen >= FIRST_ROWS && self.rows_known == 0) {
            *self = Self { is_vain: true, ..Self::default() };
        }
        if seen >= WINDOW_ROWS {
            (self.rows, self.rows_known) = (0, 0);
        }
    }

    fn known_by(&self, hash: u32) -> Option<&Known> {
        self.known.find(spread(hash), |it| it.hash == hash)
    }

    fn hash(&self, first: &[u8; HASHED_BYTES]) -> u32 {
        (self.hasher.hash_one(first) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(kind: usize) -> String {
        format!("{kind:06}-and-what-comes-after-the-first-bytes,{}\n", kind % 7)
    }

    /// What is known after rows with these tails.
    fn after(kinds: impl Iterator<Item = usize>) -> Tails {
        let mut tails = Tails::default();
        for kind in kinds {
            let tail = tail_of(kind);
            if tails.find(tail.as_bytes()).is_none() {
                tails.keep(tail.as_bytes(), [45, 47].into_iter(), [].into_iter());
            }
        }
        tails
    }

    #[test]
    fn tails_are_looked_for_only_where_they_come_again() {
        let useful = [
            ("it is too early to tell", after(0..3000)),
            ("each comes again", after((0..80_000).map(|it| it % 3000))),
            ("every second row", after((0..80_000).map(|it| if it % 2 == 0 { 0 } else { it }))),
        ];
        for (what, tails) in useful {
            assert!(tails.are_useful(), "{what}");
        }
        let vain = [
            ("all differ", after(0..5000)),
            ("every tenth row", after((0..80_000).map(|it| if it % 10 == 0 { 0 } else { it }))),
        ];
        for (what, tails) in vain {
            assert!(!tails.are_useful() && tails.bytes.is_empty(), "{what}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut tails = after((0..200_000).map(|it| if it % 2 == 0 { 0 } else { it }));
        assert_eq!(tails.count, MAX_TAILS);
        let long = "x".repeat(MAX_BYTES);
        assert_eq!(tails.keep(long.as_bytes(), [].into_iter(), [].into_iter()), None);
        let known = tails.find(format!("{}the next row", tail_of(0)).as_bytes());
        assert_eq!(known.map(|it| it.bytes), Some(tail_of(0).len()));
        assert!(tails.find(b"shorter than what is hashed").is_none());
    }

    #[test]
    fn of_tails_that_begin_alike_one_is_known() {
        let mut tails = Tails::default();
        let tail = |end: usize| format!("{}{end}\n", "the same ".repeat(10)).into_bytes();
        assert_eq!(tails.keep(&tail(1), [].into_iter(), [].into_iter()), Some(0));
        assert_eq!(tails.keep(&tail(2), [].into_iter(), [].into_iter()), None);
        assert!(tails.find(&tail(1)).is_some());
        assert!(tails.find(&tail(2)).is_none());
    }
}
