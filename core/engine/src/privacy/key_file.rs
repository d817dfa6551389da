//! The key file: how it is read, and how it is changed by one process at a time. A lost key is lost data.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use anyhow::Context as _;
use core_files::{FileLock, ensure_private};
use core_privacy::keys::KeyRing;
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};

/// The largest key file, in bytes: some hundred rotations.
const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

/// The key file while no other process can change it or the lists beside it.
pub struct LockedKeyFile<'a> {
    engine: Engine<'a>,
    _lock: FileLock,
}

impl<'a> LockedKeyFile<'a> {
    /// Waits until no other process changes the key file. The lock is a file of its own, `<key file>.lock`,
    /// since a change replaces the key file itself.
    ///
    /// # Errors
    /// The lock cannot be taken.
    pub fn lock(engine: Engine<'a>) -> anyhow::Result<Self> {
        let path = &engine.settings.privacy.key_file;
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock = FileLock::acquire(Path::new(&lock_path))
            .with_context(|| format!("cannot change the key file {}", path.display()))?;
        Ok(Self { engine, _lock: lock })
    }

    /// Returns whether there is a key file.
    pub fn exists(&self) -> bool {
        self.path().exists()
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// As [`load_keys`].
    pub fn load(&self) -> Result<KeyRing, Failure> {
        load_keys(self.engine)
    }

    /// Replaces the keys. When this returns, they survive a loss of power.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, keys: &KeyRing) -> anyhow::Result<()> {
        core_files::replace_file(self.path(), keys.to_text().as_bytes())
            .with_context(|| format!("cannot write the key file {}", self.path().display()))
    }

    fn path(&self) -> &'a Path {
        &self.engine.settings.privacy.key_file
    }
}

/// Reads the keys of the installation.
///
/// # Errors
/// The key file is missing, exposed or damaged; the message says what to do.
pub fn load_keys(engine: Engine<'_>) -> Result<KeyRing, Failure> {
    read_keys(engine).map_err(|error| Failure { kind: FailureKind::Configuration, error })
}

fn read_keys(engine: Engine<'_>) -> anyhow::Result<KeyRing> {
    let (path, program) = (engine.settings.privacy.key_file.as_path(), &engine.host.program);
    let shown = path.display();
    let file = File::open(path).map_err(|error| match error.kind() {
        // A new key in place of a lost one would cut the graph off from what was published before.
        ErrorKind::NotFound => anyhow::anyhow!(
            "the key file {shown} is not there: if there never was one, `{program} privacy key new` \
             makes it; if it was lost, put back the copy that you keep of it"
        ),
        _ => anyhow::Error::new(error).context(format!("cannot read the key file {shown}")),
    })?;
    let unreadable = || format!("cannot read the key file {shown}");
    ensure_private(&file, path, "the key file")?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text).with_context(unreadable)?;
    KeyRing::parse(&text).with_context(|| format!("the key file {shown} cannot be used"))
}
