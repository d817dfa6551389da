//! The manifest: the content of a generation, and enough metadata to read it without this program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::ledger::LedgerHead;
use crate::names::{self, GenerationId};

/// The manifest's file in its generation.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The version this program writes, and the highest it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// The content of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format; 1.
    pub format_version: u32,
    /// The generation.
    pub id: GenerationId,
    /// The generation that was published when this one was staged.
    pub previous: Option<GenerationId>,
    /// The tenant.
    pub tenant: String,
    /// The tenant's region, as the caller names it.
    pub region: String,
    /// The time of its creation according to the caller, RFC 3339.
    pub created_at: String,
    /// The completeness of the tables.
    pub outcome: Outcome,
    /// The redaction of the generation; `None` if an older program wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<PrivacyMark>,
    /// Entity tables, then relationship tables, each sorted by name.
    pub tables: Vec<Table>,
    /// Other files, sorted by path, for example `run.json`.
    pub attachments: Vec<FileEntry>,
    /// The erasures that the generation has been through, by id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub erasures: BTreeSet<String>,
    /// The ledger's last entry at the time of publication, which the ledger must still have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerHead>,
}

/// The redaction of a generation. Objects of generations that differ in it are never combined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivacyMark {
    /// The privacy profile, by its name in the configuration.
    pub profile: String,
    /// The id of the key of its pseudonyms, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The operator's overrides: the action of each column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

impl Default for PrivacyMark {
    /// No redaction.
    fn default() -> Self {
        Self { profile: "full".to_owned(), key: None, columns: BTreeMap::new() }
    }
}

/// The completeness of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every table is complete.
    Complete,
    /// At least one table is partial.
    Partial,
}

/// The kind of a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableKind {
    /// Entities of one type.
    Entity,
    /// Relationships of one type.
    Relationship,
}

impl TableKind {
    /// The folder of a generation with the tables of this kind.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Entity => "entities",
            Self::Relationship => "relationships",
        }
    }
}

/// One table of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Entities or relationships.
    pub kind: TableKind,
    /// The `_type` of its rows.
    pub name: String,
    /// The `_class` of its rows. A relationship has exactly one.
    pub class: Vec<String>,
    /// The entity type at which a relationship starts; `None` for entities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_type: Option<String>,
    /// The entity type at which a relationship ends; `None` for entities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_type: Option<String>,
    /// The number of rows in all its files.
    pub rows: u64,
    /// True if rows may be missing, or were carried over from an earlier generation.
    pub partial: bool,
    /// The stored columns, in order.
    pub columns: Vec<Column>,
    /// Its files; at least one, even without rows.
    pub files: Vec<TableFile>,
}

/// One stored column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The Arrow type, as text for people; the Parquet file has the type itself.
    #[serde(rename = "type")]
    pub data_type: String,
    /// True if the column may be null.
    pub nullable: bool,
}

/// One file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    /// The number of rows in it.
    pub rows: u64,
    /// The file.
    #[serde(flatten)]
    pub file: FileEntry,
}

/// A file and its expected content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The path in the generation, with `/` between the parts.
    pub path: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of its content, in hexadecimal.
    pub blake3: String,
}

impl Manifest {
    /// Finds the table of this kind and name.
    pub fn table(&self, kind: TableKind, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.kind == kind && table.name == name)
    }

    /// Iterates over all files that the manifest lists.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        let tables = self.tables.iter().flat_map(|table| &table.files).map(|file| &file.file);
        tables.chain(&self.attachments)
    }

    /// Reads the manifest of the generation in `folder`.
    pub(crate) fn read(folder: &Path, tenant: &str, id: &GenerationId) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let path = folder.join(MANIFEST_FILE);
        let bytes = fs::read(&path).map_err(|source| {
            if source.kind() == ErrorKind::NotFound && !folder.exists() {
                return StoreError::GenerationNotFound { id: id.to_string() };
            }
            StoreError::Io { action: "read the manifest", path: path.clone(), source }
        })?;
        let broken = |source| StoreError::BrokenManifest { path: path.clone(), source };
        // The version first: a newer format may differ in everything else.
        let version: Version = serde_json::from_slice(&bytes).map_err(broken)?;
        if version.format_version > FORMAT_VERSION {
            let found = version.format_version;
            return Err(StoreError::NewerFormat { id: id.to_string(), found });
        }
        let manifest: Self = serde_json::from_slice(&bytes).map_err(broken)?;
        if let Some(reason) = manifest.contradiction(tenant, id) {
            return Err(StoreError::ForeignManifest { path, reason });
        }
        Ok(manifest)
    }

    fn contradiction(&self, tenant: &str, id: &GenerationId) -> Option<&'static str> {
        if self.id != *id {
            return Some("it names another generation");
        }
        if self.tenant != tenant {
            return Some("it names another tenant");
        }
        if !self.files().all(|file| names::is_inside(&file.path)) {
            return Some("it lists a file outside its folder");
        }
        None
    }
}
