//! Reads a period of the audit trail again.

use core_audit::{HOUR_MS, Span};
use core_store::RunLock;

use super::{AuditReport, Collection, Gap, LOG, start_over};
use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::{Ending, Failure};
use crate::interruption::{Signals, interruptible};
use crate::ledger::{self, Event};
use crate::run::quota::StartedExports;
use crate::run::{FetchedTable, fetch_table};
use crate::settings::Audit;
use crate::whole_run::Part;

/// A period to read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The period.
    pub span: Span,
    /// True if the requested period was shortened, since retention would remove its first events at once.
    is_shortened: bool,
    kept_days: u64,
}

impl Period {
    /// The part of a period that can be read again: the part that is over and that retention would not remove at
    /// once. All times are milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    ///
    /// No part of the period can be read again.
    pub fn new(from_ms: i64, to_ms: i64, kept_days: u64, now_ms: i64) -> Result<Self, Failure> {
        if from_ms >= to_ms {
            let message = "--from must be before --to, and before now";
            return Err(Failure::configuration(message));
        }
        let kept_ms = 24 * HOUR_MS * i64::try_from(kept_days).unwrap_or(i64::MAX / 1000);
        let oldest_ms = now_ms.saturating_sub(kept_ms);
        if to_ms <= oldest_ms {
            return Err(Failure::configuration(format!(
                "--to is more than {kept_days} days ago: such events would be removed at once \
                 (`retention.audit_days`)"
            )));
        }
        let span = Span { from_ms: from_ms.max(oldest_ms), to_ms: to_ms.min(now_ms) };
        Ok(Self { span, is_shortened: from_ms < oldest_ms, kept_days })
    }

    /// Returns a remark if the period begins later than requested.
    pub fn remark(&self) -> Option<String> {
        self.is_shortened.then(|| {
            format!(
                "events are kept for {} days (`retention.audit_days`), so that it begins at {}",
                self.kept_days,
                Gap::of(&self.span).from
            )
        })
    }
}

/// Reads a period again.
#[derive(Clone, Copy)]
pub struct Backfill<'a> {
    /// The engine of the tenant.
    pub engine: Engine<'a>,
    /// The audit trail.
    pub audit: &'a Audit,
    /// The period.
    pub period: Period,
    /// True if all events are removed first, once the trail answers.
    pub starts_over: bool,
}

impl Backfill<'_> {
    /// Reads the period until it is done or a signal stops it. `note_removed` gets the number of events that were removed
    /// first, whatever comes after. The ledger has an entry about it, also if it fails.
    ///
    /// # Errors
    ///
    /// Another process writes to the store, it was stopped, the events are not removed since nothing could take their
    /// place, or the store cannot be written.
    pub async fn run(
        self,
        signals: &impl Signals,
        note_removed: impl FnOnce(u64),
    ) -> Result<AuditReport, Failure> {
        let host = self.engine.host;
        let (cancellation, mut removed) = (Cancellation::default(), None);
        let lock = self.engine.lock()?;
        let reading = self.read(&lock, &cancellation, &mut removed);
        let told = Part::Run.told();
        let read = interruptible(signals, &cancellation, told, Box::pin(reading)).await;
        if let Some(events) = removed {
            note_removed(events);
        }
        let (ending, added) = match &read {
            Ok(report) => (report.ending(), report.added()),
            Err(failure) => (Ending::Failed(failure.kind), 0),
        };
        let Gap { from, to } = Gap::of(&self.period.span);
        let (from, to) = (from.as_str(), to.as_str());
        let exit_code = (host.exit_code)(ending);
        let event = Event::Backfill { source: LOG, from, to, removed, added, exit_code };
        let recorded = ledger::record(host, lock.tenant(), &event);
        let report = read?;
        recorded?;
        Ok(report)
    }

    async fn read(
        self,
        lock: &RunLock,
        cancellation: &Cancellation,
        removed: &mut Option<u64>,
    ) -> Result<AuditReport, Failure> {
        let Self { engine, audit, period, starts_over } = self;
        if starts_over {
            crate::check::require_audit(engine).await?;
        }
        let fetched = match audit.table() {
            None => None,
            Some(table) => {
                let started = StartedExports::default();
                let fetched = fetch_table(engine, table, lock, &started).await?;
                match fetched.result {
                    Err(error) if starts_over => return Err(error.into()),
                    result => Some(FetchedTable { result, ..fetched }),
                }
            }
        };
        if starts_over {
            *removed = Some(start_over(lock)?);
        }
        let login_ahead_ms = fetched.as_ref().and_then(FetchedTable::login_ahead_ms);
        let again = Some(period.span);
        let reading = Collection { engine, audit, lock, again, login_ahead_ms, cancellation };
        Ok(reading.read(fetched).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;
    /// 2026-03-01T10:00:00Z.
    const NOW_MS: i64 = 1_772_359_200_000;

    fn period(from_days: i64, to_days: i64) -> Result<Period, String> {
        let at = |days| NOW_MS - days * DAY_MS;
        Period::new(at(from_days), at(to_days), 30, NOW_MS)
            .map_err(|failure| failure.error.to_string())
    }

    #[test]
    fn a_period_ends_now_and_begins_where_events_are_kept() {
        for (from, to, expected) in [
            (7, 1, (7, 1)),
            (7, 0, (7, 0)),
            (7, -3, (7, 0)),
            (30, 29, (30, 29)),
            (90, 29, (30, 29)),
        ] {
            let period = period(from, to).expect("a part of it is kept");
            let Span { from_ms, to_ms } = period.span;
            let days = |ms| (NOW_MS - ms) / DAY_MS;
            assert_eq!((days(from_ms), days(to_ms)), expected, "{from} {to}");
            assert_eq!(period.remark().is_some(), from > 30, "{from} {to}");
        }
        let remark = period(90, 29).expect("a part of it is kept").remark();
        let expected = "events are kept for 30 days (`retention.audit_days`), so that it begins at \
                        2026-01-30T10:00:00Z";
        assert_eq!(remark.as_deref(), Some(expected));
    }

    #[test]
    fn a_period_of_nothing_is_refused() {
        for (from, to, expected) in [
            (1, 1, "--from must be before --to"),
            (1, 7, "--from must be before --to"),
            (90, 30, "--to is more than 30 days ago"),
            (90, 60, "--to is more than 30 days ago"),
        ] {
            let told = period(from, to).expect_err("nothing of it can be read");
            assert!(told.starts_with(expected), "{from} {to}: {told}");
        }
    }
}
