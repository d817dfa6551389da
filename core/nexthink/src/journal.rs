//! The notes that must outlive the process for an export not to be paid for twice, and their keeper.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::error::NexthinkError;
use crate::identity::{ExportId, QueryId};
use crate::order::{Compression, ExportOrder};

/// An export that was started, and how far it is. It holds no secret and no link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRecord {
    /// The saved query of its order.
    pub query_id: QueryId,
    /// The values of the parameters of its order.
    pub parameters: BTreeMap<String, String>,
    /// The compression of its order.
    pub compression: Compression,
    /// Its handle.
    pub export_id: ExportId,
    /// True if Nexthink ever said that the licence's maximum number of rows cut the results.
    pub truncated: bool,
    /// Its results file, once the download has begun.
    pub file: Option<FileRecord>,
}

/// A results file that is on its way, or here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Bytes of the whole file, if the file host announced them.
    pub total: Option<u64>,
    /// The strong entity tag of the file, if it has one. Without, a half file cannot be continued.
    pub validator: Option<String>,
    /// Bytes of the file once all of it is in the sink; none before.
    pub whole: Option<u64>,
}

impl ExportRecord {
    pub(crate) fn new(order: &ExportOrder, export_id: ExportId) -> Self {
        Self {
            query_id: order.query.clone(),
            parameters: order.parameters.clone(),
            compression: order.compression,
            export_id,
            truncated: false,
            file: None,
        }
    }

    /// Returns whether this is an export of `order`.
    pub fn fits(&self, order: &ExportOrder) -> bool {
        self.query_id == order.query
            && self.parameters == order.parameters
            && self.compression == order.compression
    }
}

/// Keeps the record of one export, and counts its starts.
///
/// Called from the task of the run; short blocking writes are fine.
pub trait ExportJournal: Send {
    /// Comes before each call that starts an export, repeated ones included.
    ///
    /// # Errors
    /// Refuses the call; [`NexthinkError::QuotaExhausted`] if the day's exports are used up.
    fn starting(&mut self) -> Result<(), NexthinkError>;

    /// The start that was announced last did not happen: Nexthink refused it, or was not reached.
    /// A call that got no answer may have cost an export, so this is not called then.
    fn not_started(&mut self);

    /// Records the state to resume from: after the start, when the results first turn out to be
    /// truncated, when a download starts or starts again, and when the whole file is in the sink.
    ///
    /// # Errors
    /// The state could not be recorded. The export then fails, since it could be paid for twice.
    fn record(&mut self, record: &ExportRecord) -> io::Result<()>;

    /// The last record is of no use any more: the export is gone, failed, or does not give its file.
    ///
    /// # Errors
    /// The reason why it could not be removed; the export then fails.
    fn forget(&mut self) -> io::Result<()>;
}
