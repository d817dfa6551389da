//! Objects that JupiterOne's own integration does not deliver, each only where it is asked for.

use serde::{Deserialize, Serialize};

/// The objects besides a generation's own tables. None by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// A mapped relationship from each user with an e-mail address to the Person who has it.
    #[serde(default)]
    pub persons: bool,
    /// The stored values of each entity as they are, as its raw data: also those that the data model
    /// nulls or cuts. They are what the privacy profile left of people.
    #[serde(default)]
    pub raw_data: bool,
}
