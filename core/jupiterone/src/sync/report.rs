//! The report of a delivery.

use std::collections::{BTreeMap, BTreeSet};

use core_store::GenerationId;
use serde::Serialize;

use super::delivered::Delivered;
use super::destination::DestinationIdentity;
use super::job::{JobCounters, JobId, JobStatus};
use super::upload::Uploads;
use crate::extras::Extras;
use crate::schema_violations::{Fix, SchemaViolation};
use crate::shape::SHAPE_VERSION;

/// The report of a delivery. It holds keys as samples, and no other content.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryReport {
    /// Where to.
    pub destination: DestinationIdentity,
    /// Which generation.
    pub generation: GenerationId,
    /// The job.
    pub job: JobId,
    /// The end of the job.
    pub status: JobStatus,
    /// The changes at JupiterOne, by its own count.
    pub counters: JobCounters,
    /// The types that it was told to delete nothing of.
    pub partial_datasets: Vec<String>,
    /// The uploads, and what JupiterOne did not take.
    pub uploads: Uploads,
    /// The values that had to be changed.
    pub findings: Vec<SchemaViolation>,
    /// The types that were delivered, as [`Delivered::types`] has them.
    #[serde(skip)]
    pub(crate) types: BTreeMap<String, Option<(String, String)>>,
    /// The types that were withheld, so that JupiterOne deleted them.
    #[serde(skip)]
    pub(crate) purged: BTreeSet<String>,
    /// The objects that were delivered besides the generation's tables.
    #[serde(skip)]
    pub(crate) extras: Extras,
    /// The type of the events that were delivered, and the number from which on others are new.
    #[serde(skip)]
    pub(crate) events_through: Option<(String, u64)>,
}

impl core_destination::DeliveryReport for DeliveryReport {
    fn job(&self) -> String {
        self.job.to_string()
    }

    fn is_whole(&self) -> bool {
        Self::is_whole(self)
    }
}

impl DeliveryReport {
    /// Returns true if JupiterOne has every object of the generation.
    pub fn is_whole(&self) -> bool {
        self.uploads.losses.is_empty()
            && self.counters.errors() == 0
            && self.findings.iter().all(|finding| finding.remedy != Fix::ObjectLeftOut)
    }

    /// Returns the record to keep of it, together with the types that were delivered there `before`.
    pub fn delivered(&self, before: Option<&Delivered>) -> Delivered {
        let mut types = before.map(|before| before.types.clone()).unwrap_or_default();
        types.extend(self.types.clone());
        let mut events = before.map(|before| before.events.clone()).unwrap_or_default();
        events.extend(self.events_through.clone().filter(|_| self.is_whole()));
        // What is purged is delivered from its beginning if it ever is again.
        events.retain(|name, _| !self.purged.contains(name));
        Delivered {
            destination: self.destination.clone(),
            generation: self.generation.clone(),
            whole: self.is_whole(),
            types,
            purged: self.purged.clone(),
            pending: None,
            unfinished: None,
            shape: SHAPE_VERSION,
            extras: self.extras,
            partial: Some(self.partial_datasets.iter().cloned().collect()),
            erasures: before.map(|before| before.erasures.clone()).unwrap_or_default(),
            events,
        }
    }
}
