//! Takes rows out of generations that are published already: of all of them, the kept ones too.
//!
//! A generation never changes but for this. Its tables are written anew under other names, then its
//! manifest is replaced in one step, then the old tables go; a crash in between leaves either manifest
//! with all of its tables, and the next attempt clears away what neither names. Which erasures are in
//! force is written down before anything else, and a generation that does not say it has been through
//! all of them is not opened: so neither a crash nor an older copy that was put back serves anybody who
//! was erased.

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

/// The ids of the erasures in force, beside the generations.
const IN_FORCE: &str = "erasures";

/// What decides about rows. Both must answer alike when they are asked again.
pub struct Cleansing<'a> {
    /// The columns of a table that tell something about a person.
    pub personal_columns: &'a dyn Fn(&Table) -> Vec<String>,
    /// What stays of a batch; none if all of it stays as it is.
    pub keep: &'a dyn Fn(&Table, &RecordBatch) -> Option<RecordBatch>,
}

/// What an erasure did to one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CleansedGeneration {
    /// The generation.
    pub generation: GenerationId,
    /// The tables that were written anew, with how many rows went.
    pub tables: Vec<(String, u64)>,
    /// Whether it could not be read: then it stays as it was, and is not opened.
    pub damaged: bool,
}

/// A generation that cannot be read, so that no row can be taken out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedGeneration {
    /// The generation.
    pub id: GenerationId,
    /// Whether it is the published one.
    pub is_current: bool,
    /// The entities and relationships that it has by its manifest, if that can be read.
    pub rows: Option<u64>,
    /// What is wrong with it.
    pub reason: String,
}

impl TenantStore {
    /// The erasures that every generation must have been through, by id.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::BrokenState`].
    pub fn erasures(&self) -> Result<BTreeSet<String>, StoreError> {
        let Some(bytes) = self.state(IN_FORCE)? else { return Ok(BTreeSet::new()) };
        serde_json::from_slice(&bytes)
            .map_err(|source| StoreError::BrokenState { name: IN_FORCE, source })
    }

    /// The erasures that anything in the store names: those in force, and those that the published generation
    /// has been through, some of which may have been lifted since. A generation that cannot be read names none.
    ///
    /// # Errors
    ///
    /// Those of [`TenantStore::erasures`].
    pub fn erasures_named(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut named = self.erasures()?;
        if let Ok(Some(current)) = self.current_id()
            && let Ok(generation) = self.uncleansed_generation(&current)
        {
            named.extend(generation.manifest().erasures.iter().cloned());
        }
        Ok(named)
    }

    /// Returns whether a generation that can be read, or the events, have not been through all erasures in
    /// force. Those that cannot be read are in [`TenantStore::closed_by_damage`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when the generations cannot be read.
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

    /// The damaged generations among those that have not been through all erasures in force. Nobody can be
    /// taken out of them, so they stay closed until they are restored or removed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when the generations cannot be read.
    pub fn closed_by_damage(&self) -> Result<Vec<DamagedGeneration>, StoreError> {
        let history = self.history()?;
        let damages = history.iter().filter(|entry| is_closed(entry)).map(|it| self.damage_of(it));
        damages.filter_map(Result::transpose).collect()
    }

    /// Every file of this tenant, by its path below the tenant's folder: whoever was erased must be in
    /// none of them. Temporary files of a writer that works beside may be among them.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn files(&self) -> Result<Vec<(String, PathBuf)>, StoreError> {
        let mut names = Vec::new();
        if self.folder().is_dir() {
            collect_files(self.folder(), "", &mut names)?;
        }
        names.sort_unstable();
        Ok(names.into_iter().map(|name| (name.clone(), self.folder().join(name))).collect())
    }

    /// Reads every file of every generation, and returns those that are damaged.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::NewerFormat`], [`StoreError::BrokenPointer`].
    pub fn damaged_generations(&self) -> Result<Vec<DamagedGeneration>, StoreError> {
        let history = self.history()?;
        history.iter().filter_map(|entry| self.damage_of(entry).transpose()).collect()
    }

    /// Reads every file of a generation and compares it with its checksum. The generation may show somebody
    /// who was erased; nothing of it is returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] with all findings, [`StoreError::NotCleansed`] if it is whole but closed, and
    /// what [`TenantStore::generation`] answers.
    pub fn verify(&self, id: &GenerationId) -> Result<(), StoreError> {
        let generation = self.uncleansed_generation(id)?;
        generation.verify()?;
        self.check_cleansed(&generation)
    }

    /// Says what is wrong with a generation, if it cannot be read.
    fn damage_of(&self, entry: &HistoryEntry) -> Result<Option<DamagedGeneration>, StoreError> {
        let generation = self.uncleansed_generation(&entry.id);
        let tables = generation.as_ref().ok().map(|it| it.manifest().tables.iter());
        let rows = tables.map(|tables| tables.map(|table| table.rows).sum());
        match generation.and_then(|it| it.verify()) {
            Ok(()) => Ok(None),
            Err(error) if error.is_damage() => Ok(Some(DamagedGeneration {
                id: entry.id.clone(),
                is_current: entry.is_current,
                rows,
                reason: error.to_string(),
            })),
            Err(error) => Err(error),
        }
    }

    /// Refuses a generation that may show somebody who was erased.
    pub(crate) fn check_cleansed(&self, generation: &Generation) -> Result<(), StoreError> {
        let erasures = self.erasures()?;
        if erasures.is_subset(&generation.manifest().erasures) {
            return Ok(());
        }
        Err(StoreError::NotCleansed { id: generation.id().to_string() })
    }
}

impl RunLock {
    /// Says which erasures are in force, before [`RunLock::cleanse`] and after one was lifted.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn set_erasures(&self, erasures: &BTreeSet<String>) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(erasures).expect("texts are JSON");
        self.set_state(IN_FORCE, &bytes)
    }

    /// Removes what holds rows as they came: downloads, generations that were not finished, and rows that
    /// were set aside. How many files there were.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove_raw(&self) -> Result<usize, StoreError> {
        let mut removed = 0;
        for folder in ["staging", "quarantine"] {
            let folder = self.tenant().folder().join(folder);
            let mut names = Vec::new();
            if folder.is_dir() {
                collect_files(&folder, "", &mut names)?;
                core_files::remove_folder(&folder)?;
            }
            removed += names.len();
        }
        core_files::create_folder(&self.tenant().staging())?;
        Ok(removed)
    }

    /// Takes rows out of every generation, the newest first, and marks each as having been through all
    /// erasures in force. One that was before is gone through again.
    ///
    /// A generation that cannot be read cannot be cleansed either, so it stays closed. A reader that has
    /// opened a generation may find files of it missing.
    ///
    /// # Errors
    /// [`StoreError::NewerFormat`], [`StoreError::BrokenManifest`] of the published generation,
    /// [`StoreError::Io`], [`StoreError::Parquet`]: then the generations that were not reached are
    /// not opened until this was done again.
    pub fn cleanse(
        &self,
        cleansing: &Cleansing<'_>,
    ) -> Result<Vec<CleansedGeneration>, StoreError> {
        let erasures = self.tenant().erasures()?;
        let mut done = Vec::new();
        for entry in self.tenant().history()? {
            let generation = self.tenant().uncleansed_generation(&entry.id);
            match generation.and_then(|it| self.cleanse_one(&it, &erasures, cleansing)) {
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

    /// Removes a damaged generation with everything in it.
    ///
    /// # Errors
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
            if let Some(rows) = cleanse_table(generation, table, cleansing)? {
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

/// Whether a generation has not been through all erasures in force, by its manifest.
fn is_closed(entry: &HistoryEntry) -> bool {
    matches!(entry.manifest, Err(StoreError::NotCleansed { .. }))
}

/// Writes a table anew if rows of it go or change; how many went, none if it stays as it is.
fn cleanse_table(
    generation: &Generation,
    table: &mut Table,
    cleansing: &Cleansing<'_>,
) -> Result<Option<u64>, StoreError> {
    let mut changing = BTreeSet::new();
    for (number, batch) in generation.batches(table.kind, &table.name)?.enumerate() {
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

/// The name of a table's file that is not taken: `part-00000.parquet`, `part-00001.parquet` and on.
fn unused_name(folder: &Path, first: &str) -> String {
    let number = |number: u32| first.replace("part-00000", &format!("part-{number:05}"));
    (0..=u32::MAX).map(number).find(|name| !folder.join(name).exists()).expect("one is free")
}
