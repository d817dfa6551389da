//! Spans of time, and lists of them that are sorted and apart from each other.

use serde::{Deserialize, Serialize};

/// From one point in time to another, in milliseconds since 1970-01-01 UTC; the end is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The first millisecond.
    pub from_ms: i64,
    /// The first millisecond after it.
    pub to_ms: i64,
}

impl Span {
    /// Returns the length in milliseconds.
    pub fn length_ms(&self) -> i64 {
        self.to_ms.saturating_sub(self.from_ms)
    }
}

/// Adds a span to spans that are sorted and apart from each other.
pub(crate) fn add(spans: &mut Vec<Span>, new: Span) {
    if new.from_ms >= new.to_ms {
        return;
    }
    let mut new = new;
    spans.retain(|span| {
        let touches = span.from_ms <= new.to_ms && new.from_ms <= span.to_ms;
        if touches {
            new.from_ms = new.from_ms.min(span.from_ms);
            new.to_ms = new.to_ms.max(span.to_ms);
        }
        !touches
    });
    let place = spans.partition_point(|span| span.from_ms < new.from_ms);
    spans.insert(place, new);
}

/// Takes a span out of spans that are sorted and apart from each other.
pub(crate) fn subtract(spans: &mut Vec<Span>, out: Span) {
    let rests = |span: &Span| {
        let before = Span { from_ms: span.from_ms, to_ms: span.to_ms.min(out.from_ms) };
        let after = Span { from_ms: span.from_ms.max(out.to_ms), to_ms: span.to_ms };
        let is_there = |rest: &Span| rest.from_ms < rest.to_ms;
        if out.from_ms >= out.to_ms {
            [Some(*span), None]
        } else {
            [Some(before).filter(is_there), Some(after).filter(is_there)]
        }
    };
    *spans = spans.iter().flat_map(rests).flatten().collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_merged_and_cut() {
        let span = |from_ms, to_ms| Span { from_ms, to_ms };
        let mut spans = Vec::new();
        for (from, to) in [(10, 20), (30, 40), (20, 25), (5, 5), (0, 1)] {
            add(&mut spans, span(from, to));
        }
        assert_eq!(spans, [span(0, 1), span(10, 25), span(30, 40)]);
        subtract(&mut spans, span(12, 35));
        assert_eq!(spans, [span(0, 1), span(10, 12), span(35, 40)]);
        subtract(&mut spans, span(50, 45));
        assert_eq!(spans.len(), 3);
    }
}
