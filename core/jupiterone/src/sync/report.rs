//! What a delivery did.

use core_store::GenerationId;
use serde::Serialize;

use super::destination::{Delivered, DestinationIdentity};
use super::job::{JobCounters, JobId, JobStatus};
use super::upload::Uploads;
use crate::findings::{Finding, Remedy};

/// What a delivery did. It holds keys as samples, and no other content.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryReport {
    /// Where to.
    pub destination: DestinationIdentity,
    /// Which generation.
    pub generation: GenerationId,
    /// The job.
    pub job: JobId,
    /// How it ended.
    pub status: JobStatus,
    /// What JupiterOne did, by its own count.
    pub counters: JobCounters,
    /// The types that it was told to delete nothing of.
    pub partial_datasets: Vec<String>,
    /// What was uploaded, and what it did not take.
    pub uploads: Uploads,
    /// What had to be mended.
    pub findings: Vec<Finding>,
}

impl DeliveryReport {
    /// Whether JupiterOne has every object of the generation.
    pub fn is_whole(&self) -> bool {
        self.uploads.losses.is_empty()
            && self.counters.errors() == 0
            && self.findings.iter().all(|it| it.remedy != Remedy::ObjectLeftOut)
    }

    /// What to remember of it.
    pub fn delivered(&self) -> Delivered {
        Delivered {
            destination: self.destination.clone(),
            generation: self.generation.clone(),
            whole: self.is_whole(),
        }
    }
}
