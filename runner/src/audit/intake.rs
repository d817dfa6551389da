//! From the bytes of one answer to events in the store, each once.

use std::io;

use core_audit::{
    AuditEvent, Coverage, HOUR_MS, Identifier, LineReader, Record, TableRow, TimeReader, TrailKind,
    Window, parse,
};
use core_privacy::mentions::Position;
use core_privacy::suppression::MentionCache;
use core_store::{EventAppender, StoreError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use step_audit::AUDIT_EVENT;

use super::People;
use super::rows::Rows;

/// How far ahead a time may be; one beyond is a clock's mistake, and no day to keep an event by.
const AHEAD_MS: i64 = 48 * HOUR_MS;

/// What an answer held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) added: u64,
    pub(super) unparsed: u64,
    /// Those that name somebody who was erased, and are not kept.
    pub(super) suppressed: u64,
    /// Those added whose time had been read before.
    pub(super) late: u64,
    pub(super) newest_ms: Option<i64>,
}

/// One answer on its way.
pub(super) struct Intake<'a> {
    appender: &'a mut EventAppender,
    coverage: &'a Coverage,
    kind: TrailKind,
    trail: &'a str,
    window: &'a Window,
    times: TimeReader,
    read_ms: i64,
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
    ) -> Self {
        Self {
            appender,
            coverage,
            kind,
            trail,
            window,
            times: TimeReader::new(TimeZone::UTC, window.span.to_ms),
            read_ms: window.span.to_ms,
            lines: LineReader::default(),
            identifier: Identifier::new(kind),
            rows: Rows::new(),
            day: String::new(),
            last_ms: window.span.to_ms,
            counts: Counts::default(),
            people: None,
            mentions: MentionCache::default(),
            failed: None,
        }
    }

    /// Says in which zone times are, and when they are read.
    pub(super) fn read_in(&mut self, zone: TimeZone, read_ms: i64) {
        self.times = TimeReader::new(zone, read_ms);
        self.read_ms = read_ms;
    }

    /// Says whose records are not kept, and what of the others.
    pub(super) fn protect(&mut self, people: &'a People) {
        self.people = Some(people);
    }

    /// Forgets what came of an answer that broke off.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.lines = LineReader::default();
        self.identifier = Identifier::new(self.kind);
        self.rows = Rows::new();
        self.day.clear();
        self.last_ms = self.window.span.to_ms;
        self.counts = Counts::default();
        self.appender.discard().map_err(io::Error::other)
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
        lines.finish(|record| self.record(&record));
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
        let is_bearable = |it: &i64| *it <= self.read_ms.saturating_add(AHEAD_MS);
        let mut observed_ms = event.occurred_ms.filter(is_bearable).unwrap_or(self.last_ms);
        self.last_ms = observed_ms;
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
        AUDIT_EVENT.write_key(&id, &mut key);
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

    fn write(&mut self) -> Result<(), StoreError> {
        let batch = self.rows.take();
        self.appender.write(&self.day, &batch)
    }
}

/// The day of a time by UTC.
pub(super) fn day_of(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let date = time.to_zoned(TimeZone::UTC).date();
    format!("{:04}-{:02}-{:02}", date.year().max(0), date.month(), date.day())
}
