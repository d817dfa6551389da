//! Brings the content of a tenant in another place into a folder.

use std::collections::BTreeSet;

use core_store::{
    GenerationId, Incoming, LedgerContent, LedgerHead, MANIFEST_FILE, RunLock, StoreError,
    TenantPart, TenantSnapshot,
};

use crate::error::BucketError;
use crate::pieces::Pieces;

/// The generations whose tables a folder is to have, besides those that it has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// The published one.
    Current,
    /// The published one and these.
    These(Vec<GenerationId>),
    /// The published one and this many of the newest ones.
    Newest(usize),
    /// All.
    All,
}

/// A locked folder that is being made equal to a snapshot.
#[derive(Debug)]
pub(crate) struct Arrival {
    lock: RunLock,
    incoming: Incoming,
    /// The content that the folder had before.
    known: TenantSnapshot,
    /// The ledger that is replaced. Every entry of it is in the other place, or is given up.
    ledger: LedgerContent,
}

/// The folder after an arrival.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// The number of files that were removed.
    pub(crate) removed: usize,
    /// The last readable entry of the ledger that arrived.
    pub(crate) ledger: Option<LedgerHead>,
}

impl Arrival {
    /// Starts with the content of the folder, and with the files that an interrupted arrival left there.
    pub(crate) fn begin(lock: RunLock, ledger: LedgerContent) -> Result<Self, BucketError> {
        let known = lock.tenant().known_files()?;
        let incoming = lock.tenant().receive();
        Ok(Self { lock, incoming, known, ledger })
    }

    pub(crate) fn known(&self) -> &TenantSnapshot {
        &self.known
    }

    /// Returns the generations of a snapshot whose tables need not arrive. Those that the folder has whole stay so: a
    /// file that it has lost is damage, which arrives again.
    pub(crate) fn without_tables(
        &self,
        snapshot: &TenantSnapshot,
        needed: &Needed,
    ) -> Result<BTreeSet<GenerationId>, BucketError> {
        let mut older: BTreeSet<_> = snapshot.generations().into_iter().collect();
        match needed {
            Needed::Current => {}
            Needed::These(ids) => older.retain(|id| !ids.contains(id)),
            Needed::Newest(number) => (0..*number).for_each(|_| drop(older.pop_last())),
            Needed::All => older.clear(),
        }
        if let Some(current) = &snapshot.current {
            older.remove(current);
        }
        let not_fetched = self.lock.tenant().not_fetched()?;
        let is_same = |id: &GenerationId| {
            let part = TenantPart::Generation(id.as_str());
            let manifest = format!("{}/{MANIFEST_FILE}", part.folder());
            let known = self.known.files.get(&manifest);
            known.is_some() && known == snapshot.files.get(&manifest)
        };
        older.retain(|id| not_fetched.contains(id) || !is_same(id));
        Ok(older)
    }

    /// Returns the files of a snapshot that the folder lacks, but for the tables of some generations. Files of an
    /// interrupted arrival are read and compared.
    pub(crate) fn missing(
        &self,
        snapshot: &TenantSnapshot,
        without_tables: &BTreeSet<GenerationId>,
    ) -> Result<Vec<String>, BucketError> {
        let mut missing = Vec::new();
        let is_needed =
            |path: &str| generation_of_table(path).is_none_or(|id| !without_tables.contains(&id));
        for (path, file) in snapshot.files.iter().filter(|(path, _)| is_needed(path)) {
            let is_in_place = self.known.files.get(path) == Some(file);
            if !is_in_place && !self.incoming.has(path, file)? {
                missing.push(path.clone());
            }
        }
        Ok(missing)
    }

    /// Stores a file, and compares it after reading it back. No reader sees it yet.
    pub(crate) async fn put(&self, path: &str, content: Pieces) -> Result<(), BucketError> {
        receive(&self.incoming, path, content).await
    }

    /// Makes the folder equal to the snapshot, but for the tables that it lacks of some generations. `before_ledger` is
    /// called just before the ledger is replaced, while nothing can be added to it.
    ///
    /// # Errors
    ///
    /// [`StoreError::LedgerChanged`] if an entry was added to the ledger since the caller has read it.
    pub(crate) fn put_in_place(
        &self,
        snapshot: &TenantSnapshot,
        without_tables: &BTreeSet<GenerationId>,
        before_ledger: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<Arrived, BucketError> {
        let ledger = self.incoming.put_in_place(
            &self.lock,
            snapshot,
            without_tables,
            &self.ledger,
            before_ledger,
        )?;
        let old = self.known.files.keys();
        let removed = old.filter(|path| !snapshot.files.contains_key(*path)).count();
        tracing::info!(tenant = self.lock.tenant().name(), removed, "copy put in place");
        Ok(Arrived { removed, ledger: ledger.last_readable() })
    }
}

/// Stores a file that arrives, and compares it after reading it back.
pub(crate) async fn receive(
    incoming: &Incoming,
    path: &str,
    mut content: Pieces,
) -> Result<(), BucketError> {
    let mut file = incoming.create(path)?;
    while let Some(piece) = content.next().await? {
        file.write_bytes(&piece)?;
    }
    Ok(incoming.finish(&file, path, content.expected())?)
}

/// Returns the generation of which a file is a table; None for the manifest, the small files beside it, and other parts.
fn generation_of_table(path: &str) -> Option<GenerationId> {
    match TenantPart::of_path(path)? {
        // The tables are in folders of the generation's folder.
        TenantPart::Generation(id) if path.matches('/').count() > 2 => GenerationId::parse(id).ok(),
        _ => None,
    }
}
