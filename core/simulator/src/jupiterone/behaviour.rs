//! The switches of a simulated JupiterOne: what it refuses, how long it takes, when it breaks.

use std::collections::BTreeSet;
use std::time::Duration;

/// How the simulated JupiterOne behaves. `Default` is a healthy one.
#[derive(Debug, Clone)]
pub struct JupiterOneBehaviour {
    /// How long every answer takes at least.
    pub latency: Duration,
    /// The largest upload in bytes of JSON; a larger one is answered with 413.
    pub max_upload_bytes: usize,
    /// Whether objects are only counted, by their keys: neither looked at nor kept. For deliveries that
    /// are larger than its memory.
    pub only_counts: bool,
    /// Keys of objects that are not acceptable: an upload with one of them is answered with 400.
    pub refused_keys: BTreeSet<String>,
    /// Whether a second job of the same source and scope is answered with 409 while one awaits uploads.
    pub one_job_at_a_time: bool,
    /// The state in which a finalized job ends; only `FINISHED` changes the graph.
    pub ends_as: &'static str,
    /// What goes wrong.
    pub faults: Vec<JobFault>,
    /// When it falls silent, if ever.
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
            faults: Vec::new(),
            silence: None,
        }
    }
}

/// From some request on nothing is answered any more, whatever the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// How many more requests are answered.
    pub after: u32,
    /// Whether the first one that is not answered is carried out all the same.
    pub hears_one: bool,
}

impl Silence {
    /// What happens to the next request; nothing while there are answers.
    pub(super) fn strike(&mut self) -> Option<JobFaultKind> {
        if self.after > 0 {
            self.after -= 1;
            return None;
        }
        let hears_it = std::mem::take(&mut self.hears_one);
        Some(if hears_it { JobFaultKind::LostAnswer } else { JobFaultKind::Unheard })
    }
}

/// Something that goes wrong with some calls.
#[derive(Debug, Clone)]
pub struct JobFault {
    /// With which call.
    pub call: JobCall,
    /// How many of these calls still work before.
    pub after: u32,
    /// With how many of them it goes wrong then.
    pub times: u32,
    /// What goes wrong.
    pub kind: JobFaultKind,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobFaultKind {
    /// It is answered with this status and not carried out.
    Status(u16),
    /// It is answered with 429 and this many seconds to wait.
    Throttled(u64),
    /// It is carried out, and the answer never comes.
    LostAnswer,
    /// It is not carried out, and no answer comes.
    Unheard,
    /// It is not carried out, and answered with 200 and JSON that is not about the job.
    AnswersOk,
    /// It is not carried out, and answered with this status and a page to log in on, as by a proxy.
    WebPage(u16),
    /// It is not carried out, and answered with 200 and the job as it is.
    StoresNothing,
    /// The job is ended as aborted first.
    JobEnded,
}

/// The calls of the synchronization interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobCall {
    /// Creating a job.
    Create,
    /// Asking for a job.
    Get,
    /// Uploading entities.
    Entities,
    /// Uploading relationships.
    Relationships,
    /// Writing to the job's log.
    Events,
    /// Finalizing.
    Finalize,
    /// Giving up.
    Abort,
}
