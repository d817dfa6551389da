//! Operating-system specifics: who may change a folder. Systems without modes get the access rules
//! of the folder that contains the store.

use std::fs::Metadata;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// Rejects a folder that other users could have created or may change: a link, one that belongs to
/// another user, or one that others may write to. A missing folder is safe.
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
            return refuse("belongs to another user", owner_fix(path, metadata.uid()));
        }
        if metadata.mode() & 0o022 != 0 {
            return refuse("can be written to by others", format!("run `chmod go-w {shown}`"));
        }
    }
    Ok(())
}

/// Returns the remedy for a folder that belongs to another user.
#[cfg(unix)]
fn owner_fix(path: &Path, owner: u32) -> String {
    const ROOT: u32 = 0;
    let (shown, own) = (path.display(), rustix::process::geteuid().as_raw());
    match (own, owner) {
        // If root became the owner, the service of the other user could not use its store any more.
        (ROOT, _) => format!("run as its owner, for example with `sudo -u '#{owner}'`"),
        // The root of a volume.
        (_, ROOT) => format!(
            "name a folder below it, such as {shown}/store, or let root run `chown -R {own} {shown}`"
        ),
        _ => format!("run as its owner, or `chown` it: `chown -R {own} {shown}`"),
    }
}

/// The facts that reveal a changed file: its size, its times, and its identity. They include the
/// time of the last metadata change, which no program can set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileStamp {
    bytes: u64,
    modified_ns: i128,
    changed_ns: i128,
    inode: u64,
}

/// The stamp of a file.
pub(crate) fn file_stamp(metadata: &Metadata) -> FileStamp {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        FileStamp {
            bytes: metadata.len(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
    #[cfg(not(unix))]
    {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let modified_ns = since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
        FileStamp { bytes: metadata.len(), modified_ns, changed_ns: 0, inode: 0 }
    }
}
