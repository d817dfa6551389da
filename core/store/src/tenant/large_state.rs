//! State files that may be large.

use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};

use core_files::{File, FileError, Replacement};

use super::{DeliveryLock, TenantStore};
use crate::error::StoreError;
use crate::watcher::Change;

/// The bytes that are read or written at once.
const PIECE: usize = 256 * 1024;

impl TenantStore {
    /// Opens a state file to read it piece by piece, so that a large one is never in memory as a whole. None if there is
    /// no such file.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidName`] unless the name is one plain file name, [`StoreError::Io`].
    pub fn open_state(&self, name: &str) -> Result<Option<impl Read + use<>>, StoreError> {
        match File::open(&self.state_path(name)?) {
            Ok(file) => Ok(Some(BufReader::with_capacity(PIECE, file))),
            Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl DeliveryLock {
    /// Replaces a state file like [`Self::set_state`], but as a stream, so that a large one is never in memory as a
    /// whole.
    ///
    /// # Errors
    ///
    /// As [`Self::set_state`], and what `write` fails with.
    pub fn write_state(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let path = self.tenant.state_path(name)?;
        let failed = |source| FileError { action: "write", path: path.clone(), source };
        let mut file = BufWriter::with_capacity(PIECE, Replacement::begin(&path)?);
        write(&mut file).map_err(failed)?;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.finish()?;
        self.tenant.changed(Change::State)
    }
}
