//! The proof that a bucket holds the store that a working copy was made of.
//!
//! Bringing a folder up to date removes what the bucket does not have. If someone has emptied the bucket and begun
//! anew, or has changed the address, that would empty the folder, which may hold the only copy of the old store. Each store
//! has an origin, the nonce of its first head, which a machine notes beside its folder. A removed tenant keeps its head, and
//! so its origin. With another origin, the bucket must hold a backup of the same store: its ledger has an entry of the
//! folder's ledger.

use std::path::{Path, PathBuf};

use core_store::{LEDGER_PATH, LedgerContent, TenantStore};

use crate::error::BucketError;
use crate::head::Nonce;
use crate::reader::TenantReader;

/// The origin of the store in a tenant's folder, in a file beside it.
#[derive(Debug)]
pub(crate) struct KnownOrigin(PathBuf);

impl KnownOrigin {
    pub(crate) fn in_folder(store: &Path, tenant: &str) -> Self {
        Self(store.join(format!("{tenant}.origin")))
    }

    fn is(&self, origin: &Nonce) -> Result<bool, BucketError> {
        let text = core_files::read_if_present(&self.0)?;
        Ok(text.is_some_and(|text| text == origin.to_string().as_bytes()))
    }

    fn set(&self, origin: &Nonce) -> Result<(), BucketError> {
        Ok(core_files::replace_file(&self.0, origin.to_string().as_bytes())?)
    }

    /// Checks that the bucket holds the store of a folder, and notes its origin. Returns true if the origin was known.
    /// `content` returns the folder if it has content.
    ///
    /// # Errors
    ///
    /// [`BucketError::OtherStore`]; the errors of reading.
    pub(crate) async fn check(
        &self,
        published: &TenantReader,
        tenant: &TenantStore,
        content: impl FnOnce() -> Result<Option<PathBuf>, BucketError>,
    ) -> Result<bool, BucketError> {
        let Some(origin) = &published.origin else { return Ok(false) };
        if self.is(origin)? {
            return Ok(true);
        }
        if let Some(folder) = content()?
            && !has_common_history(published, tenant).await?
        {
            return Err(BucketError::OtherStore { folder });
        }
        self.set(origin)?;
        Ok(false)
    }
}

/// Returns true if the ledgers of the bucket and of the folder have a common entry.
async fn has_common_history(
    published: &TenantReader,
    tenant: &TenantStore,
) -> Result<bool, BucketError> {
    if !published.snapshot.files.contains_key(LEDGER_PATH) {
        return Ok(false);
    }
    let ledger = published.open(LEDGER_PATH).await?.read_all().await?;
    Ok(tenant.ledger().content()?.has_common_entry(&LedgerContent::from_bytes(&ledger)))
}
