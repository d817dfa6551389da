//! What is special about one query: its rows, the life of its exports, its results files.

use serde::Deserialize;

use super::content::Content;
use super::download::Download;
use crate::exports::SavedQuery;

/// How one query behaves. `Default` is a healthy one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryBehaviour {
    /// The query whose rows it gives. An ID that is none of the four needs it; for one of the four
    /// it is a mix-up.
    pub same_as: Option<SavedQuery>,
    /// The parameter in its `where`.
    pub parameter: Option<Parameter>,
    /// Whether somebody has taken the parameter out of the query: a value may be sent and changes
    /// nothing.
    pub ignores_parameters: bool,
    /// What the results files hold in place of the tenant's rows. No row cap applies.
    pub results: Option<Results>,
    /// The text that is told of it in place of the real one. Its rows stay those of the query.
    pub executed_query: Option<String>,
    /// Whether the results are said to be truncated (206) though no row cap was met.
    pub says_truncated: bool,
    /// Status calls are answered with these before any other answer, word by word, in place of
    /// `polls_submitted` and `polls_in_progress`.
    pub statuses: Vec<String>,
    /// Whether there is a results link with every `IN_PROGRESS` once there is a file.
    pub has_link_in_progress: bool,
    /// So many times `COMPLETED` comes without a link first.
    pub completed_without_link: u32,
    /// After the first `COMPLETED`, status calls are answered with these, word by word, before it is
    /// `COMPLETED` again.
    pub statuses_after_completion: Vec<String>,
    /// Its first exports end in `ERROR`. (`Behaviour::failing` is for all.)
    pub failing: Option<FailingExports>,
    /// After so many status calls there is no such export any more.
    pub forgotten_after: Option<u32>,
    /// The ID of each of its exports. An earlier export of the same ID, of this or another query, is
    /// no longer found.
    pub export_id: Option<String>,
    /// How its results files are handed out.
    pub download: Download,
}

/// A named parameter of a saved query, as in `where device.uid == $p`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name, without `$`.
    pub name: String,
    /// The column that it is compared with: whatever the case, `*` for any text, `?` for any one
    /// character.
    pub column: String,
}

/// Exports that end in `ERROR` before one is good.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailingExports {
    /// How many, from the start of the simulator on.
    pub times: u64,
    /// The error description.
    pub description: String,
}

/// What results files hold in place of the tenant's rows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// The bytes, before they are compressed.
    pub content: Content,
    /// How they are compressed.
    #[serde(default)]
    pub compression: ResultsCompression,
}

/// How the given bytes of a results file are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultsCompression {
    /// As the start of the export asked.
    #[default]
    Requested,
    /// Not at all.
    AsIs,
    /// One gzip member.
    Gzip,
    /// One Zstandard frame.
    Zstd,
}
