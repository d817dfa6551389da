//! The stored content of a tenant as a list of files: what a copy of a store must reproduce.
//!
//! A copy takes generations, events, the ledger and the small files. It leaves out what belongs to one machine: locks,
//! downloads, unfinished generations, quarantined rows, logs, and the cache of verified files.

mod incoming;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub use self::incoming::Incoming;
use crate::checksum::CACHE_FILE;
use crate::error::StoreError;
use crate::events::{self, EventLog};
use crate::generation::Generation;
use crate::ledger;
use crate::manifest::MANIFEST_FILE;
use crate::names::{self, GenerationId};
use crate::tenant::{RunLock, TenantStore, folder_names};

/// The folder of a tenant in which a copy arrives.
pub(crate) const COPYING: &str = "copying";
/// The folder of a tenant with its generations.
pub(crate) const GENERATIONS: &str = "generations";
const LEDGER: &str = "ledger";
const EVENTS: &str = "events";
const STATE_SUFFIX: &str = ".json";

/// The size and hash of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The size in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of its content, in hexadecimal.
    pub blake3: String,
}

impl Fingerprint {
    /// Returns the fingerprint of a file with this content.
    pub(crate) fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, blake3: blake3::hash(content).to_hex().to_string() }
    }
}

/// The stored content of a tenant at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantSnapshot {
    /// The published generation.
    pub current: Option<GenerationId>,
    /// The files by their path in the tenant's folder, with `/` between the parts.
    pub files: BTreeMap<String, Fingerprint>,
}

/// The part of a tenant that a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TenantPart<'a> {
    /// A generation, by its ID.
    Generation(&'a str),
    /// An event log, by its name.
    Events(&'a str),
    /// The ledger.
    Ledger,
    /// A small file beside the generations.
    State,
}

impl<'a> TenantPart<'a> {
    /// Returns the part that a path belongs to; None if a copy has no such file. Every path that is accepted stays in
    /// the tenant's folder.
    pub fn of_path(path: &'a str) -> Option<Self> {
        match path.split_once('/') {
            None => {
                let is_state = path.ends_with(STATE_SUFFIX) && path != CACHE_FILE;
                (is_state && names::check_file(path).is_ok()).then_some(Self::State)
            }
            Some((GENERATIONS, rest)) => {
                let (id, file) = rest.split_once('/')?;
                let is_valid = GenerationId::parse(id).is_ok() && names::is_inside(file);
                is_valid.then_some(Self::Generation(id))
            }
            Some((EVENTS, rest)) => {
                let (log, file) = rest.split_once('/')?;
                let is_valid = file == events::STATE_FILE || events::is_inside(file);
                (names::check_table(log).is_ok() && is_valid).then_some(Self::Events(log))
            }
            Some((LEDGER, ledger::ENTRIES)) => Some(Self::Ledger),
            Some(_) => None,
        }
    }

    /// The folder of the part in the tenant's folder; empty for small files.
    pub fn folder(self) -> String {
        match self {
            Self::Generation(id) => format!("{GENERATIONS}/{id}"),
            Self::Events(log) => format!("{EVENTS}/{log}"),
            Self::Ledger => LEDGER.to_owned(),
            Self::State => String::new(),
        }
    }
}

/// The path of the ledger in a snapshot.
pub const LEDGER_PATH: &str = "ledger/entries.ndjson";

/// The files that close a store that may show an erased person: the list of erased people, then the erasures that
/// everything must have been through. Without the list, the erasures would count as lifted.
const CLOSING_PATHS: [&str; 2] = ["suppressions.json", "erasures.json"];

impl TenantSnapshot {
    /// The generations, oldest first.
    pub fn generations(&self) -> Vec<GenerationId> {
        let mut ids: Vec<_> = self.files.keys().filter_map(|path| generation_of(path)).collect();
        ids.dedup();
        ids
    }

    /// The size of all files in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    /// The files of one part, by path.
    pub fn part(&self, part: TenantPart<'_>) -> impl Iterator<Item = (&String, &Fingerprint)> {
        self.files.iter().filter(move |(path, _)| TenantPart::of_path(path) == Some(part))
    }
}

fn generation_of(path: &str) -> Option<GenerationId> {
    match TenantPart::of_path(path)? {
        TenantPart::Generation(id) => GenerationId::parse(id).ok(),
        _ => None,
    }
}

/// The generations and logs that a list of files leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// None: damage is an error, and so is a part that may show an erased person.
    Rejected,
    /// Those that cannot be read, so that a copy replaces them.
    LeftOut,
    /// None, and those that may show an erased person are listed: the list goes to a place that is closed by the same
    /// erasures.
    UncleansedListed,
}

impl RunLock {
    /// Lists the content to copy. The files of generations and events are taken from manifests and not read.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotCleansed`], [`StoreError::EventsNotCleansed`], and the errors of reading a manifest: a store that
    /// is damaged, or shows an erased person, must not replace a copy that is not. [`StoreError::NotFetched`] for a working
    /// copy that lacks tables.
    pub fn snapshot(&self) -> Result<TenantSnapshot, StoreError> {
        if let Some(id) = self.tenant().not_fetched()?.first() {
            return Err(StoreError::NotFetched { id: id.to_string() });
        }
        list(self.tenant(), Damage::Rejected)
    }
}

impl TenantStore {
    /// Lists the content of a store that a copy replaces. Files that are missing, have another size or cannot be read
    /// are left out, so that they are copied again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`], [`StoreError::BrokenPointer`], [`StoreError::NewerFormat`], [`StoreError::NewerEvents`].
    pub fn known_files(&self) -> Result<TenantSnapshot, StoreError> {
        let mut snapshot = list(self, Damage::LeftOut)?;
        let folder = self.folder();
        snapshot.files.retain(|path, file| {
            fs::metadata(folder.join(path)).is_ok_and(|found| found.len() == file.bytes)
        });
        Ok(snapshot)
    }

    /// Lists the present content of a working copy, as a killed process would leave it, for the bucket. An erasure
    /// may be in progress, whose list closes the parts that it has not cleansed yet.
    ///
    /// # Errors
    ///
    /// As [`RunLock::snapshot`], but for those of erasures.
    pub fn working_files(&self) -> Result<TenantSnapshot, StoreError> {
        list(self, Damage::UncleansedListed)
    }

    /// Returns true if the tenant has no data: at most locks and unfinished downloads.
    ///
    /// # Errors
    ///
    /// As [`TenantStore::working_files`].
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.working_files()?.files.is_empty())
    }

    /// The path of a file of a snapshot.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] for a path that is no file of a snapshot.
    pub fn file_path(&self, path: &str) -> Result<PathBuf, StoreError> {
        check_path(path)?;
        Ok(self.folder().join(path))
    }
}

/// Rejects a path that is no file of a snapshot.
pub(crate) fn check_path(path: &str) -> Result<(), StoreError> {
    if TenantPart::of_path(path).is_some() {
        return Ok(());
    }
    Err(StoreError::InvalidName {
        what: "file",
        name: path.chars().filter(|c| !c.is_control()).take(120).collect(),
        rule: "a generation's, an event log's or the ledger's, or a small file beside them",
    })
}

fn list(tenant: &TenantStore, damage: Damage) -> Result<TenantSnapshot, StoreError> {
    let current = tenant.current_id()?;
    let mut files = BTreeMap::new();
    for id in tenant.generation_ids()? {
        let generation = match damage {
            Damage::Rejected => tenant.generation(&id),
            Damage::LeftOut | Damage::UncleansedListed => tenant.uncleansed_generation(&id),
        };
        match generation {
            Ok(generation) => list_generation(&generation, &mut files)?,
            Err(error) if damage == Damage::LeftOut && error.is_damage() => {}
            Err(error) => return Err(error),
        }
    }
    for name in folder_names(&tenant.folder().join(EVENTS))? {
        if names::check_table(&name).is_err() {
            continue;
        }
        let log = match damage {
            Damage::Rejected => tenant.events(&name),
            Damage::LeftOut | Damage::UncleansedListed => tenant.uncleansed_events(&name),
        };
        match log {
            Ok(log) => list_events(&name, &log, &mut files)?,
            Err(error) if damage == Damage::LeftOut && error.is_damage() => {}
            Err(error) => return Err(error),
        }
    }
    let states = folder_names(tenant.folder())?;
    let states = states.into_iter().filter(|name| TenantPart::of_path(name).is_some());
    for path in states.chain([LEDGER_PATH.to_owned()]) {
        add_if_present(tenant.folder(), path, &mut files)?;
    }
    Ok(TenantSnapshot { current, files })
}

fn list_generation(
    generation: &Generation,
    files: &mut BTreeMap<String, Fingerprint>,
) -> Result<(), StoreError> {
    let folder = TenantPart::Generation(generation.id().as_str()).folder();
    for file in generation.manifest().files() {
        let fingerprint = Fingerprint { bytes: file.bytes, blake3: file.blake3.clone() };
        files.insert(format!("{folder}/{}", file.path), fingerprint);
    }
    let manifest = fingerprint(&generation.folder().join(MANIFEST_FILE))?;
    files.insert(format!("{folder}/{MANIFEST_FILE}"), manifest);
    Ok(())
}

fn list_events(
    name: &str,
    log: &EventLog,
    files: &mut BTreeMap<String, Fingerprint>,
) -> Result<(), StoreError> {
    let folder = TenantPart::Events(name).folder();
    for file in log.files() {
        let fingerprint = Fingerprint { bytes: file.bytes, blake3: file.blake3.clone() };
        files.insert(format!("{folder}/{}", file.path), fingerprint);
    }
    let state = log.folder().join(events::STATE_FILE);
    if state.is_file() {
        files.insert(format!("{folder}/{}", events::STATE_FILE), fingerprint(&state)?);
    }
    Ok(())
}

fn add_if_present(
    tenant: &Path,
    path: String,
    files: &mut BTreeMap<String, Fingerprint>,
) -> Result<(), StoreError> {
    let file = tenant.join(&path);
    if file.is_file() {
        files.insert(path, fingerprint(&file)?);
    }
    Ok(())
}

/// Reads a file to fingerprint it.
pub(crate) fn fingerprint(path: &Path) -> Result<Fingerprint, StoreError> {
    let file = fs::File::open(path).map_err(StoreError::io("open the file", path))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(StoreError::io("read", path))?;
    Ok(Fingerprint { bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_snapshot_stays_in_the_tenant() {
        let id = "01JN7Z1M80000000000000000A";
        let table = [
            ("quota.json", Some(TenantPart::State)),
            ("ledger/entries.ndjson", Some(TenantPart::Ledger)),
            ("events/audit/state.json", Some(TenantPart::Events("audit"))),
            ("events/audit/date=2026-03-01/part-1.parquet", Some(TenantPart::Events("audit"))),
            ("generations/01JN7Z1M80000000000000000A/run.json", Some(TenantPart::Generation(id))),
            ("generations/01JN7Z1M80000000000000000A/../x", None),
            ("generations/../quota.json", None),
            ("generations/x/run.json", None),
            ("events/audit/staging/part-1", None),
            ("events/../x/state.json", None),
            ("verified.json", None),
            ("lock", None),
            ("CURRENT", None),
            ("staging/x.json", None),
            ("/etc/passwd", None),
            ("../quota.json", None),
            ("", None),
        ];
        for (path, expected) in table {
            assert_eq!(TenantPart::of_path(path), expected, "{path}");
        }
    }
}
