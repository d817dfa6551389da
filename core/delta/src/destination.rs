//! A delivery to a folder of Delta tables, one table after the other.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use core_destination::mirror::{
    Mirror, MirrorReport, MirrorRules, MirrorScope, OlderCopy, TableMark, tenant_name,
};
use core_destination::{DeliveryError, DeliveryRequest, DeliveryResult, TypeChanges};
use core_store::{DeliveryLock, Table};

use crate::error::DeltaError;
use crate::log::{Version, schema_text, table_id};
use crate::root::Root;
use crate::table::TableFolder;

/// The name of the destination in commands, in its lock and in the ledger.
pub const NAME: &str = "delta";

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The settings of a folder of Delta tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaSettings {
    /// The folder of all tables.
    pub folder: PathBuf,
    /// The number of days for which a version stays after it was replaced.
    pub keep_days: u64,
}

impl DeltaSettings {
    /// The place, in words that tell it from every other one.
    pub fn place(&self) -> String {
        format!("folder {}", self.folder.display())
    }
}

/// A folder of Delta tables as a destination.
pub struct Delta {
    rules: MirrorRules,
    settings: DeltaSettings,
}

impl Delta {
    /// A destination by its settings.
    pub fn new(rules: MirrorRules, settings: DeltaSettings) -> Self {
        Self { rules, settings }
    }

    /// Finds out whether the folder can be written to. Changes nothing of what is in it.
    ///
    /// # Errors
    ///
    /// It has something that is not ours, or the system refuses.
    pub fn probe(&self, tenant: &str, region: &str) -> Result<(), DeltaError> {
        let folder = &self.settings.folder;
        Root::check(folder, &tenant_name(tenant, region))?;
        let there = folder.ancestors().find(|folder| folder.is_dir());
        let there = there.unwrap_or_else(|| std::path::Path::new("."));
        let writable = core_files::ensure_writable(there);
        writable.map_err(DeltaError::at("write to", there))
    }
}

impl Mirror for Delta {
    fn rules(&self) -> &MirrorRules {
        &self.rules
    }

    async fn deliver_scope(
        &self,
        lock: &DeliveryLock,
        scope: MirrorScope,
        request: &DeliveryRequest,
        tell: &dyn Fn(&str),
        stop: impl Future<Output = ()>,
    ) -> Result<DeliveryResult<MirrorReport>, DeliveryError> {
        let before = self.rules.record_begin(lock, &scope)?;
        tell("writing tables");
        let is_stopped = Arc::new(AtomicBool::new(false));
        let writing = Writing {
            settings: self.settings.clone(),
            may_be_erased: self.rules.may_be_erased,
            request: request.clone(),
            scope: scope.clone(),
            is_stopped: Arc::clone(&is_stopped),
        };
        let mut written = tokio::task::spawn_blocking(move || writing.write());
        let written = tokio::select! {
            biased;
            written = &mut written => written,
            () = stop => {
                is_stopped.store(true, Ordering::Relaxed);
                written.await
            }
        };
        // What a panic says stays unsaid, since it may show a cell.
        let written = written.map_err(|_| {
            let message = "the program has a defect and stopped; please report this";
            DeliveryError::Local(anyhow::anyhow!(message))
        })??;
        let held = before.map(|before| before.types).unwrap_or_default();
        let kept = written.kept.iter();
        let kept = kept.map(|name| (name.clone(), held.get(name).cloned().unwrap_or_default()));
        self.rules.record_end(lock, &scope, kept)?;
        if written.is_unchanged() {
            let generation = scope.generation.id().to_string();
            return Ok(DeliveryResult::NothingChanged { generation });
        }
        let report = MirrorReport { place: self.settings.place(), ..written.report };
        Ok(report.delivered(scope.reason_to_deliver(false)))
    }
}

/// The tables that a delivery wrote.
struct Written {
    report: MirrorReport,
    /// The types that the generation does not have, and that stay.
    kept: Vec<String>,
}

impl Written {
    fn is_unchanged(&self) -> bool {
        self.report.types.is_empty() && self.report.removed_types.is_empty()
    }
}

/// One delivery, which blocks.
struct Writing {
    settings: DeltaSettings,
    may_be_erased: fn(&str) -> bool,
    request: DeliveryRequest,
    scope: MirrorScope,
    is_stopped: Arc<AtomicBool>,
}

impl Writing {
    fn write(&self) -> Result<Written, DeliveryError> {
        let generation = &self.scope.generation;
        let manifest = generation.manifest();
        let tenant = tenant_name(&manifest.tenant, &manifest.region);
        let root = Root::open(&self.settings.folder, &tenant)?;
        self.check_age(&root)?;
        let held = root.state.as_ref().map(|state| state.erasures.clone());
        let after_erasure = held.as_ref().is_some_and(|held| !manifest.erasures.is_subset(held));
        if root.state.is_none() {
            // Before the first table, so that a delivery that is killed leaves a folder that is ours.
            root.write(None, BTreeSet::new())?;
        }
        root.remove_leftovers()?;
        let report = MirrorReport {
            generation: generation.id().to_string(),
            partial_datasets: self.scope.partial_datasets(),
            ..MirrorReport::default()
        };
        let mut written = Written { report, kept: Vec::new() };
        for table in self.scope.tables() {
            if let Some(changes) = self.write_table(&root, &tenant, table)? {
                written.report.types.push(changes);
            }
        }
        let keep_ms = if after_erasure { 0 } else { self.settings.keep_days * DAY_MS };
        self.tidy(&root, after_erasure, keep_ms, &mut written)?;
        root.write(Some(generation.id().to_string()), manifest.erasures.clone())?;
        Ok(written)
    }

    /// Refuses to replace a newer generation by an older one, or by one that has not been through an erasure that the folder
    /// has been through, as a restored copy of a store would.
    fn check_age(&self, root: &Root) -> Result<(), DeltaError> {
        let Some(state) = root.state.as_ref().filter(|_| !self.request.accept_destination) else {
            return Ok(());
        };
        let generation = &self.scope.generation;
        let (folder, ours) = (root.folder().to_owned(), generation.id().to_string());
        let found = state.generation.as_deref();
        match OlderCopy::find(found, &state.erasures, &ours, &generation.manifest().erasures) {
            Some(OlderCopy::Generation(found)) => {
                Err(DeltaError::NewerGeneration { folder, found, ours })
            }
            Some(OlderCopy::Erasure(erasure)) => {
                Err(DeltaError::BeforeErasure { folder, erasure, ours })
            }
            None => Ok(()),
        }
    }

    /// Writes the next version of a table, unless its newest one has these rows.
    fn write_table(
        &self,
        root: &Root,
        tenant: &str,
        table: &Table,
    ) -> Result<Option<TypeChanges>, DeliveryError> {
        let folder = TableFolder::new(root.folder(), &table.name);
        let generation = &self.scope.generation;
        let before = folder.newest()?;
        let mark = TableMark::new(table).to_string();
        if let Some(newest) = before.as_ref().filter(|newest| newest.mark == mark)
            && !self.request.full
        {
            // One that was killed may lack it.
            folder.write_checkpoint(newest)?;
            return Ok(None);
        }
        let number = before.as_ref().map_or(0, |before| before.number + 1);
        let is_stopped = || self.is_stopped.load(Ordering::Relaxed);
        let files = folder.copy_files(generation, table, number, &is_stopped)?;
        let schema = generation.schema(table.kind, &table.name)?;
        let (id, time_ms) = (generation.id().as_str(), generation.id().time_ms());
        let version = Version {
            number,
            generation: id.to_owned(),
            time_ms,
            mark,
            schema: schema_text(&table.name, &schema)?,
            table_id: before.as_ref().map_or_else(
                || table_id(tenant, &table.name, id),
                |before| before.table_id.clone(),
            ),
            created_ms: before.as_ref().map_or(time_ms, |before| before.created_ms),
            ends: table.from_type.clone().zip(table.to_type.clone()),
            files,
        };
        folder.commit(&version, before.as_ref())?;
        folder.write_checkpoint(&version)?;
        let (type_name, rows) = (table.name.clone(), table.rows);
        let changes = match before {
            None => TypeChanges { creates: rows, ..TypeChanges::default() },
            Some(_) => TypeChanges { updates: rows, ..TypeChanges::default() },
        };
        Ok(Some(TypeChanges { type_name, ..changes }))
    }

    /// Removes old versions, and tables that are to go.
    fn tidy(
        &self,
        root: &Root,
        after_erasure: bool,
        keep_ms: u64,
        written: &mut Written,
    ) -> Result<(), DeliveryError> {
        let is_delivered = |name: &String| self.scope.tables().any(|table| table.name == *name);
        for name in root.types()? {
            let folder = TableFolder::new(root.folder(), &name);
            let is_absent = !is_delivered(&name);
            let is_erased = is_absent && after_erasure && self.may_have_people(&folder, &name)?;
            if self.scope.is_withheld(&name) || is_erased {
                TableFolder::remove(root.folder(), &name)?;
                written.report.removed_types.push(name);
                continue;
            }
            folder.expire(self.scope.generation.id().time_ms(), keep_ms)?;
            if is_absent {
                written.kept.push(name);
            }
        }
        Ok(())
    }

    /// Returns true if a table that the generation does not have may have people, or be about them.
    fn may_have_people(&self, folder: &TableFolder, name: &str) -> Result<bool, DeltaError> {
        let ends = folder.newest()?.and_then(|newest| newest.ends);
        let touches =
            |(from, to): (String, String)| (self.may_be_erased)(&from) || (self.may_be_erased)(&to);
        Ok((self.may_be_erased)(name) || ends.is_some_and(touches))
    }
}
