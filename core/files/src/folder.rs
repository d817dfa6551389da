//! Folders: private creation, durable entries, and atomic replacement.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::checkpoint::{self, Effect, guarded};
use crate::error::FileError;
use crate::file::rename;

/// Creates a folder and its parents, private to the owner. Existing ones are left as they are.
///
/// # Errors
///
/// The system refuses.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let created = guarded(Effect::CreateFolder(path), || builder.create(path));
    created.map_err(FileError::from_io("create the folder", path))
}

/// As [`create_folder`], and fsyncs the parents of the new folders, so that their entries survive a
/// loss of power.
///
/// # Errors
///
/// The system refuses.
pub fn create_folder_durably(path: &Path) -> Result<(), FileError> {
    let existing = path.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned);
    create_folder(path)?;
    let mut folder = path;
    while Some(folder) != existing.as_deref()
        && let Some(parent) = folder.parent()
        && !parent.as_os_str().is_empty()
    {
        sync_folder(parent)?;
        folder = parent;
    }
    Ok(())
}

/// Fails if this user may not make files in a folder. Nothing is written.
///
/// # Errors
///
/// The system's reason: no permission, a read-only disk, not a folder.
pub fn ensure_writable(folder: &Path) -> io::Result<()> {
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    #[cfg(unix)]
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?;
    Ok(())
}

/// Fsyncs a folder, so that files created in it, renamed into it or removed from it survive a loss
/// of power as such.
///
/// # Errors
///
/// The system refuses.
pub fn sync_folder(path: &Path) -> Result<(), FileError> {
    // Windows cannot open a folder as a file, and its file system journals renames itself.
    if cfg!(windows) {
        return Ok(());
    }
    let synced = guarded(Effect::SyncFolder(path), || fs::File::open(path)?.sync_all());
    synced.map_err(FileError::from_io("make durable", path))
}

/// Returns the bytes that the disk of a folder has left for this user; `None` if the system does
/// not tell.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    let free = rustix::fs::statvfs(folder).ok();
    #[cfg(unix)]
    let free = free.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    #[cfg(not(unix))]
    let free = folder.metadata().ok().and(None);
    checkpoint::free_bytes(free)
}

/// Fsyncs the folder of a file or folder, so that its entry survives a loss of power.
pub(crate) fn sync_parent(path: &Path) -> Result<(), FileError> {
    sync_folder(&parent_of(path)?)
}

/// The folder of an entry. A bare name is in the working folder.
pub(crate) fn parent_of(path: &Path) -> Result<PathBuf, FileError> {
    let absolute = std::path::absolute(path).map_err(FileError::from_io("find", path))?;
    Ok(absolute.parent().map_or_else(|| absolute.clone(), Path::to_owned))
}

/// Removes a folder and its content.
///
/// # Errors
///
/// The folder does not exist, or the system refuses; part of its content may be gone.
pub fn remove_folder(path: &Path) -> Result<(), FileError> {
    let removed = guarded(Effect::Remove(path), || fs::remove_dir_all(path));
    removed.map_err(FileError::from_io("remove", path))
}

/// Removes a folder and its content, if it exists.
///
/// # Errors
///
/// The system refuses; part of its content may be gone.
pub fn remove_folder_if_present(path: &Path) -> Result<(), FileError> {
    match remove_folder(path) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes a folder if it is empty.
pub fn remove_folder_if_empty(path: &Path) {
    // An empty folder that stays does no harm.
    let _ = guarded(Effect::Remove(path), || fs::remove_dir(path));
}

/// Replaces a folder by a finished one, which must be in the same parent folder, and removes the
/// old one.
///
/// If the system can exchange two folders (Linux, macOS), a complete folder is in place at every
/// moment. Elsewhere there is none between two renames: after a crash at that moment,
/// [`repair_folder`] restores the old one.
///
/// # Errors
///
/// The system refuses: then the old folder is in place.
pub fn replace_folder(finished: &Path, place: &Path) -> Result<(), FileError> {
    repair_folder(place)?;
    if !exists(place)? {
        rename(finished, place)?;
        return sync_parent(place);
    }
    match guarded(Effect::Exchange { one: finished, other: place }, || exchange(finished, place)) {
        Ok(()) => {
            sync_parent(place)?;
            remove_folder(finished)
        }
        Err(error) if cannot_exchange(&error) => replace_by_two_renames(finished, place),
        Err(error) => Err(FileError::from_io("replace", place)(error)),
    }
}

/// Restores the old folder if [`replace_folder`] was interrupted between its two renames, and
/// removes it if the new one is in place. Must be called before the folder is read or written.
///
/// # Errors
///
/// The system refuses.
pub fn repair_folder(place: &Path) -> Result<(), FileError> {
    let aside = aside_of(place)?;
    if !exists(&aside)? {
        return Ok(());
    }
    if exists(place)? {
        return remove_folder(&aside);
    }
    rename(&aside, place)?;
    sync_parent(place)
}

fn replace_by_two_renames(finished: &Path, place: &Path) -> Result<(), FileError> {
    let aside = aside_of(place)?;
    rename(place, &aside)?;
    if let Err(error) = rename(finished, place) {
        // An old folder is better than none. If this rename fails too, the next call repairs it.
        let _ = rename(&aside, place);
        return Err(error);
    }
    sync_parent(place)?;
    remove_folder(&aside)
}

/// The hidden name under which the old folder waits until the new one is in place.
fn aside_of(place: &Path) -> Result<PathBuf, FileError> {
    let absolute = std::path::absolute(place).map_err(FileError::from_io("find", place))?;
    let Some(name) = absolute.file_name() else {
        let source = io::Error::from(ErrorKind::InvalidInput);
        return Err(FileError { action: "replace", path: absolute, source });
    };
    Ok(absolute.with_file_name(format!(".{}.replaced", name.to_string_lossy())))
}

fn exists(path: &Path) -> Result<bool, FileError> {
    fs::exists(path).map_err(FileError::from_io("look at", path))
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn exchange(_one: &Path, _other: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Returns true if the kernel or the file system cannot exchange two names.
fn cannot_exchange(error: &io::Error) -> bool {
    // File systems without the flag answer EINVAL.
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A folder with two folders in it, `place` with `old` and `finished` with `new`.
    fn two_folders() -> (TempDir, PathBuf, PathBuf) {
        let root = TempDir::new().expect("a folder can be made");
        let [place, finished] = ["place", "finished"].map(|name| root.path().join(name));
        for (folder, content) in [(&place, "old"), (&finished, "new")] {
            create_folder(folder).expect("there is room");
            fs::write(folder.join(content), content).expect("there is room");
        }
        (root, place, finished)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("it is there");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_folder_replaces_another_one() {
        let (root, place, finished) = two_folders();
        replace_folder(&finished, &place).expect("it is replaced");
        assert_eq!(names(root.path()), ["place"]);
        assert_eq!(names(&place), ["new"]);
    }

    #[test]
    fn a_folder_is_moved_to_a_free_name() {
        let (root, place, finished) = two_folders();
        remove_folder(&place).expect("it is there");
        replace_folder(&finished, &place).expect("it is put there");
        assert_eq!(names(root.path()), ["place"]);
    }

    #[test]
    fn two_renames_have_the_same_result_as_an_exchange() {
        let (root, place, finished) = two_folders();
        replace_by_two_renames(&finished, &place).expect("it is replaced");
        assert_eq!(names(root.path()), ["place"]);
        assert_eq!(names(&place), ["new"]);
    }

    #[test]
    fn a_crash_between_the_two_renames_is_repaired() {
        let (root, place, finished) = two_folders();
        let aside = aside_of(&place).expect("it has a name");
        fs::rename(&place, &aside).expect("it is there");
        repair_folder(&place).expect("it can be repaired");
        assert_eq!(names(&place), ["old"]);

        fs::rename(&place, &aside).expect("it is there");
        fs::rename(&finished, &place).expect("it is there");
        repair_folder(&place).expect("it can be repaired");
        assert_eq!(names(&place), ["new"]);
        assert_eq!(names(root.path()), ["place"]);
    }

    #[test]
    fn a_missing_exchange_is_distinguished_from_other_failures() {
        for (kind, expected) in [
            (ErrorKind::Unsupported, true),
            (ErrorKind::InvalidInput, true),
            (ErrorKind::PermissionDenied, false),
            (ErrorKind::NotFound, false),
        ] {
            assert_eq!(cannot_exchange(&kind.into()), expected, "{kind}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_private_to_their_owner() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = TempDir::new().expect("a folder can be made");
        let folder = root.path().join("a/b");
        create_folder_durably(&folder).expect("there is room");
        let metadata = fs::metadata(folder).expect("it is there");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    }
}
