//! Reads and writes the book in the store, and refuses one that may show erased people.

use std::time::Duration;

use core_store::{DeliveryLock, StoreError, TenantStore};
use serde::Deserialize;

use super::{Book, VERSION};

/// The name of the file in the tenant's folder, without its extension.
pub const FILE: &str = "findings";

/// The time for which another program may hold the book.
const PATIENCE: Duration = Duration::from_secs(20);

/// The interval at which the lock is tried.
const RETRY: Duration = Duration::from_millis(50);

/// A reason why the book cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file was not written by this program.
    #[error(
        "{FILE}.json in the tenant's folder cannot be read: put it back from a backup, or remove it to begin anew"
    )]
    Broken {
        /// The place of the mistake.
        source: serde_json::Error,
    },
    /// A newer program has written it.
    #[error(
        "{FILE}.json has format {found}, and this program reads {VERSION}: use a newer program"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
    /// It is older than the last erasure.
    #[error(
        "{FILE}.json is older than the last erasure, so it may contain an erased person: `privacy suppression apply` removes them again"
    )]
    NotCleansed,
    /// Another program holds it.
    #[error("another command is changing the findings: {owner}; try again")]
    Busy {
        /// That program.
        owner: String,
    },
}

impl Book {
    /// Reads the book of a tenant; returns nothing if there is none yet.
    ///
    /// # Errors
    /// [`BookError::NotCleansed`] if it has not been through every erasure, and the others.
    pub fn read(tenant: &TenantStore) -> Result<Option<Self>, BookError> {
        let Some(book) = Self::read_uncleansed(tenant)? else { return Ok(None) };
        if tenant.erasures()?.is_subset(&book.erasures) {
            return Ok(Some(book));
        }
        Err(BookError::NotCleansed)
    }

    /// Reads the book, though it may show erased people.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn read_uncleansed(tenant: &TenantStore) -> Result<Option<Self>, BookError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Some(file) = tenant.open_state(FILE)? else { return Ok(None) };
        let read = serde_json::from_reader::<_, Self>(file);
        // The version decides only where the rest is not as it should be: a large book is read once.
        let version = if let Ok(book) = &read {
            Some(book.version)
        } else {
            let bytes = tenant.state(FILE)?.unwrap_or_default();
            serde_json::from_slice(&bytes).ok().map(|Version { version }| version)
        };
        if let Some(found) = version.filter(|version| *version > VERSION) {
            return Err(BookError::Newer { found });
        }
        read.map(Some).map_err(|source| BookError::Broken { source })
    }

    /// Waits for the right to change the book, which others have for moments only. `owner` is shown to those who wait.
    /// Read the book while you hold it.
    ///
    /// # Errors
    /// [`BookError::Busy`] after a while, or the store refuses.
    pub async fn lock(tenant: &TenantStore, owner: &str) -> Result<DeliveryLock, BookError> {
        let mut waited = Duration::ZERO;
        loop {
            match tenant.lock_delivery(FILE, owner) {
                Err(StoreError::Delivering { owner }) if waited >= PATIENCE => {
                    return Err(BookError::Busy { owner });
                }
                Err(StoreError::Delivering { .. }) => {}
                locked => return Ok(locked?),
            }
            tokio::time::sleep(RETRY).await;
            waited += RETRY;
        }
    }

    /// Writes the book, in one step.
    ///
    /// # Errors
    /// The store refuses.
    pub fn write(&self, lock: &DeliveryLock) -> Result<(), BookError> {
        let written = lock.write_state(FILE, |mut file| {
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")
        });
        Ok(written?)
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("a book is plain data");
        bytes.push(b'\n');
        bytes
    }
}
