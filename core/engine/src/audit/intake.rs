//! From the bytes of one answer to events in the store, each once.

use std::io;

use core_audit::{
    AuditEvent, Clocks, Coverage, Identifier, LineReader, Record, Span, TableRow, TimeReader,
    TrailKind, Window, parse,
};
use core_privacy::mentions::Position;
use core_privacy::suppression::MentionCache;
use core_store::{EventAppender, StoreError};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::People;
use super::rows::Rows;
use super::trails::ENGINE;
use crate::declared;

/// What an answer held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) added: u64,
    pub(super) unparsed: u64,
    /// Those that begin neither with a time nor have the documented form.
    pub(super) shapeless: u64,
    /// Those whose time is far outside of what was asked for. They are kept at the end of the window.
    pub(super) implausible: u64,
    /// Records that name an erased person. They are not stored.
    pub(super) suppressed: u64,
    /// Those added whose time had been read before.
    pub(super) late: u64,
    pub(super) newest_ms: Option<i64>,
    /// The last line had no end, and was left out.
    pub(super) is_cut: bool,
}

/// One answer on its way.
pub(super) struct Intake<'a> {
    appender: &'a mut EventAppender,
    coverage: &'a Coverage,
    kind: TrailKind,
    trail: &'a str,
    window: &'a Window,
    zone: TimeZone,
    times: TimeReader,
    /// The end of the window, by Nexthink's clock where it ends now.
    end_ms: i64,
    /// The times that events may have.
    plausible: Span,
    lines: LineReader,
    identifier: Identifier,
    /// Events of one day that are not written yet.
    rows: Rows,
    day: String,
    /// The time of the record before.
    last_ms: i64,
    counts: Counts,
    people: Option<&'a People>,
    mentions: MentionCache,
    failed: Option<StoreError>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        appender: &'a mut EventAppender,
        coverage: &'a Coverage,
        kind: TrailKind,
        trail: &'a str,
        window: &'a Window,
        zone: TimeZone,
    ) -> Self {
        let end_ms = window.span.to_ms;
        Self {
            appender,
            coverage,
            kind,
            trail,
            window,
            times: TimeReader::new(zone.clone(), end_ms),
            zone,
            end_ms,
            plausible: window.span,
            lines: LineReader::default(),
            identifier: identifier(kind, trail),
            rows: Rows::new(),
            day: String::new(),
            last_ms: end_ms,
            counts: Counts::default(),
            people: None,
            mentions: MentionCache::default(),
            failed: None,
        }
    }

    /// Says whose records are not kept, and what of the others.
    pub(super) fn protect(&mut self, people: &'a People) {
        self.people = Some(people);
    }

    /// Begins an answer, and forgets what came of one that broke off.
    pub(super) fn begin(&mut self, clocks: &Clocks) -> io::Result<()> {
        self.start(clocks);
        self.appender.discard().map_err(io::Error::other)
    }

    /// Is as new, for an answer that came when the clocks said this.
    ///
    /// Times are read and believed by the window and by Nexthink's clock, so that a clock of this machine
    /// that jumps does not make another event of the same line.
    pub(super) fn start(&mut self, clocks: &Clocks) {
        self.plausible = self.window.plausible(clocks);
        let server_ms = clocks.server_ms.filter(|_| self.window.is_newest);
        self.end_ms = server_ms.unwrap_or(self.window.span.to_ms);
        self.times = TimeReader::new(self.zone.clone(), self.end_ms);
        self.lines = LineReader::default();
        self.identifier = identifier(self.kind, self.trail);
        self.rows = Rows::new();
        self.day.clear();
        self.last_ms = self.end_ms;
        self.counts = Counts::default();
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(bytes, |record| self.record(&record));
        self.lines = lines;
        self.check()
    }

    /// Takes what is left, and writes it.
    pub(super) fn finish(mut self) -> io::Result<Counts> {
        let mut lines = std::mem::take(&mut self.lines);
        self.counts.is_cut = lines.finish_whole(|record| self.record(&record));
        self.write().map_err(io::Error::other)?;
        self.check()?;
        Ok(self.counts)
    }

    fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), |error| Err(io::Error::other(error)))
    }

    fn record(&mut self, record: &Record<'_>) {
        if self.failed.is_none()
            && let Err(error) = self.try_record(record)
        {
            self.failed = Some(error);
        }
    }

    fn try_record(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        let event = parse(record, &self.times);
        self.event(record, event)
    }

    /// Takes a row of the table.
    pub(super) fn row(&mut self, row: &TableRow<'_>) -> Result<(), StoreError> {
        let text = row.to_text();
        let event = row.parse(&text, &self.times);
        self.event(&text.record(), event)
    }

    /// Takes an event, unless the store has it.
    fn event(&mut self, record: &Record<'_>, mut event: AuditEvent) -> Result<(), StoreError> {
        let mut id = self.identifier.next(record).to_string();
        self.counts.records += 1;
        self.counts.unparsed += u64::from(!event.is_parsed());
        self.counts.shapeless += u64::from(!event.is_parsed() && event.occurred_ms.is_none());
        let mut observed_ms = self.observed_ms(event.occurred_ms);
        let is_suppressed = self.people.is_some_and(|it| {
            let mut names = |position, text: &str| {
                it.suppressions.are_named_in(position, text, &mut self.mentions)
            };
            names(Position::Text, &event.raw)
                || event.account.as_deref().is_some_and(|it| names(Position::Account, it))
        });
        if is_suppressed {
            self.counts.suppressed += 1;
            return Ok(());
        }
        let occurred_ms = event.occurred_ms;
        let protected = self.people.and_then(|it| it.protected.as_deref());
        if let Some(protected) = protected {
            id = protected.id(id);
            event = protected.event(event);
            observed_ms = protected.observed_ms(observed_ms);
        }
        let mut key = String::new();
        declared::event_type().write_key(&id, &mut key);
        if !self.appender.is_new(observed_ms, event.occurred_ms, &key)? {
            return Ok(());
        }
        let day = day_of(observed_ms);
        if day != self.day {
            self.write()?;
            self.day = day;
        }
        self.counts.added += 1;
        if let Some(occurred_ms) = occurred_ms {
            self.counts.late += u64::from(self.coverage.has_read(occurred_ms));
        }
        self.counts.newest_ms = self.counts.newest_ms.max(Some(observed_ms));
        let drops = |column: &str| protected.is_some_and(|it| it.drops(column));
        self.rows.push(&key, &id, &event, observed_ms, self.trail, &drops);
        if self.rows.is_full() { self.write() } else { Ok(()) }
    }

    /// Returns the time by which an event is kept: its own where it is believed, else that of the event
    /// before it. Times that are not believed share one place, since a line in each of a thousand days
    /// would make as many files.
    fn observed_ms(&mut self, occurred_ms: Option<i64>) -> i64 {
        let Some(occurred_ms) = occurred_ms else { return self.last_ms };
        if !(self.plausible.from_ms..self.plausible.to_ms).contains(&occurred_ms) {
            self.counts.implausible += 1;
            return self.end_ms;
        }
        self.last_ms = occurred_ms;
        occurred_ms
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let batch = self.rows.take();
        self.appender.write(&self.day, &batch)
    }
}

/// What tells the identities of an answer.
fn identifier(kind: TrailKind, trail: &str) -> Identifier {
    trail.strip_prefix(ENGINE).map_or_else(|| Identifier::new(kind), Identifier::of_engine)
}

/// The day of a time by UTC.
pub(super) fn day_of(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let date = time.to_zoned(TimeZone::UTC).date();
    format!("{:04}-{:02}-{:02}", date.year().max(0), date.month(), date.day())
}
