//! The order of an export: a saved query, the values of its parameters, and the form in which the results
//! file is compressed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::identity::QueryId;

/// An export that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOrder {
    /// The saved query.
    pub query: QueryId,
    /// The values of the parameters in its `where` clause, by name without the `$` that NQL writes
    /// before it. Empty for a query without parameters.
    pub parameters: BTreeMap<String, String>,
    /// The form of the results file.
    pub compression: Compression,
    /// The time for which Nexthink prepared the results last time, if that is known. Most of it passes before the
    /// first question about the status; it does not tell one order from another.
    pub usual_time: Option<Duration>,
}

impl ExportOrder {
    /// The order for a query without parameters.
    pub fn new(query: QueryId, compression: Compression) -> Self {
        Self { query, parameters: BTreeMap::new(), compression, usual_time: None }
    }
}

/// The compression of a results file (Nexthink NQL API 1.2.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// Gzip.
    Gzip,
    /// As it is.
    None,
}
