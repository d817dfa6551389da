//! What is special to one operating system: who may change a folder. Systems without modes get the
//! access rules of the folder that holds the store.

use std::path::Path;

use crate::error::StoreError;

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
