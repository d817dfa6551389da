//! A synchronization job as JupiterOne describes it (integration SDK 17.4, `types/synchronization.ts`,
//! and JupiterOne's Go and Node clients for the counters of errors, of raw data and of mapped relationships).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::JupiterOneError;

/// The id of a job: letters, digits and hyphens, so that it is nothing but one part of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`JupiterOneError::InvalidSetting`].
    pub fn parse(text: &str) -> Result<Self, JupiterOneError> {
        let is_legal = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_legal {
            return Ok(Self(text.to_owned()));
        }
        Err(JupiterOneError::InvalidSetting {
            name: "job id",
            reason: "it is not made of 1 to 64 letters, digits and hyphens",
        })
    }

    /// An id that no job has.
    pub(crate) fn unused() -> Self {
        Self("00000000-0000-0000-0000-000000000000".to_owned())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for JobId {
    type Error = JupiterOneError;

    fn try_from(text: String) -> Result<Self, JupiterOneError> {
        Self::parse(&text)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatus {
    /// It takes uploads.
    AwaitingUploads,
    /// It was finalized and waits for its turn.
    FinalizePending,
    /// Entities are taken over.
    FinalizingEntities,
    /// Relationships are taken over.
    FinalizingRelationships,
    /// It is done.
    Finished,
    /// It was given up.
    Aborted,
    /// It was given up because the integration is configured wrongly.
    AbortedDueToInvalidConfiguration,
    /// JupiterOne could not use what was uploaded.
    ErrorBadData,
    /// A state that is not documented.
    #[serde(other)]
    Unknown,
}

impl JobStatus {
    /// The name that JupiterOne gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingUploads => "AWAITING_UPLOADS",
            Self::FinalizePending => "FINALIZE_PENDING",
            Self::FinalizingEntities => "FINALIZING_ENTITIES",
            Self::FinalizingRelationships => "FINALIZING_RELATIONSHIPS",
            Self::Finished => "FINISHED",
            Self::Aborted => "ABORTED",
            Self::AbortedDueToInvalidConfiguration => "ABORTED_DUE_TO_INVALID_CONFIGURATION",
            Self::ErrorBadData => "ERROR_BAD_DATA",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Returns whether the job ended without taking the graph over.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Aborted | Self::AbortedDueToInvalidConfiguration | Self::ErrorBadData)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A job.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// Where its data comes from.
    pub source: Option<String>,
    /// The scope of the data, for the source `api`.
    pub scope: Option<String>,
    /// The integration instance, for the other sources.
    pub integration_instance_id: Option<String>,
    /// The integration's own job, if there is one; only then has the job a log.
    pub integration_job_id: Option<String>,
    /// Its counts so far.
    #[serde(flatten)]
    pub counters: JobCounters,
}

/// The counts of a job so far, by JupiterOne's own count. A counter that is missing or not a number is zero,
/// but for those of uploads, which are not known then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are the counters of JupiterOne's own interface")]
pub struct JobCounters {
    #[serde(deserialize_with = "if_known")]
    pub num_entities_uploaded: Option<u64>,
    #[serde(deserialize_with = "or_zero")]
    pub num_entities_created: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_entities_updated: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_entities_deleted: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_entity_create_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_entity_update_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_entity_delete_errors: u64,
    #[serde(deserialize_with = "if_known")]
    pub num_relationships_uploaded: Option<u64>,
    #[serde(deserialize_with = "or_zero")]
    pub num_relationships_created: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_relationships_updated: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_relationships_deleted: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_relationship_create_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_relationship_update_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_relationship_delete_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_entity_raw_data_entry_create_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_entity_raw_data_entry_update_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_entity_raw_data_entry_delete_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_relationship_raw_data_entry_create_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_relationship_raw_data_entry_update_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_relationship_raw_data_entry_delete_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_mapped_relationships_created: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_mapped_relationships_updated: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_mapped_relationships_deleted: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_mapped_relationship_create_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_mapped_relationship_update_errors: u64,
    #[serde(deserialize_with = "or_zero")]
    pub num_mapped_relationship_delete_errors: u64,
}

impl JobCounters {
    /// Objects that JupiterOne took but could not create, change or delete. A relationship cannot be
    /// created where an entity at its end does not exist.
    pub fn errors(&self) -> u64 {
        self.kinds_of_errors().into_iter().map(|(.., count)| count).sum()
    }

    /// The counters of errors: a verb, one object and several of them in words, the number.
    pub(crate) fn kinds_of_errors(&self) -> [(&'static str, &'static str, &'static str, u64); 15] {
        const ENTITY: (&str, &str) = ("entity", "entities");
        const RELATIONSHIP: (&str, &str) = ("relationship", "relationships");
        const MAPPED: (&str, &str) = ("mapped relationship", "mapped relationships");
        const ENTITY_DATA: (&str, &str) =
            ("entry of raw data of an entity", "entries of raw data of entities");
        const RELATIONSHIP_DATA: (&str, &str) =
            ("entry of raw data of a relationship", "entries of raw data of relationships");
        [
            ("create", ENTITY, self.num_entity_create_errors),
            ("update", ENTITY, self.num_entity_update_errors),
            ("delete", ENTITY, self.num_entity_delete_errors),
            ("create", RELATIONSHIP, self.num_relationship_create_errors),
            ("update", RELATIONSHIP, self.num_relationship_update_errors),
            ("delete", RELATIONSHIP, self.num_relationship_delete_errors),
            ("create", MAPPED, self.num_mapped_relationship_create_errors),
            ("update", MAPPED, self.num_mapped_relationship_update_errors),
            ("delete", MAPPED, self.num_mapped_relationship_delete_errors),
            ("create", ENTITY_DATA, self.num_entity_raw_data_entry_create_errors),
            ("update", ENTITY_DATA, self.num_entity_raw_data_entry_update_errors),
            ("delete", ENTITY_DATA, self.num_entity_raw_data_entry_delete_errors),
            ("create", RELATIONSHIP_DATA, self.num_relationship_raw_data_entry_create_errors),
            ("update", RELATIONSHIP_DATA, self.num_relationship_raw_data_entry_update_errors),
            ("delete", RELATIONSHIP_DATA, self.num_relationship_raw_data_entry_delete_errors),
        ]
        .map(|(verb, (one, many), count)| (verb, one, many, count))
    }
}

/// A counter, if it is one: what a job counts never keeps its state from being read.
fn if_known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_u64())
}

fn or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(if_known(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_with_what_it_has_and_zero_for_the_rest() -> Result<(), serde_json::Error> {
        let job: Job = serde_json::from_str(
            r#"{"id":"f445397d-8491-4a12-806a-04792839abe3","source":"api","scope":"acme",
                "status":"FINISHED","startTimestamp":1586915139427,"numEntitiesUploaded":3,
                "numEntitiesCreated":2,"numRelationshipCreateErrors":1,"anything":{"new":[]}}"#,
        )?;
        assert_eq!(job.status, JobStatus::Finished);
        assert_eq!(job.counters.num_entities_created, 2);
        assert_eq!(job.counters.num_entities_deleted, 0);
        assert_eq!(job.counters.num_entities_uploaded, Some(3));
        assert_eq!(job.counters.num_relationships_uploaded, None);
        assert_eq!(job.counters.errors(), 1);
        Ok(())
    }

    #[test]
    fn a_counter_that_is_none_does_not_keep_the_job_from_being_read()
    -> Result<(), serde_json::Error> {
        for value in ["null", r#""7""#, "-1", "{}"] {
            let job: Job = serde_json::from_str(&format!(
                r#"{{"id":"a-1","status":"FINISHED","numEntitiesUploaded":{value},
                    "numEntitiesDeleted":{value}}}"#,
            ))?;
            assert_eq!(job.counters, JobCounters::default(), "{value}");
        }
        Ok(())
    }

    #[test]
    fn a_state_that_is_not_documented_is_unknown_and_an_id_is_one_part_of_a_path() {
        let job = |id, status| format!(r#"{{"id":"{id}","status":"{status}"}}"#);
        let read = |text: String| serde_json::from_str::<Job>(&text);
        assert!(read(job("a-1", "SLEEPING")).is_ok_and(|job| job.status == JobStatus::Unknown));
        for id in ["", "../x", "a/b", "a?b", "ü"] {
            assert!(read(job(id, "FINISHED")).is_err(), "{id}");
        }
    }

    #[test]
    fn every_state_reads_as_it_is_written() -> Result<(), serde_json::Error> {
        use JobStatus::*;
        for status in [
            AwaitingUploads,
            FinalizePending,
            FinalizingEntities,
            FinalizingRelationships,
            Finished,
            Aborted,
            AbortedDueToInvalidConfiguration,
            ErrorBadData,
        ] {
            assert_eq!(serde_json::to_string(&status)?, format!("\"{status}\""));
            assert_eq!(serde_json::from_str::<JobStatus>(&format!("\"{status}\""))?, status);
        }
        Ok(())
    }

    #[test]
    fn errors_are_those_of_all_kinds_together_and_nothing_else() -> Result<(), serde_json::Error> {
        let kinds = [
            "numEntityCreateErrors",
            "numEntityUpdateErrors",
            "numEntityDeleteErrors",
            "numRelationshipCreateErrors",
            "numRelationshipUpdateErrors",
            "numRelationshipDeleteErrors",
            "numEntityRawDataEntryCreateErrors",
            "numEntityRawDataEntryUpdateErrors",
            "numEntityRawDataEntryDeleteErrors",
            "numRelationshipRawDataEntryCreateErrors",
            "numRelationshipRawDataEntryUpdateErrors",
            "numRelationshipRawDataEntryDeleteErrors",
            "numMappedRelationshipCreateErrors",
            "numMappedRelationshipUpdateErrors",
            "numMappedRelationshipDeleteErrors",
        ];
        let counters = |members: serde_json::Map<String, Value>| {
            let counters: JobCounters = serde_json::from_value(Value::Object(members))?;
            Ok::<_, serde_json::Error>(counters.errors())
        };
        let member = |(place, kind): (u32, &&str)| ((*kind).to_owned(), Value::from(1 << place));
        for kind in (0..).zip(&kinds) {
            assert_eq!(counters([member(kind)].into_iter().collect())?, 1 << kind.0, "{}", kind.1);
        }
        assert_eq!(counters((0..).zip(&kinds).map(member).collect())?, (1 << 15) - 1);
        let others = [
            "numEntitiesCreated",
            "numEntitiesDeleted",
            "numRelationshipsUpdated",
            "numMappedRelationshipsCreated",
        ];
        assert_eq!(counters((0..).zip(&others).map(member).collect())?, 0);
        Ok(())
    }
}
