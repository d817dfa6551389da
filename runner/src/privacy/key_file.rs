//! The key file: how it is read, and how it is changed by one process at a time. A lost key is lost data.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use anyhow::Context as _;
use core_files::FileLock;
use core_privacy::keys::KeyRing;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::private_file::ensure_private;
use crate::system;

/// The largest key file, in bytes: some hundred rotations.
const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

/// The key file while no other process can change it or the lists beside it.
pub(crate) struct LockedKeyFile<'a> {
    path: &'a Path,
    _lock: FileLock,
}

impl<'a> LockedKeyFile<'a> {
    /// Waits until no other process changes the key file. The lock is a file of its own, `<key file>.lock`,
    /// since a change replaces the key file itself.
    pub(crate) fn lock(path: &'a Path) -> anyhow::Result<Self> {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock = FileLock::acquire(Path::new(&lock_path))
            .with_context(|| format!("cannot change the key file {}", path.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// Returns whether there is one.
    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Reads the keys.
    pub(crate) fn load(&self) -> Result<KeyRing, Failure> {
        load_keys(self.path)
    }

    /// Replaces the keys. When this returns, they survive a loss of power.
    pub(crate) fn save(&self, keys: &KeyRing) -> anyhow::Result<()> {
        core_files::replace_file(self.path, keys.to_text().as_bytes())
            .with_context(|| format!("cannot write the key file {}", self.path.display()))
    }
}

/// Reads the keys of the installation.
pub(crate) fn load_keys(path: &Path) -> Result<KeyRing, Failure> {
    read_keys(path).map_err(|error| Failure { exit: Exit::Configuration, error })
}

fn read_keys(path: &Path) -> anyhow::Result<KeyRing> {
    let shown = path.display();
    let program = system::own_command();
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
