//! The key file of an installation, which one process at a time changes. A lost key is lost data.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use anyhow::Context as _;
use core_files::{FileLock, ensure_private};
use core_privacy::keys::KeyRing;
use zeroize::Zeroizing;

use crate::error::ErasureError;

/// The largest key file that is read and written, in bytes: some thousand rotations.
const MAX_KEY_FILE_BYTES: usize = 1024 * 1024;

/// The place of the key file of an installation.
#[derive(Debug, Clone, Copy)]
pub struct KeyFile<'a> {
    /// The path.
    pub path: &'a Path,
    /// The command that starts the program, for messages that say what to do.
    pub program: &'a str,
}

/// The key file while no other process can change it or the lists beside it.
#[derive(Debug)]
pub struct LockedKeyFile<'a> {
    file: KeyFile<'a>,
    _lock: FileLock,
}

impl<'a> KeyFile<'a> {
    /// Reads the keys of the installation.
    ///
    /// # Errors
    ///
    /// The key file is missing, exposed or damaged; the message says what to do.
    pub fn load(self) -> Result<KeyRing, ErasureError> {
        read_keys(self.path, self.program).map_err(ErasureError::KeyFile)
    }

    /// Waits until no other process changes the key file. The lock is a separate file, `<key file>.lock`, since a
    /// change replaces the key file itself.
    ///
    /// # Errors
    ///
    /// The lock cannot be taken.
    pub fn lock(self) -> Result<LockedKeyFile<'a>, ErasureError> {
        let mut lock_path = self.path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock = FileLock::acquire(Path::new(&lock_path))
            .with_context(|| format!("cannot change the key file {}", self.path.display()))
            .map_err(ErasureError::Files)?;
        Ok(LockedKeyFile { file: self, _lock: lock })
    }
}

impl LockedKeyFile<'_> {
    /// Returns true if there is a key file.
    pub fn exists(&self) -> bool {
        self.file.path.exists()
    }

    /// Reads the keys.
    ///
    /// # Errors
    ///
    /// As [`KeyFile::load`].
    pub fn load(&self) -> Result<KeyRing, ErasureError> {
        self.file.load()
    }

    /// Replaces the keys. When this returns, they survive a loss of power.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or there are more keys than could be read again; then it stays as it is.
    pub fn save(&self, keys: &KeyRing) -> Result<(), ErasureError> {
        write_keys(self.file.path, keys).map_err(ErasureError::Files)
    }
}

fn write_keys(path: &Path, keys: &KeyRing) -> anyhow::Result<()> {
    let text = keys.to_text();
    anyhow::ensure!(
        text.len() <= MAX_KEY_FILE_BYTES,
        "the key file {} would become larger than {MAX_KEY_FILE_BYTES} bytes: move it away with its copies \
         and begin a new one, which replaces all pseudonyms",
        path.display()
    );
    core_files::replace_file(path, text.as_bytes())
        .with_context(|| format!("cannot write the key file {}", path.display()))
}

fn read_keys(path: &Path, program: &str) -> anyhow::Result<KeyRing> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| match error.kind() {
        // A new key in place of a lost one would make the earlier pseudonyms unusable.
        ErrorKind::NotFound => anyhow::anyhow!(
            "the key file {shown} is not there: if there never was one, `{program} privacy key new` \
             makes it; if it was lost, put back the copy that you keep of it"
        ),
        _ => anyhow::Error::new(error).context(format!("cannot read the key file {shown}")),
    })?;
    let unreadable = || format!("cannot read the key file {shown}");
    ensure_private(&file, path, "the key file")?;
    let mut text = Zeroizing::new(String::new());
    // One byte more, so that a file that is too long is not reported as damaged.
    let most = MAX_KEY_FILE_BYTES as u64 + 1;
    file.take(most).read_to_string(&mut text).with_context(unreadable)?;
    anyhow::ensure!(
        text.len() <= MAX_KEY_FILE_BYTES,
        "the key file {shown} is larger than {MAX_KEY_FILE_BYTES} bytes, so that it is no key file of this \
         program"
    );
    KeyRing::parse(&text).with_context(|| format!("the key file {shown} cannot be used"))
}

#[cfg(test)]
mod tests {
    use core_privacy::keys::NEW_RING_BYTES;

    use super::*;

    #[test]
    fn n5_what_is_written_can_be_read_however_often_keys_are_rotated() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("key");
        let mut keys = KeyRing::new("2026-03-01T00:00:00Z", &[7; NEW_RING_BYTES]);
        let read = || read_keys(&path, "nexthink-graph").map(|keys| keys.describe().len());
        let mut written = 0;
        let refused = loop {
            for _ in 0..400 {
                let secret = u64::try_from(keys.describe().len()).expect("a number").to_le_bytes();
                keys.rotate(
                    "2026-03-01T00:00:00Z",
                    &secret.repeat(4).try_into().expect("32 bytes"),
                );
            }
            match write_keys(&path, &keys) {
                Ok(()) => written = keys.describe().len(),
                Err(error) => break error,
            }
            assert_eq!(read().expect("it can be read"), written);
        };
        assert!(written > 2_000, "{written}");
        assert!(refused.to_string().contains("larger"), "{refused}");
        assert_eq!(read().expect("the keys before are there"), written);

        core_files::replace_file(&path, &b" ".repeat(MAX_KEY_FILE_BYTES + 1)).expect("it is ours");
        let error = read().expect_err("it is no key file");
        assert!(error.to_string().contains("larger"), "{error}");
    }
}
