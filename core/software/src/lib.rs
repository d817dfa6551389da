#![doc = include_str!("../README.md")]

mod advisory;
mod eol;
mod error;
mod exploited;
mod pattern;
pub mod report;
mod system;
mod version;

pub use advisory::{Advisories, AdvisoryMatch, Verdict};
pub use eol::{EolMatch, Mapping, Products, Support};
pub use error::SoftwareError;
pub use exploited::{Candidate, ExploitedVulnerabilities};
pub use system::{System, SystemMatch};
pub use version::{compare_versions, is_version};

/// A package that is installed somewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Its key in the graph.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Its publisher; empty if that is not known.
    pub publisher: String,
    /// Its version; empty if that is not known.
    pub version: String,
    /// On how many devices it is installed.
    pub devices: u64,
}

impl Package {
    /// The header of a table of packages, whose last column is a number.
    pub const HEADER: [&str; 4] = ["package", "publisher", "version", "devices"];

    /// Returns the package for people.
    pub fn cells(&self) -> [String; 4] {
        let Self { name, publisher, version, devices, .. } = self;
        [name.clone(), publisher.clone(), version.clone(), devices.to_string()]
    }

    /// Returns the package as an object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name,
            "publisher": self.publisher,
            "version": self.version,
            "devices": self.devices,
        })
    }
}

/// The certainty that a match is about a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// A person has said so, in the mapping or by an advisory's pattern.
    Certain,
    /// The names are the same.
    Likely,
    /// The names resemble each other: a person has to look.
    Candidate,
}

impl Confidence {
    /// The word in an answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Candidate => "candidate",
        }
    }
}
