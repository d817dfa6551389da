//! The state that the handlers share: the jobs, the graph, and a record of every request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::behaviour::{JobCall, JobFaultKind, JupiterOneBehaviour, Silence};
use super::graph::{Changes, KeptGraph};

/// A request that the simulated JupiterOne received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// The call.
    pub call: JobCall,
    /// The correlation id of the request.
    pub correlation_id: Option<String>,
    /// The size of the body as sent, in bytes.
    pub sent_bytes: usize,
    /// The size of the body after decompression, in bytes.
    pub json_bytes: usize,
}

/// The public view of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// The ID.
    pub id: String,
    /// The status.
    pub status: String,
    /// The types that were declared partial.
    pub partial_types: Vec<String>,
    /// Objects that were uploaded twice.
    pub repeated: u64,
    /// Entities that came after the first relationship.
    pub late_entities: u64,
    /// The names of the events in its log.
    pub events: Vec<String>,
}

/// A job.
pub(super) struct Job {
    view: JobView,
    source: String,
    scope: String,
    ignore_duplicates: bool,
    uploaded: KeptGraph,
    /// The number of uploaded entities and relationships that are not in `uploaded`: they were only
    /// counted, or the graph has them.
    counted: [u64; 2],
    changes: Changes,
    /// Further counters of errors, by name.
    errors: BTreeMap<&'static str, u64>,
}

pub(super) struct State {
    pub(super) account: String,
    pub(super) api_key: String,
    shared: Mutex<Shared>,
}

pub(super) struct Shared {
    pub(super) behaviour: JupiterOneBehaviour,
    pub(super) requests: Vec<JobRequest>,
    pub(super) jobs: Vec<Job>,
    /// By source and scope.
    pub(super) graphs: BTreeMap<String, KeptGraph>,
    pub(super) in_flight: usize,
    pub(super) most_in_flight: usize,
    pub(super) unanswered: usize,
}

/// The refusal of a call: status, code, message.
pub(super) type Refusal = (u16, &'static str, &'static str);

const ENDED: Refusal = (400, "JOB_NOT_AWAITING_UPLOADS", "the job does not await uploads");
const UNKNOWN: Refusal = (404, "NOT_FOUND", "there is no such job");

impl State {
    pub(super) fn new(account: String, api_key: String, behaviour: JupiterOneBehaviour) -> Self {
        let shared = Shared {
            behaviour,
            requests: Vec::new(),
            jobs: Vec::new(),
            graphs: BTreeMap::new(),
            in_flight: 0,
            most_in_flight: 0,
            unanswered: 0,
        };
        Self { account, api_key, shared: Mutex::new(shared) }
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Returns the fault of this call, if there is one.
    pub(super) fn strike(&mut self, call: JobCall) -> Option<JobFaultKind> {
        let silence = self.behaviour.silence.as_mut().and_then(Silence::strike);
        if silence.is_some() {
            return silence;
        }
        let fault =
            self.behaviour.faults.iter_mut().find(|fault| fault.call == call && fault.times > 0)?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.kind)
    }

    pub(super) fn create(&mut self, body: &Value) -> Result<Value, Refusal> {
        let text = |name: &str| body[name].as_str().map(ToOwned::to_owned);
        let source = text("source").unwrap_or_default();
        let (needed, forbidden) = match source.as_str() {
            "api" => ("scope", "integrationInstanceId"),
            "integration-external" | "integration-managed" => ("integrationInstanceId", "scope"),
            _ => return Err((400, "BAD_REQUEST", "the source is not known")),
        };
        let (Some(scope), None) = (text(needed), text(forbidden)) else {
            return Err((400, "BAD_REQUEST", "scope and instance do not fit the source"));
        };
        // The default mode is DIFF.
        if text("syncMode").is_some_and(|mode| mode != "DIFF") {
            return Err((400, "BAD_REQUEST", "the mode is not simulated"));
        }
        let is_conflicting =
            |job: &Job| job.scope == scope && job.source == source && job.is_open();
        if self.behaviour.one_job_at_a_time && self.jobs.iter().any(is_conflicting) {
            return Err((409, "JOB_ACTIVE", "another job is active"));
        }
        let view = JobView {
            id: format!("f445397d-8491-4a12-806a-{:012}", self.jobs.len() + 1),
            status: "AWAITING_UPLOADS".to_owned(),
            partial_types: Vec::new(),
            repeated: 0,
            late_entities: 0,
            events: Vec::new(),
        };
        let job = Job {
            view,
            source,
            scope,
            ignore_duplicates: body["ignoreDuplicates"].as_bool().unwrap_or(false),
            uploaded: KeptGraph::default(),
            counted: [0, 0],
            changes: Changes::default(),
            errors: BTreeMap::new(),
        };
        let description = job.description();
        self.jobs.push(job);
        Ok(description)
    }

    /// Returns a job's state; each request for it moves a finalized job on.
    pub(super) fn ask(&mut self, id: &str) -> Result<Value, Refusal> {
        let job = self.job(id)?;
        let description = job.description();
        let next = match job.view.status.as_str() {
            "FINALIZE_PENDING" => "FINALIZING_ENTITIES",
            "FINALIZING_ENTITIES" => "FINALIZING_RELATIONSHIPS",
            "FINALIZING_RELATIONSHIPS" => {
                self.end(id)?;
                return Ok(description);
            }
            _ => return Ok(description),
        };
        next.clone_into(&mut job.view.status);
        Ok(description)
    }

    /// Ends every finalized job, the oldest first.
    pub(super) fn end_finalized(&mut self) {
        let finalized = self.jobs.iter().filter(|job| job.view.status.starts_with("FINALIZ"));
        let ids: Vec<String> = finalized.map(|job| job.view.id.clone()).collect();
        for id in ids {
            // It was found a moment ago.
            let _ = self.end(&id);
        }
    }

    /// Ends a finalized job. The graph changes only now, as JupiterOne's does.
    fn end(&mut self, id: &str) -> Result<(), Refusal> {
        let ends_as = self.behaviour.ends_as;
        let is_applied = ends_as == "FINISHED" || self.behaviour.applies_failed_jobs;
        let errors = self.behaviour.counted_errors.clone();
        let job = self.job(id)?;
        job.errors = errors;
        ends_as.clone_into(&mut job.view.status);
        let uploaded = std::mem::take(&mut job.uploaded);
        job.counted[0] += uploaded.entities.len() as u64;
        job.counted[1] += uploaded.relationships.len() as u64;
        let partial = job.view.partial_types.iter().cloned().collect();
        let graph = format!("{} {}", job.source, job.scope);
        if is_applied {
            let changes = self.graphs.entry(graph).or_default().take_over(uploaded, &partial);
            self.job(id)?.changes = changes;
        }
        Ok(())
    }

    pub(super) fn upload(
        &mut self,
        id: &str,
        call: JobCall,
        objects: Vec<Value>,
    ) -> Result<Value, Refusal> {
        let refused = &self.behaviour.refused_keys;
        if objects
            .iter()
            .any(|object| object["_key"].as_str().is_some_and(|key| refused.contains(key)))
        {
            return Err((400, "VALIDATION_FAILED", "an object is not acceptable"));
        }
        let job = self.awaiting(id)?;
        let is_entity = call == JobCall::Entities;
        if is_entity && !job.uploaded.relationships.is_empty() {
            job.view.late_entities += objects.len() as u64;
        }
        let uploaded = &mut job.uploaded;
        let list = if is_entity { &mut uploaded.entities } else { &mut uploaded.relationships };
        let key = |object: &Value| object["_key"].as_str().unwrap_or_default().to_owned();
        let repeated =
            objects.iter().filter(|object| list.contains_key(&key(object))).count() as u64;
        if repeated > 0 && !job.ignore_duplicates {
            return Err((400, "DUPLICATE_KEY", "a key was uploaded before"));
        }
        job.view.repeated += repeated;
        list.extend(objects.into_iter().map(|object| (key(&object), object)));
        Ok(job.description())
    }

    /// Counts an upload whose objects are not kept.
    pub(super) fn count(
        &mut self,
        id: &str,
        call: JobCall,
        objects: u64,
    ) -> Result<Value, Refusal> {
        let job = self.awaiting(id)?;
        job.counted[usize::from(call == JobCall::Relationships)] += objects;
        Ok(job.description())
    }

    pub(super) fn log(&mut self, id: &str, body: &Value) -> Result<Value, Refusal> {
        let job = self.awaiting(id)?;
        if job.source == "api" {
            return Err((400, "BAD_REQUEST", "the job has no log"));
        }
        let events = body["events"].as_array().into_iter().flatten();
        job.view
            .events
            .extend(events.filter_map(|event| event["name"].as_str().map(ToOwned::to_owned)));
        Ok(json!({}))
    }

    pub(super) fn finalize(&mut self, id: &str, body: &Value) -> Result<Value, Refusal> {
        let types = body["partialDatasets"]["types"].as_array().into_iter().flatten();
        let partial: BTreeSet<_> =
            types.filter_map(|name| name.as_str().map(ToOwned::to_owned)).collect();
        let job = self.awaiting(id)?;
        job.view.partial_types = partial.into_iter().collect();
        "FINALIZE_PENDING".clone_into(&mut job.view.status);
        Ok(job.description())
    }

    pub(super) fn abort(&mut self, id: &str) -> Result<Value, Refusal> {
        let job = self.awaiting(id)?;
        "ABORTED".clone_into(&mut job.view.status);
        job.uploaded = KeptGraph::default();
        Ok(job.description())
    }

    pub(super) fn views(&self) -> Vec<JobView> {
        self.jobs.iter().map(|job| job.view.clone()).collect()
    }

    fn job(&mut self, id: &str) -> Result<&mut Job, Refusal> {
        self.jobs.iter_mut().find(|job| job.view.id == id).ok_or(UNKNOWN)
    }

    fn awaiting(&mut self, id: &str) -> Result<&mut Job, Refusal> {
        let job = self.job(id)?;
        if job.is_open() { Ok(job) } else { Err(ENDED) }
    }
}

impl Job {
    fn is_open(&self) -> bool {
        self.view.status == "AWAITING_UPLOADS"
    }

    /// Describes the job as the interface does, before this request changes it.
    fn description(&self) -> Value {
        let is_api = self.source == "api";
        let Changes { entities, relationships, mapped } = &self.changes;
        let [n_entities, n_relationships] = self.counted;
        let mut job = json!({
            "id": self.view.id,
            "source": self.source,
            "status": self.view.status,
            "startTimestamp": 1_586_915_139_427_u64,
            "numEntitiesUploaded": self.uploaded.entities.len() as u64 + n_entities,
            "numEntitiesCreated": entities.created,
            "numEntitiesUpdated": entities.updated,
            "numEntitiesDeleted": entities.deleted,
            "numRelationshipsUploaded": self.uploaded.relationships.len() as u64 + n_relationships,
            "numRelationshipsCreated": relationships.created,
            "numRelationshipsUpdated": relationships.updated,
            "numRelationshipsDeleted": relationships.deleted,
            "numRelationshipCreateErrors": relationships.create_errors,
            "numMappedRelationshipsCreated": mapped.created,
            "numMappedRelationshipsUpdated": mapped.updated,
            "numMappedRelationshipsDeleted": mapped.deleted,
            "numMappedRelationshipCreateErrors": mapped.create_errors,
        });
        for (name, count) in &self.errors {
            let before = job[*name].as_u64().unwrap_or_default();
            job[*name] = json!(before + count);
        }
        if is_api {
            job["scope"] = json!(self.scope);
        } else {
            job["integrationInstanceId"] = json!(self.scope);
            job["integrationJobId"] = json!(format!("log-of-{}", self.view.id));
        }
        json!({ "job": job })
    }
}
