//! Copies a tenant from one place to another, for backups outside the machine and to move a store.
//!
//! A copy makes the target equal to the source. It sends the files that the target lacks, and compares every file
//! with its hash on both sides. Last and in one step it changes what readers see: the head of a bucket, or the
//! pointer of a folder. The same copy removes from the target what the source no longer has, such as rows of an
//! erased person. The next copy finishes an interrupted one, and sends nothing twice.

mod relation;
mod source;
mod target;

use std::fmt;
use std::time::Duration;

use core_store::{GenerationId, TenantSnapshot};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use self::source::Source;
use self::target::Target;
use crate::error::BucketError;
use crate::lease::Random;
use crate::place::Place;
use crate::probe::DeletedObjects;

/// The number of files that are sent at the same time. Each needs two pieces of memory at most.
const FILES_AT_ONCE: usize = 8;

/// The number of times that a copy starts again if its source changes.
const ATTEMPTS: u32 = 3;

/// A request to copy a tenant.
pub struct CopyRequest<'a> {
    /// The source.
    pub from: &'a Place,
    /// The target.
    pub to: &'a Place,
    /// The tenant's name.
    pub tenant: &'a str,
    /// This process, for the messages of processes that find the lock taken.
    pub owner: &'a str,
    /// The time for which the bucket keeps deleted objects, if it does.
    pub deleted_objects: DeletedObjects,
    /// The lifetime of the lease in a bucket.
    pub lease_lifetime: Duration,
    /// Random bits for nonces and keys.
    pub random: Random,
    /// True if nothing must be written.
    pub is_dry_run: bool,
    /// Called before anything is sent from a folder, to write to its ledger. Its changes are copied too.
    pub before_sending: &'a dyn Fn() -> Result<(), BucketError>,
}

impl fmt::Debug for CopyRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CopyRequest")
            .field("from", &self.from.to_string())
            .field("to", &self.to.to_string())
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// The result of a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// The published generation of the source.
    pub current: Option<GenerationId>,
    /// The number of generations.
    pub generations: usize,
    /// The number of files, and their size in bytes.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// The number of files that were sent.
    pub sent_files: usize,
    /// Their size in bytes.
    pub sent_bytes: u64,
    /// The number of files or objects that were removed from the target.
    pub removed: usize,
}

impl CopyReport {
    /// The files that are stored, sent and removed, with their number and size in bytes.
    pub fn counts(&self) -> [(&'static str, usize, Option<u64>); 3] {
        [
            ("stored", self.files, Some(self.bytes)),
            ("sent", self.sent_files, Some(self.sent_bytes)),
            ("removed", self.removed, None),
        ]
    }

    /// Says in a sentence what the target has now, or would have.
    pub fn text(&self, request: &CopyRequest<'_>) -> String {
        let (tenant, to) = (request.tenant, request.to);
        let published = self.current.as_ref().map_or_else(String::new, ToString::to_string);
        if request.is_dry_run {
            format!("nothing was copied: this is what a copy of tenant {tenant} to {to} would do")
        } else {
            format!("{to} has tenant {tenant} with generation {published} and all before it")
        }
    }

    /// The report and the request as one JSON object.
    pub fn to_json(&self, request: &CopyRequest<'_>) -> serde_json::Value {
        serde_json::json!({
            "tenant": request.tenant,
            "from": request.from.to_string(),
            "to": request.to.to_string(),
            "isDryRun": request.is_dry_run,
            "current": self.current,
            "generations": self.generations,
            "files": self.files,
            "bytes": self.bytes,
            "sentFiles": self.sent_files,
            "sentBytes": self.sent_bytes,
            "removed": self.removed,
        })
    }
}

/// Copies a tenant.
///
/// # Errors
///
/// [`BucketError::Refused`] for a target that is newer or another tenant's; [`BucketError::Empty`];
/// [`BucketError::SourceChanged`] if the source changes again and again; [`BucketError::Held`]; errors of reading and
/// writing. After an error, readers of the target see its old state or the whole copy, and the next copy continues.
pub async fn copy(request: &CopyRequest<'_>) -> Result<CopyReport, BucketError> {
    if request.from.to_string() == request.to.to_string() {
        return Err(BucketError::Refused {
            reason: "both places are the same".to_owned(),
            fix: "name another place to copy to",
        });
    }
    let mut source = Source::open(request).await?;
    if request.is_dry_run {
        return dry_run(request, &source).await;
    }
    let mut target = Target::open(request).await?;
    let copied = copy_to(request, &mut source, &mut target).await;
    target.close().await;
    copied
}

async fn copy_to(
    request: &CopyRequest<'_>,
    source: &mut Source,
    target: &mut Target,
) -> Result<CopyReport, BucketError> {
    relation::check(request, source, target.known()).await?;
    source.prepare(request)?;
    for _ in 1..ATTEMPTS {
        match copy_once(source, target).await {
            Err(BucketError::SourceChanged) => source.refresh().await?,
            ended => return ended,
        }
    }
    copy_once(source, target).await
}

async fn copy_once(source: &Source, target: &mut Target) -> Result<CopyReport, BucketError> {
    let snapshot = source.snapshot();
    let mut report = report(snapshot);
    let missing = target.missing(snapshot).await?;
    report.sent_files = missing.len();
    let sizes = missing.iter().filter_map(|path| snapshot.files.get(path));
    report.sent_bytes = sizes.map(|file| file.bytes).sum();
    {
        let target = &*target;
        let sending = stream::iter(&missing)
            .map(|path| target.put(path, &snapshot.files[path], async || source.read(path).await));
        sending.buffer_unordered(FILES_AT_ONCE).try_collect::<Vec<()>>().await?;
    }
    source.check_unchanged().await?;
    report.removed = target.publish(snapshot).await?;
    Ok(report)
}

/// Computes the report of a copy without copying.
async fn dry_run(request: &CopyRequest<'_>, source: &Source) -> Result<CopyReport, BucketError> {
    let known = target::look(request).await?;
    relation::check(request, source, &known).await?;
    let snapshot = source.snapshot();
    let mut report = report(snapshot);
    for (path, file) in &snapshot.files {
        if known.snapshot.files.get(path) != Some(file) {
            report.sent_files += 1;
            report.sent_bytes += file.bytes;
        }
    }
    let gone = known.snapshot.files.keys().filter(|path| !snapshot.files.contains_key(*path));
    report.removed = gone.count();
    Ok(report)
}

fn report(snapshot: &TenantSnapshot) -> CopyReport {
    CopyReport {
        current: snapshot.current.clone(),
        generations: snapshot.generations().len(),
        files: snapshot.files.len(),
        bytes: snapshot.bytes(),
        ..CopyReport::default()
    }
}
