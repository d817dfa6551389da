//! From the bytes of one answer to stored events, each once.

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use core_privacy::mentions::Position;
use core_privacy::suppression::{MentionCache, Suppressions};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clocks::Clocks;
use crate::coverage::{Coverage, Proof};
use crate::event::{AuditEvent, parse};
use crate::identity::{Identifier, TrailKind};
use crate::lines::{LineReader, Record};
use crate::redaction::EventRedactor;
use crate::row::TableRow;
use crate::rows::{EventTable, Rows, StoredEvent};
use crate::span::Span;
use crate::time::TimeReader;
use crate::window::Window;

/// The name of an Engine's trail begins with this.
pub const ENGINE_TRAIL: &str = "engine/";

/// The store of the events, as the intake uses it.
pub trait EventSink {
    /// Records the key of an event; returns true if the event was not stored before.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn is_new(&mut self, observed_ms: i64, occurred_ms: Option<i64>, key: &str)
    -> io::Result<bool>;

    /// Writes events of one day, `YYYY-MM-DD`.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn write(&mut self, day: &str, events: &RecordBatch) -> io::Result<()>;

    /// Forgets everything that was written since the last commit.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn discard(&mut self) -> io::Result<()>;
}

/// The treatment of people in events.
#[derive(Clone, Default)]
pub struct EventPrivacy {
    /// The redaction; `None` if events are kept as they are.
    pub redactor: Option<Arc<EventRedactor>>,
    /// The erased people, whose events are not stored.
    pub suppressions: Arc<Suppressions>,
}

/// The numbers of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IntakeCounts {
    /// All records.
    pub records: u64,
    /// Records that are stored now and were not before.
    pub added: u64,
    /// Records of another form than the documented one.
    pub unparsed: u64,
    /// Records that neither begin with a time nor have the documented form.
    pub shapeless: u64,
    /// Records whose time cannot be right. They are stored at the end of the window.
    pub implausible: u64,
    /// Records without a time. Those of a trail are stored only if the window is a fixed one.
    pub untimed: u64,
    /// Records that name an erased person. They are not stored.
    pub suppressed: u64,
    /// Added records whose time had been read before.
    pub late: u64,
    /// The time of the newest added record, in milliseconds since 1970-01-01 UTC.
    pub newest_ms: Option<i64>,
    /// True if the last line had no end and was left out.
    pub is_cut: bool,
    /// The time of the last record that has one, in milliseconds since 1970-01-01 UTC.
    pub last_ms: Option<i64>,
    /// True if there were too many records without a time to tell their repetitions apart.
    pub is_overfull: bool,
}

/// The source of an answer, and its request.
#[derive(Debug, Clone, Copy)]
pub struct AnswerSource<'a> {
    /// The kind of the trail.
    pub kind: TrailKind,
    /// Its name.
    pub trail: &'a str,
    /// The requested window.
    pub window: &'a Window,
    /// The periods of the trail that were read before.
    pub coverage: &'a Coverage,
}

/// One answer on its way into the store.
pub struct Intake<'a, S> {
    sink: S,
    table: &'a EventTable,
    source: AnswerSource<'a>,
    zone: TimeZone,
    times: TimeReader,
    /// The end of the window, by Nexthink's clock where it ends now.
    end_ms: i64,
    /// The times that events may have.
    plausible: Span,
    lines: LineReader,
    identifier: Identifier,
    /// Identifies the records without a time.
    untimed: Identifier,
    /// Events of one day that are not written yet.
    rows: Rows,
    day: String,
    /// The time of the record before.
    last_ms: i64,
    counts: IntakeCounts,
    privacy: EventPrivacy,
    mentions: MentionCache,
    failed: Option<io::Error>,
}

impl IntakeCounts {
    /// Returns why lines may be missing from an answer that came to its end, if so. `end_proven` says whether
    /// the host announced its length or its end.
    pub fn lacking(&self, end_proven: bool) -> Option<&'static str> {
        if !end_proven {
            Some(
                "the host announced no length and hung up, so that lines may be missing: what came is kept, \
                 and asked for again",
            )
        } else if self.is_overfull {
            Some(
                "too many different lines of a day have no time, so that repetitions of one line may be \
                 missing: what came is kept, and asked for again",
            )
        } else if self.records > 0 && self.shapeless == self.records {
            Some(
                "no line of the answer begins with a time or has the documented form, so that it may be no \
                 trail: what came is kept, and asked for again",
            )
        } else {
            None
        }
    }

    /// Returns the part of a window that the answer proves to be read, if no lines may be missing from it. `is_joined`
    /// says that it has the logs of several hosts, one after the other.
    pub fn proof(&self, window: &Window, is_joined: bool) -> Proof {
        if self.untimed > 0 && !window.is_fixed {
            Proof::Nothing
        } else if self.is_cut {
            // The line that was left out is later than the one before it, unless that is of another host.
            let last_ms = self.last_ms.filter(|_| !is_joined);
            Proof::Before(last_ms.unwrap_or(window.span.from_ms))
        } else {
            Proof::Whole
        }
    }
}

impl<'a, S: EventSink> Intake<'a, S> {
    /// Prepares to read an answer whose times without a zone are those of `zone`.
    pub fn new(
        sink: S,
        table: &'a EventTable,
        source: AnswerSource<'a>,
        zone: TimeZone,
        privacy: EventPrivacy,
    ) -> Self {
        let end_ms = source.window.span.to_ms;
        Self {
            sink,
            table,
            source,
            times: TimeReader::new(zone.clone(), end_ms),
            zone,
            end_ms,
            plausible: source.window.span,
            lines: LineReader::default(),
            identifier: identifier(source),
            untimed: untimed_identifier(source),
            rows: Rows::new(table),
            day: String::new(),
            last_ms: end_ms,
            counts: IntakeCounts::default(),
            privacy,
            mentions: MentionCache::default(),
            failed: None,
        }
    }

    /// Begins an answer, and drops one that broke off.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn begin(&mut self, clocks: &Clocks) -> io::Result<()> {
        self.start(clocks);
        self.sink.discard()
    }

    /// Begins an answer that came when the clocks showed this.
    ///
    /// Times are read and believed by the window and by Nexthink's clock, so that a clock of this machine
    /// that jumps does not make another event of the same line.
    pub fn start(&mut self, clocks: &Clocks) {
        self.plausible = self.source.window.plausible(clocks);
        let window = self.source.window;
        let server_ms = clocks.server_ms.filter(|_| window.is_newest);
        // The end of a fixed window is not in it.
        self.end_ms = server_ms.unwrap_or(window.span.to_ms - i64::from(window.is_fixed));
        // An answer may have more than was asked for, so a time without a year may be later than the window.
        let read_ms =
            if window.is_newest { self.end_ms } else { self.end_ms.max(clocks.bounds().0) };
        self.times = TimeReader::new(self.zone.clone(), read_ms);
        self.lines = LineReader::default();
        self.identifier = identifier(self.source);
        self.untimed = untimed_identifier(self.source);
        self.rows = Rows::new(self.table);
        self.day.clear();
        self.last_ms = self.end_ms;
        self.counts = IntakeCounts::default();
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written.
    pub fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(bytes, |record| self.record(&record));
        self.lines = lines;
        self.check()
    }

    /// Takes the last line, if it is whole, and writes everything. `end_proven` says whether the host announced its
    /// length or its end.
    ///
    /// A trail may have no line end after its last line. Where the answer is all there is of a period that is over,
    /// that line is whole; in the newest window it may still be being written.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written.
    pub fn finish(mut self, end_proven: bool) -> io::Result<IntakeCounts> {
        let mut lines = std::mem::take(&mut self.lines);
        if end_proven && !self.source.window.is_newest {
            lines.finish(|record| self.record(&record));
        } else {
            self.counts.is_cut = lines.finish_whole(|record| self.record(&record));
        }
        self.counts.is_overfull = self.untimed.has_forgotten();
        self.write()?;
        self.check()?;
        Ok(self.counts)
    }

    fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    fn record(&mut self, record: &Record<'_>) {
        if self.failed.is_none()
            && let Err(error) = self.try_record(record)
        {
            self.failed = Some(error);
        }
    }

    fn try_record(&mut self, record: &Record<'_>) -> io::Result<()> {
        let event = parse(record, &self.times);
        self.event(record, event)
    }

    /// Takes a row of the table.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written.
    pub fn row(&mut self, row: &TableRow<'_>) -> io::Result<()> {
        let text = row.to_text();
        let event = row.parse(&text, &self.times);
        self.event(&text.record(), event)
    }

    /// Takes an event, unless the store has it.
    fn event(&mut self, record: &Record<'_>, mut event: AuditEvent) -> io::Result<()> {
        let is_untimed = event.occurred_ms.is_none();
        self.counts.records += 1;
        self.counts.unparsed += u64::from(!event.is_parsed());
        self.counts.shapeless += u64::from(!event.is_parsed() && is_untimed);
        self.counts.untimed += u64::from(is_untimed);
        self.counts.last_ms = event.occurred_ms.or(self.counts.last_ms);
        let AnswerSource { kind, window, .. } = self.source;
        if is_untimed && !window.is_fixed && kind != TrailKind::Table {
            // Only a fixed window tells which event it is.
            return Ok(());
        }
        let identifier = if is_untimed { &mut self.untimed } else { &mut self.identifier };
        let mut id = identifier.next(record).to_string();
        let mut observed_ms = self.observed_ms(event.occurred_ms);
        if self.names_erased(&event) {
            self.counts.suppressed += 1;
            return Ok(());
        }
        let occurred_ms = event.occurred_ms;
        let redactor = self.privacy.redactor.as_deref();
        if let Some(redactor) = redactor {
            id = redactor.id(id);
            event = redactor.event(event);
            observed_ms = redactor.observed_ms(observed_ms);
        }
        let mut key = String::new();
        self.table.event_type().write_key(&id, &mut key);
        if !self.sink.is_new(observed_ms, event.occurred_ms, &key)? {
            return Ok(());
        }
        let day = day_of(observed_ms);
        if day != self.day {
            self.write()?;
            self.day = day;
        }
        self.counts.added += 1;
        if let Some(occurred_ms) = occurred_ms {
            self.counts.late += u64::from(self.source.coverage.has_read(occurred_ms));
        }
        self.counts.newest_ms = self.counts.newest_ms.max(Some(observed_ms));
        let redactor = self.privacy.redactor.as_deref();
        let drops = |column: &str| redactor.is_some_and(|redactor| redactor.drops(column));
        let stored = StoredEvent { key: &key, id: &id, observed_ms, trail: self.source.trail };
        self.rows.push(&stored, &event, &drops);
        if self.rows.is_full() { self.write() } else { Ok(()) }
    }

    /// Returns true if an event names an erased person, by its full texts.
    fn names_erased(&mut self, event: &AuditEvent) -> bool {
        let Self { privacy, mentions, .. } = self;
        let mut names =
            |position, text: &str| privacy.suppressions.are_named_in(position, text, mentions);
        names(Position::Text, &event.raw)
            || event.account.as_deref().is_some_and(|account| names(Position::Account, account))
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

    fn write(&mut self) -> io::Result<()> {
        let batch = self.rows.take();
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.sink.write(&self.day, &batch)
    }
}

/// Identifies the events of an answer.
fn identifier(source: AnswerSource<'_>) -> Identifier {
    let engine = source.trail.strip_prefix(ENGINE_TRAIL);
    engine.map_or_else(|| Identifier::new(source.kind), Identifier::from_engine)
}

/// Identifies the events of an answer that have no time.
fn untimed_identifier(source: AnswerSource<'_>) -> Identifier {
    let Window { span, is_fixed, .. } = source.window;
    let plain = identifier(source);
    if *is_fixed { plain.in_fixed_window(span.from_ms) } else { plain }
}

/// The day of a time by UTC.
fn day_of(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let date = time.to_zoned(TimeZone::UTC).date();
    format!("{:04}-{:02}-{:02}", date.year().max(0), date.month(), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l12_an_answer_that_may_lack_lines_does_not_count_as_read() {
        let whole = IntakeCounts { records: 5, shapeless: 4, ..IntakeCounts::default() };
        for (end_proven, counts, is_lacking) in [
            (true, whole, false),
            (true, IntakeCounts::default(), false),
            (false, whole, true),
            (false, IntakeCounts::default(), true),
            (true, IntakeCounts { is_overfull: true, ..whole }, true),
            // A page of text has no line of a known form.
            (true, IntakeCounts { shapeless: 5, ..whole }, true),
        ] {
            assert_eq!(counts.lacking(end_proven).is_some(), is_lacking, "{counts:?}");
        }
    }
}
