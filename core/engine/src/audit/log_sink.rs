//! The sink through which the intake of the audit trail writes to the log of events.

use std::io;

use arrow_array::RecordBatch;
use core_audit::EventSink;
use core_store::EventAppender;

/// The log of events, which the intake appends to.
pub(super) struct LogSink<'a>(pub(super) &'a mut EventAppender);

impl EventSink for LogSink<'_> {
    fn is_new(
        &mut self,
        observed_ms: i64,
        occurred_ms: Option<i64>,
        key: &str,
    ) -> io::Result<bool> {
        self.0.is_new(observed_ms, occurred_ms, key).map_err(io::Error::other)
    }

    fn write(&mut self, day: &str, events: &RecordBatch) -> io::Result<()> {
        self.0.write(day, events).map_err(io::Error::other)
    }

    fn discard(&mut self) -> io::Result<()> {
        self.0.discard().map_err(io::Error::other)
    }
}
