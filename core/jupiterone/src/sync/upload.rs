//! Uploads all objects of one kind: a thread reads, shapes and compresses them, and some uploads are under
//! way at a time, so that a slow receiver slows the reading and nothing piles up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use core_http::{Jitter, Retry};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use tokio::sync::mpsc;

use super::answer::Meaning;
use super::batch::{Batch, Cutter};
use super::correlation_id::correlation_id;
use super::job::JobId;
use super::retry_cause::RetryCause;
use super::settings::SyncSettings;
use super::transport::{Api, Request};
use crate::contents::Contents;
use crate::error::JupiterOneError;
use crate::objects::ObjectKind;
use crate::schema_violations::SchemaViolations;

/// The counts of uploads, and what could not be uploaded.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Uploads {
    /// Objects that JupiterOne took.
    pub objects: u64,
    /// Uploads that it took.
    pub requests: u64,
    /// Bytes of JSON in them.
    pub json_bytes: u64,
    /// The same after compression.
    pub sent_bytes: u64,
    /// The objects that it did not take, by type.
    pub losses: BTreeMap<String, Loss>,
    /// Uploads that failed for good.
    pub lost_uploads: u32,
}

/// Objects of one type that JupiterOne did not take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// Objects that it refused, alone as well.
    pub refused: u64,
    /// The `_key` of the first of them.
    pub sample_key: Option<String>,
    /// Objects in uploads that failed for good.
    pub lost: u64,
    /// The correlation id of the first of these uploads, by which JupiterOne's support finds it.
    pub correlation_id: Option<String>,
}

/// The state that all uploads of a job share.
pub(super) struct Uploader<'a> {
    pub(super) api: &'a Api,
    pub(super) settings: &'a SyncSettings,
    pub(super) random: &'a Jitter,
    pub(super) job: &'a JobId,
    /// The largest upload, in bytes of JSON; lowered when JupiterOne finds one too large.
    pub(super) limit: Arc<AtomicUsize>,
}

/// The result of one upload, in parts if it was split.
#[derive(Default)]
struct Outcome {
    uploads: Uploads,
    /// The reason why a part of it was lost.
    failure: Option<JupiterOneError>,
}

/// The end of one request.
enum Sent {
    Stored,
    TooLarge,
    Refused,
    Lost(JupiterOneError),
}

impl Uploader<'_> {
    /// Uploads all objects of a kind and adds what became of them.
    ///
    /// # Errors
    /// The error that makes the rest of the job senseless; then it is to be given up.
    pub(super) async fn upload(
        &self,
        contents: &Arc<Contents>,
        kind: ObjectKind,
        uploads: &mut Uploads,
        findings: &mut SchemaViolations,
        mut on_progress: impl FnMut(&Uploads),
    ) -> Result<(), JupiterOneError> {
        let (sender, mut batches) = mpsc::channel(1);
        let (contents, limit) = (Arc::clone(contents), Arc::clone(&self.limit));
        let producer =
            tokio::task::spawn_blocking(move || produce(&contents, kind, limit, &sender));
        let mut in_flight = FuturesUnordered::new();
        let mut is_open = true;
        while is_open || !in_flight.is_empty() {
            let has_room = in_flight.len() < self.settings.uploads_in_flight.max(1);
            tokio::select! {
                Some(outcome) = in_flight.next() => {
                    self.add(uploads, outcome?)?;
                    on_progress(uploads);
                }
                batch = batches.recv(), if is_open && has_room => match batch {
                    Some(batch) => in_flight.push(self.deliver(batch)),
                    None => is_open = false,
                },
            }
        }
        findings.merge(producer.await.expect("reading a generation does not panic")?);
        Ok(())
    }

    /// Adds an outcome, and decides whether too much was lost.
    fn add(&self, uploads: &mut Uploads, outcome: Outcome) -> Result<(), JupiterOneError> {
        let new = outcome.uploads;
        uploads.objects += new.objects;
        uploads.requests += new.requests;
        uploads.json_bytes += new.json_bytes;
        uploads.sent_bytes += new.sent_bytes;
        uploads.lost_uploads += new.lost_uploads;
        for (type_name, loss) in new.losses {
            let known = uploads.losses.entry(type_name).or_default();
            known.refused += loss.refused;
            known.lost += loss.lost;
            known.sample_key = known.sample_key.take().or(loss.sample_key);
            known.correlation_id = known.correlation_id.take().or(loss.correlation_id);
        }
        if let Some(failure) = outcome.failure
            && uploads.lost_uploads > self.settings.max_lost_uploads
        {
            return Err(failure);
        }
        let refused = uploads.losses.values().map(|loss| loss.refused).sum();
        if refused > self.settings.max_refused_objects {
            return Err(JupiterOneError::TooManyRefused {
                job: self.job.clone(),
                objects: refused,
            });
        }
        Ok(())
    }

    /// Uploads a batch, in halves where it has to be.
    async fn deliver(&self, batch: Batch) -> Result<Outcome, JupiterOneError> {
        let mut outcome = Outcome::default();
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let correlation_id = correlation_id(self.random);
            let sent = self.send(&batch, &correlation_id).await?;
            let uploads = &mut outcome.uploads;
            match sent {
                Sent::Stored => {
                    uploads.objects += batch.objects() as u64;
                    uploads.requests += 1;
                    uploads.json_bytes += batch.json_bytes as u64;
                    uploads.sent_bytes += batch.body.len() as u64;
                }
                Sent::TooLarge | Sent::Refused if batch.objects() > 1 => {
                    if matches!(sent, Sent::TooLarge) {
                        self.limit.fetch_min(batch.json_bytes / 2, Ordering::Relaxed);
                    }
                    // The first half is to be sent first.
                    let [first, second] = batch.split()?;
                    waiting.extend([second, first]);
                }
                Sent::TooLarge | Sent::Refused => {
                    let run = &batch.runs[0];
                    let loss = uploads.losses.entry(run.type_name.to_string()).or_default();
                    loss.refused += 1;
                    loss.sample_key = loss.sample_key.take().or(batch.first_key()?);
                    let type_name = &*run.type_name;
                    tracing::info!(type_name, correlation_id, "an object was refused");
                    loss.correlation_id.get_or_insert(correlation_id);
                    if loss.refused > self.settings.max_refused_objects {
                        break;
                    }
                }
                Sent::Lost(failure) => {
                    for run in &batch.runs {
                        let loss = uploads.losses.entry(run.type_name.to_string()).or_default();
                        loss.lost += run.objects as u64;
                        loss.correlation_id.get_or_insert_with(|| correlation_id.clone());
                    }
                    uploads.lost_uploads += 1;
                    let n_objects = batch.objects();
                    tracing::info!(n_objects, correlation_id, "an upload failed for good");
                    outcome.failure = Some(failure);
                }
            }
        }
        Ok(outcome)
    }

    /// Sends one batch until there is an answer. Repeating it is harmless: an object is found by its key.
    async fn send(&self, batch: &Batch, correlation_id: &str) -> Result<Sent, JupiterOneError> {
        let mut retry =
            Retry::new(&self.settings.retry, self.random, self.settings.retry.max_attempts);
        let request = Request::Upload {
            job: self.job,
            kind: batch.kind,
            body: batch.body.clone(),
            correlation_id,
        };
        loop {
            let cause = match self.api.send(&request).await {
                Ok(answer) => match answer.meaning() {
                    Meaning::Done => return Ok(Sent::Stored),
                    Meaning::TooLarge => return Ok(Sent::TooLarge),
                    Meaning::Refused => return Ok(Sent::Refused),
                    Meaning::JobEnded => {
                        return Err(JupiterOneError::JobEnded { job: self.job.clone() });
                    }
                    Meaning::Conflict => return Err(answer.unexpected()),
                    Meaning::Fatal(error) => return Err(error),
                    Meaning::Retry(cause) => cause,
                },
                Err(error) => RetryCause::NoAnswer(error),
            };
            if let Err(failure) = retry.pause(cause).await {
                return Ok(Sent::Lost(failure));
            }
        }
    }
}

/// The reason why reading stops early.
enum Stop {
    /// It failed.
    Error(JupiterOneError),
    /// The receiver of the batches is gone.
    NotWanted,
}

impl From<JupiterOneError> for Stop {
    fn from(error: JupiterOneError) -> Self {
        Self::Error(error)
    }
}

/// Reads all objects of a kind and hands them out in batches.
fn produce(
    contents: &Contents,
    kind: ObjectKind,
    limit: Arc<AtomicUsize>,
    sender: &mpsc::Sender<Batch>,
) -> Result<SchemaViolations, JupiterOneError> {
    let mut findings = SchemaViolations::default();
    match produce_until_stopped(contents, kind, limit, sender, &mut findings) {
        Ok(()) | Err(Stop::NotWanted) => Ok(findings),
        Err(Stop::Error(error)) => Err(error),
    }
}

fn produce_until_stopped(
    contents: &Contents,
    kind: ObjectKind,
    limit: Arc<AtomicUsize>,
    sender: &mpsc::Sender<Batch>,
    findings: &mut SchemaViolations,
) -> Result<(), Stop> {
    let mut cutter = Cutter::new(kind, limit);
    let send = |batch: Option<Batch>| match batch {
        Some(batch) => sender.blocking_send(batch).map_err(|_| Stop::NotWanted),
        None => Ok(()),
    };
    for table in contents.tables(kind.tables()) {
        let type_name = Arc::from(table.name.as_str());
        contents.for_each_object(table, findings, |object| {
            send(cutter.push(&type_name, object.json)?)
        })?;
    }
    send(cutter.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{ApiKey, BaseUrl, Destination, Source};

    const LIMIT: u64 = 3;

    /// The outcome of an upload that lost objects of a type.
    fn lost(type_name: &str, refused: u64, missing: u64, sample: &str) -> Outcome {
        let loss = Loss {
            refused,
            sample_key: Some(sample.to_owned()),
            lost: missing,
            correlation_id: Some(format!("upload of {sample}")),
        };
        let failure = JupiterOneError::AnotherJobActive;
        Outcome {
            uploads: Uploads {
                losses: BTreeMap::from([(type_name.to_owned(), loss)]),
                lost_uploads: u32::from(missing > 0),
                ..Uploads::default()
            },
            failure: (missing > 0).then_some(failure),
        }
    }

    /// Adds outcomes one after the other. Returns the sum and the error that ended it.
    fn sum(outcomes: Vec<Outcome>) -> (Uploads, Option<JupiterOneError>) {
        let base = BaseUrl::parse("http://127.0.0.1:9").expect("it is loopback");
        let source = Source::Api { scope: "one".to_owned() };
        let destination = Destination::new(base, "demo", source).expect("it is legal");
        let key = ApiKey::new("demo-key".to_owned()).expect("it is legal");
        let mut settings = SyncSettings::new(1);
        (settings.max_refused_objects, settings.max_lost_uploads) = (LIMIT, 2);
        let api = Api::new(&destination, key, &settings).expect("it makes a client");
        let (random, job) = (Jitter::new(1), JobId::parse("a-1").expect("it is legal"));
        let limit = Arc::new(AtomicUsize::new(settings.batch_bytes));
        let uploader =
            Uploader { api: &api, settings: &settings, random: &random, job: &job, limit };
        let mut uploads = Uploads::default();
        let mut outcomes = outcomes.into_iter();
        let error = outcomes.find_map(|outcome| uploader.add(&mut uploads, outcome).err());
        (uploads, error)
    }

    #[test]
    fn losses_of_a_type_are_added_up_with_the_first_sample() {
        let stored = Uploads {
            objects: 10,
            requests: 2,
            json_bytes: 900,
            sent_bytes: 90,
            ..Uploads::default()
        };
        let stored = || Outcome { uploads: stored.clone(), failure: None };
        let outcomes = vec![
            stored(),
            lost("nexthink_user", 1, 0, "a"),
            stored(),
            lost("nexthink_user", 1, 5, "b"),
            lost("nexthink_alert", 1, 0, "c"),
        ];
        let (uploads, error) = sum(outcomes);
        assert!(error.is_none(), "{error:?}");
        let counts = [uploads.objects, uploads.requests, uploads.json_bytes, uploads.sent_bytes];
        assert_eq!((counts, uploads.lost_uploads), ([20, 4, 1_800, 180], 1));
        let first = |name: &str| Some(name.to_owned());
        let expected = Loss {
            refused: 2,
            sample_key: first("a"),
            lost: 5,
            correlation_id: first("upload of a"),
        };
        assert_eq!(uploads.losses["nexthink_user"], expected);
        assert_eq!(uploads.losses["nexthink_alert"].refused, 1);
    }

    #[test]
    fn a_job_goes_on_with_as_many_losses_as_may_be_and_ends_with_one_more() {
        let refused = |objects| lost("nexthink_user", objects, 0, "a");
        let failed = || lost("nexthink_user", 0, 7, "a");
        assert!(sum(vec![refused(LIMIT)]).1.is_none());
        // Over all types.
        let error = sum(vec![refused(LIMIT), lost("nexthink_alert", 1, 0, "b")]).1;
        assert!(matches!(error, Some(JupiterOneError::TooManyRefused { objects: 4, .. })));
        assert!(sum(vec![failed(), failed()]).1.is_none());
        let error = sum(vec![failed(), failed(), failed()]).1;
        assert!(matches!(error, Some(JupiterOneError::AnotherJobActive)), "the reason is told");
    }
}
