//! The behaviour of one query: its rows, the life of its exports, its results files.

use serde::Deserialize;

use super::content::Content;
use super::download::Download;
use crate::exports::SavedQuery;

/// The behaviour of one query. `Default` is a healthy one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryBehaviour {
    /// The query whose rows it returns. An ID that is not one of the tenant's own needs it; for one
    /// of those it is a mix-up.
    pub same_as: Option<SavedQuery>,
    /// The parameter in its `where`.
    pub parameter: Option<Parameter>,
    /// True if the query ignores its parameter: a value may be sent and changes nothing.
    pub ignores_parameters: bool,
    /// The content of the results files, in place of the tenant's rows. No row cap applies.
    pub results: Option<Results>,
    /// The query text that `execute` reports instead of the real one. The rows stay those of the
    /// query.
    pub executed_query: Option<String>,
    /// True if the results are reported as truncated (206) although no row cap was reached.
    pub says_truncated: bool,
    /// The texts that answer the first status calls, in place of `polls_submitted` and
    /// `polls_in_progress`.
    pub statuses: Vec<String>,
    /// True if every `IN_PROGRESS` has a results link, once there is a file.
    pub has_link_in_progress: bool,
    /// The number of `COMPLETED` answers without a link, before one with a link.
    pub completed_without_link: u32,
    /// The texts that answer status calls after the first `COMPLETED`, before it is `COMPLETED`
    /// again.
    pub statuses_after_completion: Vec<String>,
    /// The first exports that end in `ERROR`. (`Behaviour::failing` applies to all.)
    pub failing: Option<FailingExports>,
    /// The number of status calls after which the export no longer exists.
    pub forgotten_after: Option<u32>,
    /// The ID of each of its exports. An earlier export with the same ID, of this or another query,
    /// is no longer found.
    pub export_id: Option<String>,
    /// The delivery of its results files.
    pub download: Download,
}

/// A named parameter of a saved query, as in `where device.uid == $p`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The name, without `$`.
    pub name: String,
    /// The column that it is compared with: ignoring case, `*` for any text, `?` for any one
    /// character.
    pub column: String,
}

/// Exports that end in `ERROR` before one succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailingExports {
    /// Their number, from the start of the simulator on.
    pub times: u64,
    /// The error description.
    pub description: String,
}

/// The content of results files, in place of the tenant's rows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// The bytes, before compression.
    pub content: Content,
    /// The compression.
    #[serde(default)]
    pub compression: ResultsCompression,
}

/// The compression of the given bytes of a results file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultsCompression {
    /// As the start of the export requested.
    #[default]
    Requested,
    /// No compression.
    AsIs,
    /// One gzip member.
    Gzip,
    /// One Zstandard frame.
    Zstd,
}
