//! What is special to one operating system: private modes, and making a folder's entries durable.
//! Systems without these modes get the access rules of the folder that holds the store.

use std::fs::{DirBuilder, File, OpenOptions};
use std::path::Path;

use crate::error::StoreError;

/// Makes a folder and those above it, for the owner only; one that is there stays as it is.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(StoreError::io("create the folder", path))
}

/// Options under which a file that gets created is for the owner only.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Refuses a folder of ours that others could have put there or may change: a link, one that belongs to
/// another user, or one that others may write to. One that is not there is safe.
pub(crate) fn check_folder(path: &Path) -> Result<(), StoreError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(StoreError::Io { action: "read", path: path.to_owned(), source });
        }
    };
    let refuse = |reason, fix| Err(StoreError::UnsafePlace { path: path.to_owned(), reason, fix });
    if metadata.is_symlink() {
        return refuse("is a link", "give the folder that it leads to as the store".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let shown = path.display();
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            let fix = format!("run as its owner, or `chown` it: `chown -R $(id -u) {shown}`");
            return refuse("belongs to another user", fix);
        }
        if metadata.mode() & 0o022 != 0 {
            return refuse("can be written to by others", format!("run `chmod go-w {shown}`"));
        }
    }
    Ok(())
}

/// Makes the entries of a folder survive a loss of power: files made in it, renamed into it.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    // Windows cannot open a folder as a file, and its file system logs renames itself.
    if cfg!(windows) {
        return Ok(());
    }
    let folder = File::open(path).map_err(StoreError::io("open the folder", path))?;
    folder.sync_all().map_err(StoreError::io("make durable", path))
}

/// Bytes that a folder's disk has left for this user; unknown where the system does not tell.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    let free = rustix::fs::statvfs(folder).ok().map(|it| it.f_bavail.saturating_mul(it.f_frsize));
    #[cfg(not(unix))]
    let free = folder.metadata().ok().and(None);
    free
}
