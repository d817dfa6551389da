//! The kept generations of a tenant, for people and programs: their content, and whether they are damaged.

use core_store::{HistoryEntry, Manifest, Outcome, StoreError, TableKind, TenantStore};
use serde_json::{Value, json};

use crate::audit::LOG;

/// A kept generation, with its files that are obviously damaged.
#[derive(Debug)]
pub struct KeptGeneration {
    entry: HistoryEntry,
    damage: Vec<String>,
}

/// Returns the kept generations, the newest first.
///
/// # Errors
///
/// The store cannot be read.
pub fn kept(tenant: &TenantStore) -> Result<Vec<KeptGeneration>, StoreError> {
    let with_damage = |entry: HistoryEntry| {
        let damage = match &entry.manifest {
            Ok(_) => tenant.generation(&entry.id)?.find_damage()?,
            Err(_) => Vec::new(),
        };
        Ok(KeptGeneration { entry, damage })
    };
    tenant.history()?.into_iter().map(with_damage).collect()
}

impl KeptGeneration {
    /// The header of a table of generations.
    pub const HEADER: [&str; 5] = ["generation", "created", "outcome", "entities", "relationships"];

    /// Returns a row of a table for people.
    pub fn cells(&self) -> [String; 5] {
        let id = name(&self.entry);
        match &self.entry.manifest {
            Ok(manifest) => [
                id,
                manifest.created_at.clone(),
                self.state(manifest),
                rows(manifest, TableKind::Entity).to_string(),
                rows(manifest, TableKind::Relationship).to_string(),
            ],
            Err(error) => {
                [id, String::new(), format!("broken: {error}"), String::new(), String::new()]
            }
        }
    }

    /// Returns the generation for programs.
    pub fn to_json(&self) -> Value {
        let HistoryEntry { id, is_current, manifest } = &self.entry;
        match manifest {
            Ok(manifest) => json!({
                "id": id.to_string(),
                "published": is_current,
                "createdAt": manifest.created_at,
                "outcome": outcome(manifest),
                "entities": rows(manifest, TableKind::Entity),
                "relationships": rows(manifest, TableKind::Relationship),
                "damage": self.damage,
            }),
            Err(error) => json!({
                "id": id.to_string(),
                "published": is_current,
                "error": error.to_string(),
            }),
        }
    }

    /// Returns the outcome of a generation, or a word that it is damaged.
    fn state(&self, manifest: &Manifest) -> String {
        match self.damage.as_slice() {
            [] => outcome(manifest).to_owned(),
            [finding] => format!("damaged: {finding}"),
            [finding, others @ ..] => {
                format!("damaged: {finding}, and {} more files", others.len())
            }
        }
    }
}

/// A generation or event log of which every file was compared with its checksum.
#[derive(Debug)]
pub struct VerifiedPart {
    name: String,
    /// The damage that was found; empty if there is none.
    findings: Vec<String>,
}

/// Compares every file of every generation and of the events with its checksum.
///
/// # Errors
///
/// The list of generations cannot be read, or a generation of a working copy was not fetched.
pub fn verify(tenant: &TenantStore) -> Result<Vec<VerifiedPart>, StoreError> {
    let mut parts = Vec::new();
    for entry in tenant.history()? {
        let verified = tenant.verify(&entry.id);
        if let Err(error @ StoreError::NotFetched { .. }) = verified {
            return Err(error);
        }
        parts.push(VerifiedPart::new(format!("generation {}", name(&entry)), verified));
    }
    let log = tenant.events(LOG);
    if log.as_ref().map_or(true, |log| !log.files().is_empty()) {
        let verified = log.and_then(|log| log.verify());
        parts.push(VerifiedPart::new(format!("event log {LOG}"), verified));
    }
    Ok(parts)
}

/// Returns the reason why nothing of a tenant could be compared. `place` is that of the store.
///
/// # Errors
///
/// The store cannot be read.
pub fn nothing_to_verify(tenant: &TenantStore, place: &str) -> Result<String, StoreError> {
    let name = tenant.name();
    Ok(if tenant.is_empty()? {
        format!("there is no store of tenant {name} in {place}: correct `store.location`")
    } else {
        format!("the store of tenant {name} in {place} has no generation and no events")
    })
}

/// Returns a text about damaged parts and their fix; nothing if none is damaged.
pub fn damage_text(parts: &[VerifiedPart]) -> Option<String> {
    let damaged = parts.iter().filter(|part| !part.findings.is_empty()).count();
    (damaged > 0).then(|| {
        format!(
            "{damaged} of {} parts of the store are damaged: restore their files from a backup",
            parts.len()
        )
    })
}

impl VerifiedPart {
    fn new(name: String, verified: Result<(), StoreError>) -> Self {
        let findings = match verified {
            Ok(()) => Vec::new(),
            Err(StoreError::Damaged { findings, .. }) => findings,
            Err(error) => vec![format!("{:#}", anyhow::Error::new(error))],
        };
        Self { name, findings }
    }

    /// Returns a row of a table for people: the part and the result.
    pub fn cells(&self) -> [String; 2] {
        let result = match self.findings.as_slice() {
            [] => "whole".to_owned(),
            findings => findings.join("\n"),
        };
        [self.name.clone(), result]
    }

    /// Returns the part for programs.
    pub fn to_json(&self) -> Value {
        json!({ "part": self.name, "isDamaged": !self.findings.is_empty(), "findings": self.findings })
    }
}

fn name(entry: &HistoryEntry) -> String {
    let mark = if entry.is_current { " (published)" } else { "" };
    format!("{}{mark}", entry.id)
}

fn outcome(manifest: &Manifest) -> &'static str {
    match manifest.outcome {
        Outcome::Complete => "complete",
        Outcome::Partial => "partial",
    }
}

fn rows(manifest: &Manifest, kind: TableKind) -> u64 {
    manifest.tables.iter().filter(|table| table.kind == kind).map(|table| table.rows).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_cannot_be_read_is_as_bad_as_one_that_is_damaged() {
        let damaged = StoreError::Damaged {
            owner: "g".to_owned(),
            findings: vec!["a is missing".to_owned(), "b is cut".to_owned()],
        };
        let parts = [
            VerifiedPart::new("generation a".to_owned(), Ok(())),
            VerifiedPart::new("generation b".to_owned(), Err(damaged)),
            VerifiedPart::new("event log audit".to_owned(), Err(StoreError::InvalidLocation)),
        ];
        assert_eq!(parts[0].cells(), ["generation a", "whole"]);
        assert_eq!(parts[1].cells(), ["generation b", "a is missing\nb is cut"]);
        assert_eq!(parts[2].cells()[1], StoreError::InvalidLocation.to_string());
        assert_eq!(parts[2].to_json()["isDamaged"], true);
        let expected = "2 of 3 parts of the store are damaged: restore their files from a backup";
        assert_eq!(damage_text(&parts).as_deref(), Some(expected));
        assert_eq!(damage_text(&parts[..1]), None);
    }
}
