//! Removal of rows from published generations, including the kept ones.
//!
//! This is the only change to a published generation. Its tables are rewritten under other names,
//! then its manifest is replaced in one step, then the old tables are removed; after a crash in
//! between either manifest has all of its tables, and the next attempt removes the files that
//! neither names. The erasures in force are recorded before anything else, and a generation that
//! has not been through all of them is not opened. So neither a crash nor a restored older copy can
//! show an erased person.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use core_files::File;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Serialize;

use crate::error::StoreError;
use crate::generation::Generation;
use crate::leftovers::remove_unlisted;
use crate::manifest::{MANIFEST_FILE, Table};
use crate::names::GenerationId;
use crate::staging::collect_files;
use crate::table::{TableDeclaration, TableWriter};
use crate::tenant::{HistoryEntry, RunLock, TenantStore};
use crate::transfer::COPYING;

/// The ids of the erasures in force, beside the generations.
const IN_FORCE: &str = "erasures";

/// The functions that decide about rows. Both must be deterministic.
pub struct Cleansing<'a> {
    /// The columns of a table that relate to a person.
    pub personal_columns: &'a dyn Fn(&Table) -> Vec<String>,
    /// The remaining rows of a batch; `None` if the batch does not change.
    pub keep: &'a dyn Fn(&Table, &RecordBatch) -> Option<RecordBatch>,
}

/// The effect of an erasure on one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CleansedGeneration {
    /// The generation.
    pub generation: GenerationId,
    /// The rewritten tables, with the number of removed rows.
    pub tables: Vec<(String, u64)>,
    /// True if the generation could not be read: then it is unchanged, and not opened.
    pub damaged: bool,
}

/// A generation that cannot be read, so that no row can be removed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedGeneration {
    /// The generation.
    pub id: GenerationId,
    /// True for the published generation.
    pub is_current: bool,
    /// The number of entities and relationships according to its manifest, if that can be read.
    pub rows: Option<u64>,
    /// The defect.
    pub reason: String,
}

impl TenantStore {
    /// The erasures that every generation must have been through, by id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`], [`StoreError::BrokenState`].
    pub fn erasures(&self) -> Result<BTreeSet<String>, StoreError> {
        let Some(bytes) = self.state(IN_FORCE)? else { return Ok(BTreeSet::new()) };
        serde_json::from_slice(&bytes)
            .map_err(|source| StoreError::BrokenState { name: IN_FORCE, source })
    }

    /// The erasures that the store names anywhere: those in force, and those that the published
    /// generation has been through, some of which may have been lifted since. An unreadable
    /// generation names none.
    ///
    /// # Errors
    ///
    /// As [`TenantStore::erasures`].
    pub fn erasures_named(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut named = self.erasures()?;
        if let Ok(Some(current)) = self.current_id()
            && let Ok(generation) = self.uncleansed_generation(&current)
        {
            named.extend(generation.manifest().erasures.iter().cloned());
        }
        Ok(named)
    }

    /// Returns true if a readable generation, or the events, have not been through all erasures in
    /// force. Unreadable ones are in [`TenantStore::closed_by_damage`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the generations cannot be read.
    pub fn is_anything_uncleansed(&self, log: &str) -> Result<bool, StoreError> {
        if matches!(self.events(log), Err(StoreError::EventsNotCleansed { .. })) {
            return Ok(true);
        }
        for entry in self.history()?.iter().filter(|entry| is_closed(entry)) {
            if self.damage_of(entry)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The damaged generations among those that have not been through all erasures in force. No row
    /// can be removed from them, so they stay closed until they are restored or removed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the generations cannot be read.
    pub fn closed_by_damage(&self) -> Result<Vec<DamagedGeneration>, StoreError> {
        let history = self.history()?;
        let damages =
            history.iter().filter(|entry| is_closed(entry)).map(|entry| self.damage_of(entry));
        damages.filter_map(Result::transpose).collect()
    }

    /// Every file of this tenant, by its path below the tenant's folder, for the check that none of
    /// them contains an erased person. Temporary files of a concurrent writer may be among them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn files(&self) -> Result<Vec<(String, PathBuf)>, StoreError> {
        let mut names = Vec::new();
        if self.folder().is_dir() {
            collect_files(self.folder(), "", &mut names)?;
        }
        names.sort_unstable();
        Ok(names.into_iter().map(|name| (name.clone(), self.folder().join(name))).collect())
    }

    /// Reads every file of every generation, and returns the damaged generations.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`], [`StoreError::NewerFormat`], [`StoreError::BrokenPointer`].
    pub fn damaged_generations(&self) -> Result<Vec<DamagedGeneration>, StoreError> {
        let history = self.history()?;
        history.iter().filter_map(|entry| self.damage_of(entry).transpose()).collect()
    }

    /// Reads every file of a generation and verifies its checksum. The generation may contain an
    /// erased person; nothing of it is returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] with all findings, [`StoreError::NotCleansed`] if it is intact but
    /// closed, and the errors of [`TenantStore::generation`].
    pub fn verify(&self, id: &GenerationId) -> Result<(), StoreError> {
        let generation = self.uncleansed_generation(id)?;
        generation.verify()?;
        self.check_cleansed(&generation)
    }

    /// Returns the damage of a generation, if it cannot be read.
    fn damage_of(&self, entry: &HistoryEntry) -> Result<Option<DamagedGeneration>, StoreError> {
        self.check_stop()?;
        let generation = self.uncleansed_generation(&entry.id);
        let tables = generation.as_ref().ok().map(|generation| generation.manifest().tables.iter());
        let rows = tables.map(|tables| tables.map(|table| table.rows).sum());
        match generation.and_then(|generation| generation.verify()) {
            // Of what was not fetched, nothing is known.
            Ok(()) | Err(StoreError::NotFetched { .. }) => Ok(None),
            Err(error) if error.is_damage() => Ok(Some(DamagedGeneration {
                id: entry.id.clone(),
                is_current: entry.is_current,
                rows,
                reason: error.to_string(),
            })),
            Err(error) => Err(error),
        }
    }

    /// Rejects a generation that may contain an erased person.
    pub(crate) fn check_cleansed(&self, generation: &Generation) -> Result<(), StoreError> {
        let erasures = self.erasures()?;
        if erasures.is_subset(&generation.manifest().erasures) {
            return Ok(());
        }
        Err(StoreError::NotCleansed { id: generation.id().to_string() })
    }
}

impl RunLock {
    /// Records the erasures in force, before [`RunLock::cleanse`] and after one was lifted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn set_erasures(&self, erasures: &BTreeSet<String>) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(erasures).expect("texts are JSON");
        self.set_state(IN_FORCE, &bytes)
    }

    /// Removes all files with unredacted rows: downloads, unfinished generations and copies, and
    /// quarantined rows. Returns the number of files.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn remove_raw(&self) -> Result<usize, StoreError> {
        // A copy that was interrupted may be of a store from before the erasure.
        let copied = self.remove_files_in(&[COPYING])?;
        Ok(copied + self.remove_unredacted()?)
    }

    /// As [`RunLock::remove_raw`], but not a copy that arrives.
    pub(crate) fn remove_unredacted(&self) -> Result<usize, StoreError> {
        let removed = self.remove_files_in(&["staging", "quarantine"])?;
        core_files::create_folder(&self.tenant().staging())?;
        Ok(removed)
    }

    fn remove_files_in(&self, folders: &[&str]) -> Result<usize, StoreError> {
        let mut removed = 0;
        for folder in folders {
            let folder = self.tenant().folder().join(folder);
            let mut names = Vec::new();
            if folder.is_dir() {
                collect_files(&folder, "", &mut names)?;
                core_files::remove_folder(&folder)?;
            }
            removed += names.len();
        }
        Ok(removed)
    }

    /// Removes rows from every generation, the newest first, and marks each as having been through
    /// all erasures in force. Generations that are already marked are processed again.
    ///
    /// A generation that cannot be read cannot be cleansed, so it stays closed. A reader that has
    /// opened a generation may find files of it missing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NewerFormat`], [`StoreError::BrokenManifest`] of the published generation,
    /// [`StoreError::Io`], [`StoreError::Parquet`], [`StoreError::Stopped`]: then the remaining generations
    /// are not opened until cleansing succeeds.
    pub fn cleanse(
        &self,
        cleansing: &Cleansing<'_>,
    ) -> Result<Vec<CleansedGeneration>, StoreError> {
        let erasures = self.tenant().erasures()?;
        let mut done = Vec::new();
        for entry in self.tenant().history()? {
            let generation = self.tenant().uncleansed_generation(&entry.id);
            match generation
                .and_then(|generation| self.cleanse_one(&generation, &erasures, cleansing))
            {
                Ok(cleansed) => done.push(cleansed),
                Err(error) if error.is_damage() && !entry.is_current => {
                    tracing::warn!(
                        tenant = self.tenant().name(), generation = %entry.id, %error,
                        "generation is damaged and stays closed"
                    );
                    let generation = entry.id;
                    done.push(CleansedGeneration { generation, tables: Vec::new(), damaged: true });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Removes a damaged generation and its content.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] for the published one, which readers need; [`StoreError::Io`].
    pub fn remove_damaged(&self, damaged: &DamagedGeneration) -> Result<(), StoreError> {
        if damaged.is_current {
            let (owner, findings) =
                (format!("generation {}", damaged.id), vec![damaged.reason.clone()]);
            return Err(StoreError::Damaged { owner, findings });
        }
        self.remove_generation(&damaged.id)
    }

    fn cleanse_one(
        &self,
        generation: &Generation,
        erasures: &BTreeSet<String>,
        cleansing: &Cleansing<'_>,
    ) -> Result<CleansedGeneration, StoreError> {
        let folder = generation.folder();
        remove_unlisted(folder, generation.manifest())?;
        let mut manifest = generation.manifest().clone();
        let mut tables = Vec::new();
        for table in &mut manifest.tables {
            if let Some(rows) = cleanse_table(self.tenant(), generation, table, cleansing)? {
                tables.push((table.name.clone(), rows));
            }
        }
        manifest.erasures.clone_from(erasures);
        let mut text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        text.push(b'\n');
        core_files::replace_file(&folder.join(MANIFEST_FILE), &text)?;
        remove_unlisted(folder, &manifest)?;
        tracing::info!(
            tenant = self.tenant().name(), generation = %manifest.id, tables = tables.len(),
            "generation cleansed"
        );
        Ok(CleansedGeneration { generation: manifest.id, tables, damaged: false })
    }
}

/// Returns true if a generation has not been through all erasures in force, according to its
/// manifest.
fn is_closed(entry: &HistoryEntry) -> bool {
    matches!(entry.manifest, Err(StoreError::NotCleansed { .. }))
}

/// Rewrites a table if rows of it are removed or change. Returns the number of removed rows; `None`
/// if the table does not change.
fn cleanse_table(
    tenant: &TenantStore,
    generation: &Generation,
    table: &mut Table,
    cleansing: &Cleansing<'_>,
) -> Result<Option<u64>, StoreError> {
    let mut changing = BTreeSet::new();
    for (number, batch) in generation.batches(table.kind, &table.name)?.enumerate() {
        tenant.check_stop()?;
        if (cleansing.keep)(table, &batch?).is_some() {
            changing.insert(number);
        }
    }
    if changing.is_empty() {
        return Ok(None);
    }
    let folder = generation.folder();
    let first = folder.join(&table.files.first().expect("a table has a file").file.path);
    let declaration = TableDeclaration {
        kind: table.kind,
        name: table.name.clone(),
        class: table.class.clone(),
        ends: table.from_type.clone().zip(table.to_type.clone()),
        schema: schema_of(&first)?,
        personal_columns: (cleansing.personal_columns)(table),
    };
    declaration.check()?;
    let name = unused_name(folder, &declaration.file_path());
    let path = folder.join(&name);
    let mut writer = TableWriter::new(declaration, File::create_new(&path)?)?;
    for (number, batch) in generation.batches(table.kind, &table.name)?.enumerate() {
        tenant.check_stop()?;
        let batch = batch?;
        let changed =
            if changing.contains(&number) { (cleansing.keep)(table, &batch) } else { None };
        let kept = changed.unwrap_or(batch);
        if kept.num_rows() > 0 {
            writer.write(&kept)?;
        }
    }
    let written = writer.finish()?;
    core_files::sync_folder(path.parent().expect("a table's file is in a folder"))?;
    let gone = table.rows - written.rows;
    table.rows = written.rows;
    table.files = written.files;
    table.files[0].file.path = name;
    Ok(Some(gone))
}

fn schema_of(path: &Path) -> Result<SchemaRef, StoreError> {
    let file = fs::File::open(path).map_err(StoreError::io("open the file", path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file);
    Ok(reader.map_err(StoreError::parquet("read", path))?.schema().clone())
}

/// A free name for a table's file: `part-00000.parquet`, `part-00001.parquet` and so on.
fn unused_name(folder: &Path, first: &str) -> String {
    let number = |number: u32| first.replace("part-00000", &format!("part-{number:05}"));
    (0..=u32::MAX).map(number).find(|name| !folder.join(name).exists()).expect("one is free")
}
