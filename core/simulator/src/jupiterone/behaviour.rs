//! The switches of a simulated JupiterOne: its refusals, its delays and its faults.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The behaviour of the simulated JupiterOne. `Default` is a healthy one.
#[derive(Debug, Clone)]
pub struct JupiterOneBehaviour {
    /// The shortest time before every answer.
    pub latency: Duration,
    /// The largest upload in bytes of JSON; a larger one is answered with 413.
    pub max_upload_bytes: usize,
    /// True if objects are only counted by their keys, not checked or kept. For deliveries that are
    /// larger than the memory.
    pub only_counts: bool,
    /// Keys of unacceptable objects: an upload with one of them is answered with 400.
    pub refused_keys: BTreeSet<String>,
    /// True if a second job of the same source and scope is answered with 409 while one awaits
    /// uploads.
    pub one_job_at_a_time: bool,
    /// The state in which a finalized job ends; only `FINISHED` changes the graph, unless `applies_failed_jobs`.
    pub ends_as: &'static str,
    /// True if a job changes the graph in whatever state it ends.
    pub applies_failed_jobs: bool,
    /// Counters of errors that every job that ends has besides, by their names, such as
    /// `numMappedRelationshipCreateErrors`.
    pub counted_errors: BTreeMap<&'static str, u64>,
    /// The faults.
    pub faults: Vec<JobFault>,
    /// The point from which no request is answered, if any.
    pub silence: Option<Silence>,
}

impl Default for JupiterOneBehaviour {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            max_upload_bytes: 6_000_000,
            only_counts: false,
            refused_keys: BTreeSet::new(),
            one_job_at_a_time: false,
            ends_as: "FINISHED",
            applies_failed_jobs: false,
            counted_errors: BTreeMap::new(),
            faults: Vec::new(),
            silence: None,
        }
    }
}

/// A point from which no request is answered, whatever the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// The number of requests that are still answered.
    pub after: u32,
    /// True if the first unanswered request is still carried out.
    pub hears_one: bool,
}

impl Silence {
    /// Returns the effect on the next request; `None` while requests are answered.
    pub(super) fn strike(&mut self) -> Option<JobFaultKind> {
        if self.after > 0 {
            self.after -= 1;
            return None;
        }
        let hears_it = std::mem::take(&mut self.hears_one);
        Some(if hears_it { JobFaultKind::LostAnswer } else { JobFaultKind::Unheard })
    }
}

/// A fault of some calls.
#[derive(Debug, Clone)]
pub struct JobFault {
    /// The call.
    pub call: JobCall,
    /// The number of these calls that still work before.
    pub after: u32,
    /// The number of these calls that fail then.
    pub times: u32,
    /// The effect.
    pub kind: JobFaultKind,
}

/// The effect of a fault on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobFaultKind {
    /// Answered with this status and not carried out.
    Status(u16),
    /// Answered with 429 and this many seconds to wait.
    Throttled(u64),
    /// Carried out, but the answer never comes.
    LostAnswer,
    /// Not carried out, and no answer comes.
    Unheard,
    /// Not carried out, and answered with 200 and JSON that is not about the job.
    AnswersOk,
    /// Not carried out, and answered with this status and a login page, as by a proxy.
    WebPage(u16),
    /// Not carried out, and answered with 200 and the unchanged job.
    StoresNothing,
    /// The job is aborted first.
    JobEnded,
}

/// The calls of the synchronization interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobCall {
    /// Create a job.
    Create,
    /// Get a job.
    Get,
    /// Upload entities.
    Entities,
    /// Upload relationships.
    Relationships,
    /// Write to the job's log.
    Events,
    /// Finalize a job.
    Finalize,
    /// Abort a job.
    Abort,
}
