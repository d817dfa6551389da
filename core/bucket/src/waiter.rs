//! A waiter for a lease that another process holds.
//!
//! No clocks are compared: the waiter measures, by its own monotonic clock, how long the head has had the same
//! revision. A holder renews its lease three times per lifetime, so if the head has not changed for a lifetime, its
//! holder is dead, cut off or paused. A holder that was only paused finds out with its next write, which the bucket
//! refuses because the head has changed.

use std::time::Duration;

use crate::head::Head;

/// The decision of a waiter after reading the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No one holds the lease.
    Free,
    /// The holder has not changed the head for one lifetime.
    Abandoned,
    /// The head changed while the waiter watched, so its holder is at work.
    Alive,
    /// The waiter has not watched long enough.
    Unknown {
        /// The time that it still has to watch.
        remaining: Duration,
    },
}

/// Watches the revisions of a head.
#[derive(Debug, Default)]
pub struct Waiter {
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    revision: u64,
    since: Duration,
}

impl Waiter {
    /// Judges a head that was read. `now` is a time of a monotonic clock after the answer arrived.
    pub fn observe(&mut self, head: &Head, now: Duration) -> Verdict {
        let Some(lease) = &head.lease else { return Verdict::Free };
        let lifetime = Duration::from_millis(lease.lifetime_ms);
        match &self.seen {
            Some(seen) if seen.revision == head.revision => {
                match lifetime.saturating_sub(now.saturating_sub(seen.since)) {
                    Duration::ZERO => Verdict::Abandoned,
                    remaining => Verdict::Unknown { remaining },
                }
            }
            Some(_) => {
                self.watch(head, now);
                Verdict::Alive
            }
            None => {
                self.watch(head, now);
                Verdict::Unknown { remaining: lifetime }
            }
        }
    }

    fn watch(&mut self, head: &Head, now: Duration) {
        self.seen = Some(Seen { revision: head.revision, since: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Lease, Nonce};

    #[test]
    fn a_lease_is_abandoned_after_one_lifetime_without_a_change() {
        let lease = Lease { owner: "a".to_owned(), lifetime_ms: 60_000 };
        let head = Head::first("acme", lease, Nonce::new(1));
        let renewed = head.renewed(Nonce::new(2));
        let at = Duration::from_secs;
        let unknown = |seconds| Verdict::Unknown { remaining: at(seconds) };
        let table = [
            (&head, 1_000, unknown(60)),
            (&head, 1_040, unknown(20)),
            (&renewed, 1_059, Verdict::Alive),
            (&renewed, 1_100, unknown(19)),
            (&renewed, 1_119, Verdict::Abandoned),
        ];
        let mut waiter = Waiter::default();
        for (head, now, expected) in table {
            assert_eq!(waiter.observe(head, at(now)), expected, "at {now}");
        }
        let released = renewed.released(Nonce::new(3));
        assert_eq!(waiter.observe(&released, at(0)), Verdict::Free);
    }
}
