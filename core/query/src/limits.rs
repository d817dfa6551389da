//! The words for a query that was ended by the limits of its process.

use std::fmt::Display;

/// Describes a query whose process ended early, as one does after a failed allocation or a stack overflow. `raise` says
/// how to give it more memory.
pub fn out_of_memory(raise: &str) -> String {
    format!(
        "the query needs more memory than its limit, or is too deep: ask for fewer rows or columns, write it in a simpler \
         way, or {raise}"
    )
}

/// Describes a query that took longer than its limit. `raise` says how to give it more time.
pub fn out_of_time(limit: impl Display, raise: &str) -> String {
    format!("the query took longer than {limit}: ask for less, or {raise}")
}
