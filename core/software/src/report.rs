//! Reports: the software of an estate and what files say about it, a line for each match.

mod advisories;
mod support;

pub use advisories::{AdvisoryLine, advisories};
pub use support::{SupportLine, support};

/// A file that a report is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name without its folder.
    pub name: String,
    /// Days since it was changed; none if that is not known.
    pub age_days: Option<u64>,
}
