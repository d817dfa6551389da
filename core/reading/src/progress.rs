//! The progress of an answer, which decides whether it may be asked for again.

use std::cell::Cell;

use core_engine::audit::LOG;
use core_engine::ledger::Event;
use core_store::GenerationId;

use crate::reader::Reader;

/// The progress of an answer: rows that were printed, and the entry of the ledger.
#[derive(Debug, Default)]
pub struct Progress {
    /// True if a part of the answer may be printed, so that it cannot be asked for again.
    pub is_printed: Cell<bool>,
    is_recorded: Cell<bool>,
}

impl Progress {
    /// Adds an entry to the ledger, unless this answer has one.
    pub fn record(&self, reader: &Reader<'_>, event: &Event<'_>) {
        if !self.is_recorded.replace(true) {
            reader.record(event);
        }
    }

    /// Records in the ledger, once, that a text was asked of a generation.
    pub fn record_query(&self, reader: &Reader<'_>, generation: Option<&GenerationId>, text: &str) {
        if !self.is_recorded.replace(true) {
            let generation = generation.map_or("none", GenerationId::as_str);
            let query = reader.ledger_token(text);
            reader.record(&Event::Query { generation, query });
        }
    }

    /// Asks, and asks again if a run has replaced files of events meanwhile.
    ///
    /// # Errors
    ///
    /// The failure of the last attempt.
    pub async fn retried<T, E, F>(
        &self,
        reader: &Reader<'_>,
        ask: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        core_query::after_compaction(reader.tenant, LOG, &self.is_printed, ask).await
    }
}
