//! The identity of events: their content, and their position among identical ones. An answer that overlaps an earlier
//! one repeats its events, while an action that happened twice within a second is in each of them twice.

use std::fmt;
use std::mem;

use rustc_hash::FxHashMap;

use crate::header::header;
use crate::lines::Record;

/// The number of different records that are remembered to count repetitions by. Identical records bear the
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
    /// The Engine that was asked by its name.
    engine: Option<String>,
    /// The start of the fixed window of the answer, which is part of the identities.
    fixed_from_ms: Option<i64>,
    /// The count of each record by its content: the latest ones, and those before them.
    recent: FxHashMap<u128, u32>,
    older: FxHashMap<u128, u32>,
    remembered: usize,
    has_forgotten: bool,
}

impl Identifier {
    /// For an answer with the events of one kind of trail.
    pub fn new(kind: TrailKind) -> Self {
        Self {
            kind,
            engine: None,
            fixed_from_ms: None,
            recent: FxHashMap::default(),
            older: FxHashMap::default(),
            remembered: REMEMBERED,
            has_forgotten: false,
        }
    }

    /// For an answer of one Engine. Two Engines may write the same line in the same second. Where a line
    /// names its Engine it is one event however it was asked for, by that name or with all Engines;
    /// where it does not, the Engine that was asked is part of its identity.
    pub fn from_engine(name: &str) -> Self {
        Self { engine: Some(name.to_ascii_lowercase()), ..Self::new(TrailKind::Engine) }
    }

    /// Makes the fixed window that begins at this time a part of the identities. A line without a time is the same at
    /// ten and at eleven, so only its position in a period that never changes tells one from the other.
    pub(crate) fn in_fixed_window(self, from_ms: i64) -> Self {
        Self { fixed_from_ms: Some(from_ms), ..self }
    }

    /// Returns true if records were forgotten, so that a repetition of one may have counted as its first.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.has_forgotten
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
        if let Some(engine) = self.engine.as_deref().filter(|name| !names(record, name)) {
            hasher.update(engine.as_bytes());
        }
        if let Some(from_ms) = self.fixed_from_ms {
            hasher.update(b"\0from").update(&from_ms.to_le_bytes());
        }
        let position = self.count(first_half(&hasher));
        hasher.update(&position.to_le_bytes());
        EventId(first_half(&hasher))
    }

    fn count(&mut self, content: u128) -> u32 {
        let before = self.recent.get(&content).or_else(|| self.older.get(&content));
        let position = before.map_or(0, |seen| seen + 1);
        if self.recent.len() >= self.remembered {
            let forgotten = mem::replace(&mut self.older, mem::take(&mut self.recent));
            self.has_forgotten |= !forgotten.is_empty();
        }
        self.recent.insert(content, position);
        position
    }
}

/// Returns whether a record says that it is of an Engine, by the name of its host with or without a domain.
fn names(record: &Record<'_>, engine: &str) -> bool {
    let Some(header) = header(record.bytes) else { return false };
    let source = &record.bytes[header.source];
    let label = engine.split('.').next().unwrap_or(engine);
    source.eq_ignore_ascii_case(engine.as_bytes()) || source.eq_ignore_ascii_case(label.as_bytes())
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
    fn the_same_line_of_two_engines_is_two_events_unless_it_names_its_engine() {
        let id = |mut identifier: Identifier, line: &str| {
            identifier.next(&Record { bytes: line.as_bytes(), length: line.len() as u64 })
        };
        let (first, second) = ("engine-01.corp.example", "engine-02.corp.example");
        let line = "2026-03-01 10:00:00 [Engine|General|10001|nxengine] Engine is up";
        assert_ne!(
            id(Identifier::from_engine(first), line),
            id(Identifier::from_engine(second), line)
        );
        for source in ["Engine-01", "engine-01.corp.example"] {
            let line = line.replace("[Engine|", &format!("[{source}|"));
            let all = id(Identifier::new(TrailKind::Engine), &line);
            assert_eq!(id(Identifier::from_engine(first), &line), all, "{source}");
        }
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
