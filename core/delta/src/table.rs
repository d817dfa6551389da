//! The folder of one table: its log and its data files.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};

use core_destination::DeliveryError;
use core_files::{
    File, create_folder_durably, create_whole_file, read_if_present, remove_file_if_present,
    remove_folder_if_present, rename, replace_file, sync_folder,
};
use core_store::{Generation, GenerationId, Table};

use crate::checkpoint;
use crate::error::DeltaError;
use crate::log::{DataFile, Version};

/// The folder of the log.
pub(crate) const LOG: &str = "_delta_log";

/// The name of a table's folder while it is removed begins with this.
pub(crate) const REMOVING: &str = ".removing-";

/// The file that names the newest checkpoint.
const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// The bytes that are copied between two looks at whether to stop.
const CHUNK: usize = 1 << 20;

/// The folder of one table.
#[derive(Debug, Clone)]
pub(crate) struct TableFolder {
    folder: PathBuf,
}

impl TableFolder {
    /// The folder of a type.
    pub(crate) fn new(root: &Path, type_name: &str) -> Self {
        Self { folder: root.join(type_name) }
    }

    /// The newest version; `None` if there is no table.
    ///
    /// # Errors
    ///
    /// Another program wrote it, or it cannot be read.
    pub(crate) fn newest(&self) -> Result<Option<Version>, DeltaError> {
        let Some(number) = self.numbers()?.pop() else { return Ok(None) };
        let version = self.version(number)?;
        let table = self.folder.clone();
        version.map(Some).ok_or(DeltaError::ForeignVersion { table, version: number })
    }

    /// Copies the files of a table of a generation, byte for byte, under names that belong to one version.
    ///
    /// # Errors
    ///
    /// A file is damaged, the system refuses, or `is_stopped` becomes true.
    pub(crate) fn copy_files(
        &self,
        generation: &Generation,
        table: &Table,
        number: u64,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<DataFile>, DeliveryError> {
        let log = self.folder.join(LOG);
        create_folder_durably(&log).map_err(DeltaError::from)?;
        let mut copied = Vec::new();
        let sources = generation.open_files(table.kind, &table.name)?;
        for (part, (source, file)) in sources.zip(&table.files).enumerate() {
            let path = format!("{number:020}-{}-{part:05}.parquet", generation.id());
            copy(source?, &self.folder.join(&path), is_stopped)?;
            copied.push(DataFile { path, size: file.file.bytes, rows: file.rows });
        }
        sync_folder(&self.folder).map_err(DeltaError::from)?;
        Ok(copied)
    }

    /// Makes a version the newest one, in one step.
    ///
    /// # Errors
    ///
    /// Another program wrote a version of this number, or the system refuses.
    pub(crate) fn commit(
        &self,
        version: &Version,
        before: Option<&Version>,
    ) -> Result<(), DeltaError> {
        let path = self.entry(version.number);
        let created = create_whole_file(&path, version.entry(before).as_bytes());
        created.map_err(|error| match error.source.kind() {
            ErrorKind::AlreadyExists => {
                DeltaError::Conflict { table: self.folder.clone(), version: version.number }
            }
            _ => DeltaError::File(error),
        })
    }

    /// Writes the checkpoint of the newest version, unless it is there.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) fn write_checkpoint(&self, version: &Version) -> Result<(), DeltaError> {
        let path = self.checkpoint(version.number);
        let last = self.folder.join(LOG).join(LAST_CHECKPOINT);
        let failed = |source| DeltaError::Checkpoint {
            type_name: self.folder.display().to_string(),
            source,
        };
        let (bytes, size) = checkpoint::encode(version).map_err(failed)?;
        let text = serde_json::json!({ "version": version.number, "size": size }).to_string();
        if !path.exists() {
            replace_file(&path, &bytes)?;
        }
        if read_if_present(&last)?.as_deref() != Some(text.as_bytes()) {
            replace_file(&last, text.as_bytes())?;
        }
        Ok(())
    }

    /// Removes the versions that were replaced at least `keep_ms` before `now_ms`, and all files that no other
    /// version has.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) fn expire(&self, now_ms: u64, keep_ms: u64) -> Result<(), DeltaError> {
        let mut kept: Vec<Version> = Vec::new();
        let mut expired = Vec::new();
        // The newest first: each is kept for as long as the one after it has not been there for long enough.
        for number in self.numbers()?.into_iter().rev() {
            let is_kept = expired.is_empty()
                && match kept.last() {
                    None => true,
                    Some(after) => now_ms.saturating_sub(after.time_ms) < keep_ms,
                };
            match self.version(number)?.filter(|_| is_kept) {
                Some(version) => kept.push(version),
                None => expired.push(number),
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        let mut is_any_removed = !expired.is_empty();
        for number in expired.into_iter().rev() {
            remove_file_if_present(&self.entry(number))?;
            remove_file_if_present(&self.checkpoint(number))?;
        }
        let files = kept.iter().flat_map(|version| &version.files);
        let files: BTreeSet<&str> = files.map(|file| file.path.as_str()).collect();
        for name in names(&self.folder)? {
            let is_data = Path::new(&name).extension().is_some_and(|ending| ending == "parquet");
            if is_data && !files.contains(name.as_str()) {
                remove_file_if_present(&self.folder.join(name))?;
                is_any_removed = true;
            }
        }
        // Of a process that was killed.
        for name in names(&self.folder.join(LOG))?.iter().filter(|name| name.contains(".new-")) {
            remove_file_if_present(&self.folder.join(LOG).join(name))?;
        }
        if is_any_removed {
            // Before the folder's state says that an erasure is done.
            sync_folder(&self.folder.join(LOG))?;
            sync_folder(&self.folder)?;
        }
        Ok(())
    }

    /// Removes the table `type_name` of `root`. Its folder gets another name first, in one step, so that a removal that is
    /// interrupted leaves no folder that looks like a table or like nothing of ours.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) fn remove(root: &Path, type_name: &str) -> Result<(), DeltaError> {
        let removing = root.join(format!("{REMOVING}{type_name}"));
        rename(&root.join(type_name), &removing)?;
        sync_folder(root)?;
        remove_folder_if_present(&removing)?;
        Ok(sync_folder(root)?)
    }

    /// Returns true if the folder has data files of ours and no version that has them, as a first delivery or a removal
    /// that was killed leaves it.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) fn is_leftover(&self) -> Result<bool, DeltaError> {
        if !self.folder.is_dir() || !self.numbers()?.is_empty() {
            return Ok(false);
        }
        let mut files = names(&self.folder)?;
        files.retain(|name| name != LOG);
        Ok(!files.is_empty() && files.iter().all(|name| is_data_file(name)))
    }

    /// Reads a log entry; `None` if another program wrote it.
    fn version(&self, number: u64) -> Result<Option<Version>, DeltaError> {
        let path = self.entry(number);
        let bytes = read_if_present(&path)?.unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|_| DeltaError::Damaged { path })?;
        Ok(Version::parse(number, &text))
    }

    /// The numbers of the versions whose entries are there, in order.
    fn numbers(&self) -> Result<Vec<u64>, DeltaError> {
        let names = names(&self.folder.join(LOG))?;
        let number = |name: &String| {
            let digits = name.strip_suffix(".json").filter(|digits| digits.len() == 20)?;
            digits.parse().ok()
        };
        let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn entry(&self, number: u64) -> PathBuf {
        self.folder.join(LOG).join(format!("{number:020}.json"))
    }

    fn checkpoint(&self, number: u64) -> PathBuf {
        self.folder.join(LOG).join(format!("{number:020}.checkpoint.parquet"))
    }
}

/// Returns true for the name of a data file as [`TableFolder::copy_files`] makes it.
fn is_data_file(name: &str) -> bool {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.strip_suffix(".parquet").map(|name| name.split('-').collect::<Vec<_>>());
    matches!(parts.as_deref(), Some([number, id, part])
        if number.len() == 20 && is_number(number) && GenerationId::parse(id).is_ok() && is_number(part))
}

/// Copies a file that was verified when it was opened, and makes it durable. What a killed delivery left of it is
/// overwritten.
fn copy(
    mut source: fs::File,
    target: &Path,
    is_stopped: &dyn Fn() -> bool,
) -> Result<(), DeliveryError> {
    let mut copied = File::create(target).map_err(DeltaError::from)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        if is_stopped() {
            return Err(DeliveryError::Local(anyhow::anyhow!("the delivery was stopped")));
        }
        let failed = DeltaError::at("copy to", target);
        match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => copied.write_all(&chunk[..read]).map_err(failed)?,
            Err(error) => return Err(failed(error).into()),
        }
    }
    Ok(copied.sync().map_err(DeltaError::from)?)
}

/// The names in a folder; none if it is not there.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, DeltaError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(DeltaError::at("list", folder)(error)),
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    Ok(names)
}
