//! The places that deliveries went to before the present one.

use std::collections::BTreeSet;

use core_store::TenantStore;
use serde::{Deserialize, Serialize};

/// The places of a destination that were delivered to before the present one and still hold what they got: the part of
/// a record of deliveries that a change of the destination does not replace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerPlaces {
    /// The places, in words that tell each from every other one.
    #[serde(default, rename = "formerPlaces", skip_serializing_if = "BTreeSet::is_empty")]
    places: BTreeSet<String>,
}

impl FormerPlaces {
    /// Reads them from the record in a state file of a tenant. A record without them, or one that cannot be read, has
    /// none.
    pub fn read(tenant: &TenantStore, file: &str) -> Self {
        let bytes = tenant.state(file).ok().flatten();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Returns the former places once deliveries go to `place`. `before` is the place of the last delivery, if it holds
    /// anything.
    #[must_use]
    pub fn after_move(mut self, before: Option<String>, place: &str) -> Self {
        self.places.extend(before);
        self.places.remove(place);
        self
    }
}

impl IntoIterator for FormerPlaces {
    type Item = String;
    type IntoIter = std::collections::btree_set::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.places.into_iter()
    }
}
