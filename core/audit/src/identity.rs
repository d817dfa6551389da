//! Which events are the same: those of one content and one position among identical ones. An answer
//! that overlaps an earlier one repeats its events, while what happened twice within a second stands
//! twice in either.

use std::fmt;
use std::mem;

use rustc_hash::FxHashMap;

use crate::lines::Record;

/// How many different records are remembered to count repetitions by. Identical records bear the
/// same time, so they are near each other, also where the logs of several Engines follow one another.
const REMEMBERED: usize = 1 << 17;

/// Which trail an event is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailKind {
    /// That of the web interface.
    Portal,
    /// That of an Engine, whichever way its log was asked for.
    Engine,
    /// The table `platform.audit_logs`.
    Table,
}

/// The identity of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u128);

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// Tells the identity of each record of one answer, from its first on.
#[derive(Debug)]
pub struct Identifier {
    kind: TrailKind,
    /// How often each record was seen, by its content: the latest ones, and those before them.
    recent: FxHashMap<u128, u32>,
    older: FxHashMap<u128, u32>,
    remembered: usize,
}

impl Identifier {
    /// For an answer with the events of one kind of trail.
    pub fn new(kind: TrailKind) -> Self {
        Self {
            kind,
            recent: FxHashMap::default(),
            older: FxHashMap::default(),
            remembered: REMEMBERED,
        }
    }

    /// The identity of the next record.
    pub fn next(&mut self, record: &Record<'_>) -> EventId {
        let kind = match self.kind {
            TrailKind::Portal => b'p',
            TrailKind::Engine => b'e',
            TrailKind::Table => b't',
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]).update(&record.length.to_le_bytes()).update(record.bytes);
        let position = self.count(first_half(&hasher));
        hasher.update(&position.to_le_bytes());
        EventId(first_half(&hasher))
    }

    fn count(&mut self, content: u128) -> u32 {
        let before = self.recent.get(&content).or_else(|| self.older.get(&content));
        let position = before.map_or(0, |seen| seen + 1);
        if self.recent.len() >= self.remembered {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(content, position);
        position
    }
}

fn first_half(hasher: &blake3::Hasher) -> u128 {
    let hash = hasher.finalize();
    let half = hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes");
    u128::from_be_bytes(half)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ids(kind: TrailKind, lines: &[&str]) -> Vec<EventId> {
        let mut identifier = Identifier::new(kind);
        let mut next = |line: &&str| {
            identifier.next(&Record { bytes: line.as_bytes(), length: line.len() as u64 })
        };
        lines.iter().map(&mut next).collect()
    }

    #[test]
    fn l9_what_happened_twice_counts_twice_and_an_overlap_adds_nothing() {
        let first = ids(TrailKind::Portal, &["a", "b", "b", "c"]);
        let second = ids(TrailKind::Portal, &["b", "b", "c", "b"]);
        let all: BTreeSet<_> = first.iter().chain(&second).collect();
        // a, b, b, b and c.
        assert_eq!(all.len(), 5);
        assert_eq!(first[1..], second[..3]);
    }

    #[test]
    fn the_same_text_in_another_trail_is_another_event() {
        assert_ne!(ids(TrailKind::Portal, &["a"]), ids(TrailKind::Engine, &["a"]));
    }

    #[test]
    fn memory_is_bounded_and_near_repetitions_are_still_told_apart() {
        let mut identifier = Identifier::new(TrailKind::Portal);
        identifier.remembered = 100;
        let mut seen = BTreeSet::new();
        for i in 0..10_000_u32 {
            let line = (i / 2).to_le_bytes();
            seen.insert(identifier.next(&Record { bytes: &line, length: 4 }));
            assert!(identifier.recent.len() + identifier.older.len() <= 200);
        }
        assert_eq!(seen.len(), 10_000);
    }
}
