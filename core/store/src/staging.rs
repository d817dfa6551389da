//! An unfinished generation, and its publication.

use std::fs;
use std::path::{Path, PathBuf};

use core_files::File;

use crate::error::StoreError;
use crate::generation::Generation;
use crate::leftovers;
use crate::manifest::{
    FORMAT_VERSION, FileEntry, MANIFEST_FILE, Manifest, Outcome, PrivacyMark, Table,
};
use crate::names::{self, GenerationId};
use crate::table::{TableDeclaration, TableWriter};
use crate::tenant::RunLock;
use crate::watcher::Change;

/// The caller's metadata of a generation to publish.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The tenant's region.
    pub region: String,
    /// The time, RFC 3339.
    pub created_at: String,
    /// The completeness of the generation.
    pub outcome: Outcome,
    /// The redaction of the generation.
    pub privacy: Option<PrivacyMark>,
    /// The results of [`TableWriter::finish`], for every table that was started.
    pub tables: Vec<Table>,
}

/// An unfinished generation. Holds the lock; it is removed if it is dropped without being
/// published.
#[derive(Debug)]
pub struct Staging {
    lock: RunLock,
    id: GenerationId,
    previous: Option<GenerationId>,
    folder: PathBuf,
}

impl Staging {
    pub(crate) fn start(lock: RunLock, id: GenerationId) -> Result<Self, StoreError> {
        let tenant = lock.tenant();
        leftovers::remove_staging(tenant)?;
        if tenant.generations().join(id.as_str()).exists() {
            return Err(StoreError::GenerationExists { id: id.to_string() });
        }
        let previous = tenant.current_id()?;
        let folder = tenant.staging().join(id.as_str());
        let staging = Self { lock, id, previous, folder };
        core_files::create_folder(&staging.generation_folder())?;
        Ok(staging)
    }

    /// The generation's id.
    pub fn id(&self) -> &GenerationId {
        &self.id
    }

    /// Starts a table. Writers are independent of each other and of this value.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] and [`StoreError::InvalidTable`] for an invalid declaration,
    /// [`StoreError::Io`] if the table was started before.
    pub fn table(&self, declaration: TableDeclaration) -> Result<TableWriter, StoreError> {
        declaration.check()?;
        let path = self.generation_folder().join(declaration.file_path());
        core_files::create_folder(path.parent().expect("a table's file is in a folder"))?;
        TableWriter::new(declaration, File::create_new(&path)?)
    }

    /// Makes everything durable, then publishes it with one rename. Until that rename readers see
    /// the previously published generation.
    ///
    /// `attachments` are further files with their content, for example `run.json`.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidDraft`] if the draft's tables differ from the written ones;
    /// [`StoreError::Io`], after which the generation must be staged again.
    pub fn publish(
        self,
        draft: Draft,
        attachments: &[(&str, &[u8])],
    ) -> Result<Generation, StoreError> {
        let folder = self.generation_folder();
        let mut entries = Vec::new();
        for (name, bytes) in attachments {
            entries.push(write_attachment(&folder, name, bytes)?);
        }
        let manifest = self.manifest(draft, entries)?;
        check_files(&folder, &manifest)?;
        let mut text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        text.push(b'\n');
        core_files::write_new_file(&folder.join(MANIFEST_FILE), &text)?;
        sync_tree(&folder)?;

        let tenant = self.lock.tenant().clone();
        let published = tenant.generations().join(self.id.as_str());
        core_files::rename(&folder, &published)?;
        core_files::sync_folder(&tenant.generations())?;
        core_files::replace_file(&tenant.current_path(), format!("{}\n", self.id).as_bytes())?;
        tenant.changed(Change::Generation)?;
        tracing::info!(tenant = tenant.name(), generation = %self.id, "generation published");
        Generation::open(&published, &tenant, &self.id)
    }

    fn manifest(
        &self,
        draft: Draft,
        mut attachments: Vec<FileEntry>,
    ) -> Result<Manifest, StoreError> {
        let mut tables = draft.tables;
        tables.sort_by(|left, right| (left.kind, &left.name).cmp(&(right.kind, &right.name)));
        attachments.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(Manifest {
            format_version: FORMAT_VERSION,
            id: self.id.clone(),
            previous: self.previous.clone(),
            tenant: self.lock.tenant().name().to_owned(),
            region: draft.region,
            created_at: draft.created_at,
            outcome: draft.outcome,
            privacy: draft.privacy,
            tables,
            attachments,
            // Carried-over objects come from a generation that has been through these erasures, and
            // a run under this lock leaves out erased people.
            erasures: self.lock.tenant().erasures()?,
            ledger: self.lock.tenant().ledger().head()?,
        })
    }

    fn generation_folder(&self) -> PathBuf {
        self.folder.join("generation")
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = core_files::remove_folder(&self.folder) {
            tracing::warn!(
                tenant = self.lock.tenant().name(), generation = %self.id, %error,
                "staging folder left behind, the next run removes it"
            );
        }
    }
}

fn write_attachment(folder: &Path, name: &str, bytes: &[u8]) -> Result<FileEntry, StoreError> {
    names::check_file(name)?;
    core_files::write_new_file(&folder.join(name), bytes)?;
    let blake3 = blake3::hash(bytes).to_hex().to_string();
    Ok(FileEntry { path: name.to_owned(), bytes: bytes.len() as u64, blake3 })
}

/// Checks that the existing files are those that the manifest lists: finds a table that was
/// forgotten, listed twice or never finished.
fn check_files(folder: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let mut listed: Vec<_> = manifest.files().map(|file| file.path.clone()).collect();
    listed.sort_unstable();
    let mut present = Vec::new();
    collect_files(folder, "", &mut present)?;
    present.sort_unstable();
    if let Some(path) = listed.iter().find(|path| !present.contains(path)) {
        return Err(StoreError::InvalidDraft { reason: format!("{path} was not written") });
    }
    if let Some(path) = present.iter().find(|path| !listed.contains(path)) {
        return Err(StoreError::InvalidDraft { reason: format!("{path} is not listed") });
    }
    if listed.len() != present.len() {
        return Err(StoreError::InvalidDraft { reason: "a file is listed twice".to_owned() });
    }
    Ok(())
}

/// The files below a folder, by their paths with `/` between the parts.
pub(crate) fn collect_files(
    folder: &Path,
    prefix: &str,
    files: &mut Vec<String>,
) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect_files(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Fsyncs a folder and those below it; the files themselves are already durable.
fn sync_tree(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let path = entry.map_err(StoreError::io("list", folder))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        }
    }
    Ok(core_files::sync_folder(folder)?)
}
