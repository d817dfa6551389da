//! A file handle whose operations pass the checkpoints, and operations on whole files.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::checkpoint::{Effect, guarded, guarded_write};
use crate::error::FileError;

/// An open file. Files that it creates are readable and writable only by their owner.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    path: PathBuf,
}

impl File {
    /// Creates a file.
    ///
    /// # Errors
    ///
    /// The file exists, or the system refuses.
    pub fn create_new(path: &Path) -> Result<Self, FileError> {
        Self::open_with(path, private().create_new(true), Effect::CreateFile(path))
    }

    /// Creates a file, or truncates an existing one.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        Self::open_with(path, private().create(true).truncate(true), Effect::CreateFile(path))
    }

    /// Opens a file for reading and writing. Creates it if there is none.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn open_or_create(path: &Path) -> Result<Self, FileError> {
        Self::open_with(path, private().create(true).truncate(false), Effect::CreateFile(path))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// The file does not exist, or the system refuses.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::open_with(path, OpenOptions::new().read(true), Effect::Open(path))
    }

    fn open_with(
        path: &Path,
        options: &OpenOptions,
        effect: Effect<'_>,
    ) -> Result<Self, FileError> {
        let is_created = matches!(effect, Effect::CreateFile(_));
        let opened = guarded(effect, || options.open(path));
        let file = opened.map_err(|error| {
            // The error of the system stays: its number tells that this machine is the reason.
            let has_no_folder = || {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                folder.is_some_and(|folder| !folder.is_dir())
            };
            let action = match error.kind() {
                ErrorKind::NotFound if is_created && has_no_folder() => {
                    "create a file in a folder that does not exist:"
                }
                _ if is_created => "create the file",
                _ => "open the file",
            };
            FileError::from_io(action, path)(error)
        })?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// The path that the file was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets every user of the machine read the file, where the system has such permissions.
    pub(crate) fn make_public(&self) -> Result<(), FileError> {
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            let changed = self.file.set_permissions(mode);
            changed.map_err(FileError::from_io("set the mode of", &self.path))?;
        }
        Ok(())
    }

    /// Fsyncs the file, so that its bytes survive a loss of power.
    ///
    /// # Errors
    ///
    /// The system refuses. Then any byte that was written before may be lost.
    pub fn sync(&self) -> Result<(), FileError> {
        let synced = guarded(Effect::SyncFile(&self.path), || self.file.sync_all());
        synced.map_err(FileError::from_io("make durable", &self.path))
    }

    /// Truncates or extends the file to a length.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn set_len(&self, length: u64) -> Result<(), FileError> {
        let cut = guarded(Effect::Write(&self.path), || self.file.set_len(length));
        cut.map_err(FileError::from_io("cut", &self.path))
    }

    /// Writes all bytes.
    ///
    /// # Errors
    ///
    /// The system refuses; some of the bytes may have been written.
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let failed = FileError::from_io("write", &self.path);
        self.write_all(bytes).map_err(failed)
    }

    /// Locks the file until it is closed, unless another handle has it locked.
    ///
    /// # Errors
    ///
    /// Another handle has it locked, or the system refuses.
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.file.try_lock()
    }

    /// Waits until no other handle has the file locked, then locks it until it is closed.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn lock(&self) -> Result<(), FileError> {
        self.file.lock().map_err(FileError::from_io("lock the file", &self.path))
    }

    /// The handle of the standard library, for use by other libraries. Its operations pass no
    /// checkpoint.
    pub fn into_std(self) -> fs::File {
        self.file
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Write for File {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let Self { file, path } = self;
        guarded_write(path, buffer, |buffer| file.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for File {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Options for files that only their owner may read and write.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Reads a whole file; `None` if it does not exist.
///
/// # Errors
///
/// The system refuses.
pub fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match guarded(Effect::Open(path), || fs::read(path)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::from_io("read", path)(error)),
    }
}

/// Renames a file or folder. An existing file of the new name is replaced.
///
/// # Errors
///
/// The system refuses.
pub fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    let renamed = guarded(Effect::Rename { from, to }, || fs::rename(from, to));
    renamed.map_err(FileError::from_io("replace", to))
}

/// Removes a file.
///
/// # Errors
///
/// The file does not exist, or the system refuses.
pub fn remove_file(path: &Path) -> Result<(), FileError> {
    let removed = guarded(Effect::Remove(path), || fs::remove_file(path));
    removed.map_err(FileError::from_io("remove", path))
}

/// Removes a file if it exists.
///
/// # Errors
///
/// The system refuses.
pub fn remove_file_if_present(path: &Path) -> Result<(), FileError> {
    match remove_file(path) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Returns the target of a symbolic link, or the path itself.
///
/// # Errors
///
/// The link leads nowhere.
pub fn link_target(path: &Path) -> Result<PathBuf, FileError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            fs::canonicalize(path).map_err(FileError::from_io("follow the link", path))
        }
        // The operation itself tells what else is wrong.
        _ => Ok(path.to_owned()),
    }
}
