//! Verification of files against the checksums in a manifest or in an event log's state before they
//! are read.
//!
//! Parquet notices a changed byte in its footer, not one in a value. So every reader of this crate
//! gets a file that was verified first, and a flipped bit ends in an error instead of a wrong name.
//!
//! Hashing a large file can take longer than the query that reads it. A file larger than
//! [`SMALL_BYTES`] is therefore verified once, and again after its size, its times or its inode
//! changed: the file `verified.json` of the tenant records these facts for each large file that
//! matched. It is a cache. Losing it only costs time, and a read-only store works without it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::StoreError;
use crate::manifest::FileEntry;
use crate::not_fetched::Origin;
use crate::platform::{self, FileStamp};

/// The size up to which every process that reads a file verifies it. BLAKE3 hashes 4 GB/s on one
/// core: two milliseconds for this much, where a query that reads as much takes a hundred.
const SMALL_BYTES: u64 = 8 * 1024 * 1024;

/// The cache of verified files, in the tenant's folder.
pub(crate) const CACHE_FILE: &str = "verified.json";

/// The stamps of files that matched, by their path below the tenant's folder.
type Stamps = BTreeMap<String, FileStamp>;

/// The files that a verification may skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thoroughness {
    /// Files that matched before and have not changed since.
    Cached,
    /// No files.
    Full,
}

/// The files of one generation or event log, to be verified when they are read.
#[derive(Debug, Clone)]
pub(crate) struct Checksums {
    /// The generation or log, for messages: "generation 01JN…".
    owner: String,
    /// The folder that the paths of files are relative to, below the tenant's.
    folder: PathBuf,
    tenant: PathBuf,
    /// The place that missing files are fetched from, if there is one.
    origin: Option<Origin>,
    /// The files that this process has verified.
    compared: Arc<Mutex<Stamps>>,
}

impl Checksums {
    pub(crate) fn new(owner: String, folder: &Path, tenant: &Path) -> Self {
        let (folder, tenant) = (folder.to_owned(), tenant.to_owned());
        Self { owner, folder, tenant, origin: None, compared: Arc::default() }
    }

    pub(crate) fn with_origin(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens a file for reading after verifying it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub(crate) fn open(&self, entry: &FileEntry) -> Result<File, StoreError> {
        let path = self.folder.join(&entry.path);
        match self.compare(entry, Thoroughness::Cached)? {
            None => File::open(&path).map_err(StoreError::io("open the file", &path)),
            Some(finding) => Err(self.damaged(vec![finding])),
        }
    }

    /// Verifies files and returns a line for each damaged one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if an existing file cannot be read.
    pub(crate) fn findings<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a FileEntry>,
        thoroughness: Thoroughness,
    ) -> Result<Vec<String>, StoreError> {
        let compared = entries.into_iter().map(|entry| self.compare(entry, thoroughness));
        compared.filter_map(Result::transpose).collect()
    }

    /// Verifies files.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] with all findings, [`StoreError::Io`].
    pub(crate) fn check<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a FileEntry>,
        thoroughness: Thoroughness,
    ) -> Result<(), StoreError> {
        let findings = self.findings(entries, thoroughness)?;
        if findings.is_empty() { Ok(()) } else { Err(self.damaged(findings)) }
    }

    fn damaged(&self, findings: Vec<String>) -> StoreError {
        StoreError::Damaged { owner: self.owner.clone(), findings }
    }

    /// Returns the defect of a file, if it has one.
    fn compare(
        &self,
        entry: &FileEntry,
        thoroughness: Thoroughness,
    ) -> Result<Option<String>, StoreError> {
        let finding = |what: &str| Ok(Some(format!("{} {what}", entry.path)));
        let path = self.folder.join(&entry.path);
        let Some(file) = self.open_or_fetch(&path)? else { return finding("is missing") };
        let metadata = file.metadata().map_err(StoreError::io("read", &path))?;
        if metadata.len() != entry.bytes {
            let what = format!("has {} bytes instead of {}", metadata.len(), entry.bytes);
            return finding(&what);
        }
        // Taken before the content is read, so that a later change shows.
        let stamp = platform::file_stamp(&metadata);
        let name = self.name_in_cache(&path);
        if thoroughness == Thoroughness::Cached && self.has_matched(&name, entry, &stamp) {
            return Ok(None);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).map_err(StoreError::io("read", &path))?;
        if hasher.finalize().to_hex().as_str() != entry.blake3 {
            return finding("has another content than when it was written");
        }
        self.note_match(name, entry, stamp);
        Ok(None)
    }

    /// Opens a file; fetches it if it is still to be fetched. None if it is missing.
    fn open_or_fetch(&self, path: &Path) -> Result<Option<File>, StoreError> {
        let open = || match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open the file", path)(error)),
        };
        match (open()?, &self.origin) {
            (None, Some(origin)) => {
                origin.fetch(&self.folder)?;
                // Another thread may have fetched it just now.
                open()
            }
            (opened, _) => Ok(opened),
        }
    }

    fn name_in_cache(&self, path: &Path) -> String {
        // The names below a tenant's folder are our own, and plain.
        path.strip_prefix(&self.tenant).unwrap_or(path).to_string_lossy().into_owned()
    }

    fn has_matched(&self, name: &str, entry: &FileEntry, stamp: &FileStamp) -> bool {
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if compared.get(name) == Some(stamp) {
            return true;
        }
        if entry.bytes <= SMALL_BYTES || read_cache(&self.tenant).get(name) != Some(stamp) {
            return false;
        }
        compared.insert(name.to_owned(), stamp.clone());
        true
    }

    fn note_match(&self, name: String, entry: &FileEntry, stamp: FileStamp) {
        if entry.bytes > SMALL_BYTES {
            let mut cache = read_cache(&self.tenant);
            cache.retain(|name, _| self.tenant.join(name).exists());
            cache.insert(name.clone(), stamp.clone());
            let text = serde_json::to_vec(&cache).expect("a map of texts is JSON");
            if let Err(error) = core_files::replace_file(&self.tenant.join(CACHE_FILE), &text) {
                // A copy of a store may be read-only; the next reader verifies again.
                tracing::debug!(%error, "the cache of compared files is not written");
            }
        }
        self.compared.lock().unwrap_or_else(PoisonError::into_inner).insert(name, stamp);
    }
}

/// Reads the cache; an unreadable one is empty.
fn read_cache(tenant: &Path) -> Stamps {
    let bytes = fs::read(tenant.join(CACHE_FILE)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = b"0123456789";

    /// A file of this many bytes, and its entry in a manifest.
    fn file(tenant: &Path, bytes: usize) -> Result<(Checksums, FileEntry), std::io::Error> {
        let content: Vec<u8> = OLD.iter().copied().cycle().take(bytes).collect();
        let folder = tenant.join("generations/1");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("table"), &content)?;
        let entry = FileEntry {
            path: "table".to_owned(),
            bytes: bytes as u64,
            blake3: blake3::hash(&content).to_hex().to_string(),
        };
        Ok((Checksums::new("generation 1".to_owned(), &folder, tenant), entry))
    }

    #[test]
    fn a_file_that_does_not_match_is_not_opened() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let (checksums, entry) = file(place.path(), 10)?;
        checksums.open(&entry)?;
        let path = place.path().join("generations/1/table");
        let table: [(&[u8], &str); 2] = [
            (b"0123456788", "table has another content than when it was written"),
            (b"012345678", "table has 9 bytes instead of 10"),
        ];
        for (content, finding) in table {
            fs::write(&path, content)?;
            let error = checksums.open(&entry).expect_err("it is damaged");
            assert_eq!(
                error.to_string(),
                format!(
                    "generation 1 is damaged: {finding}; restore it from a backup, `store verify` lists \
                 all damage"
                )
            );
        }
        fs::remove_file(&path)?;
        let findings = checksums.findings([&entry], Thoroughness::Full)?;
        assert_eq!(findings, ["table is missing"]);
        Ok(())
    }

    #[test]
    fn a_large_file_is_verified_once_until_it_changes() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let large = usize::try_from(SMALL_BYTES)? + 1;
        let (checksums, mut entry) = file(place.path(), large)?;
        let another_process = || Checksums { compared: Arc::default(), ..checksums.clone() };
        checksums.open(&entry)?;

        // As if another file had been verified: only the cache can report that this one matches.
        let right = std::mem::replace(&mut entry.blake3, "0".repeat(64));
        another_process().open(&entry)?;
        assert!(another_process().check([&entry], Thoroughness::Full).is_err());

        entry.blake3 = right;
        let path = place.path().join("generations/1/table");
        let mut content = fs::read(&path)?;
        content[4_000_000] ^= 1;
        fs::write(&path, content)?;
        assert!(another_process().open(&entry).is_err(), "a bit is another");
        Ok(())
    }

    #[test]
    fn a_small_file_is_verified_by_every_process() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let (checksums, mut entry) = file(place.path(), 10)?;
        checksums.open(&entry)?;
        assert!(!place.path().join(CACHE_FILE).exists());
        entry.blake3 = "0".repeat(64);
        checksums.open(&entry)?;
        let another_process = Checksums { compared: Arc::default(), ..checksums };
        assert!(another_process.open(&entry).is_err());
        Ok(())
    }
}
