//! Faults in the form in which a test requests them.

/// `ENOSPC` and `EIO` on every Unix.
pub(super) const NO_SPACE: i32 = 28;
pub(super) const IO_ERROR: i32 = 5;

/// A fault and the operations that it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// The first operation that it hits, counted from 1; [`END`] for the moment after the last one.
    pub(super) first: usize,
    /// True if it hits all later operations too.
    pub(super) lasts: bool,
    /// Decides what a loss of power takes.
    pub(super) seed: u64,
}

/// The position of a fault after the last operation.
pub(super) const END: usize = usize::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Kill,
    KillAfter,
    Torn,
    Power,
    Error(i32),
}

impl Fault {
    /// Parses a fault. Panics if it is none: a test that requests an unknown fault would otherwise pass without
    /// testing anything.
    pub(super) fn of(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| panic!("this is not a fault: {text}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, place) = text.split_once('@')?;
        let kind = match kind {
            "kill" => Kind::Kill,
            "kill-after" => Kind::KillAfter,
            "torn" => Kind::Torn,
            "power" => Kind::Power,
            "enospc" => Kind::Error(NO_SPACE),
            "eio" => Kind::Error(IO_ERROR),
            _ => return None,
        };
        let lasts = place.ends_with('+');
        let (place, seed) =
            place.split_once(':').map_or((place, None), |(place, seed)| (place, Some(seed)));
        let first = match place.trim_end_matches('+') {
            "end" => END,
            number => number.parse().ok()?,
        };
        let seed = seed.map_or(Some(first as u64), |seed| seed.parse().ok())?;
        Some(Self { kind, first, lasts, seed })
    }

    pub(super) fn hits(self, number: usize) -> bool {
        number == self.first || (self.lasts && number > self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_a_kind_a_position_and_a_duration() {
        let fault = |kind, first, lasts| Some(Fault { kind, first, lasts, seed: first as u64 });
        for (text, expected) in [
            ("kill@1", fault(Kind::Kill, 1, false)),
            ("kill-after@20", fault(Kind::KillAfter, 20, false)),
            ("torn@3", fault(Kind::Torn, 3, false)),
            ("enospc@4+", fault(Kind::Error(NO_SPACE), 4, true)),
            ("eio@5", fault(Kind::Error(IO_ERROR), 5, false)),
            ("power@6", fault(Kind::Power, 6, false)),
            ("power@6:9", Some(Fault { kind: Kind::Power, first: 6, lasts: false, seed: 9 })),
            ("power@end", fault(Kind::Power, END, false)),
            ("kill", None),
            ("kill@", None),
            ("stop@1", None),
        ] {
            assert_eq!(Fault::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_lasting_fault_hits_all_later_operations() {
        let once = Fault { kind: Kind::Kill, first: 3, lasts: false, seed: 0 };
        let lasting = Fault { lasts: true, ..once };
        let hits = |fault: Fault| (1..=5).filter(|number| fault.hits(*number)).collect::<Vec<_>>();
        assert_eq!(hits(once), [3]);
        assert_eq!(hits(lasting), [3, 4, 5]);
    }
}
