//! A lock between processes.

use std::fs::TryLockError;
use std::path::Path;

use crate::error::FileError;
use crate::file::File;

/// An exclusive lock on the resource of a lock file. It ends when it is dropped or the process
/// dies.
///
/// The lock file is never removed: one process could then lock the removed file and another one a
/// new file.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock. Creates the lock file if it does not exist.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn acquire(path: &Path) -> Result<Self, FileError> {
        let file = File::open_or_create(path)?;
        file.lock()?;
        Ok(Self { _file: file })
    }

    /// Takes the lock if it is free; None if another process, or another lock of this one, holds it.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, FileError> {
        let file = File::open_or_create(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(FileError::from_io("lock the file", path)(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tempfile::TempDir;

    use super::*;
    use crate::{read_if_present, replace_file};

    #[test]
    fn a_lock_that_is_held_is_not_waited_for() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("lock");
        let try_acquire = || FileLock::try_acquire(&path).expect("it can be opened");
        let held = try_acquire();
        assert!(held.is_some() && try_acquire().is_none());
        drop(held);
        assert!(try_acquire().is_some());
    }

    #[test]
    fn updates_under_a_lock_are_never_lost() {
        let folder = TempDir::new().expect("a folder can be made");
        let [lock, counter] = ["lock", "counter"].map(|name| folder.path().join(name));
        let count = || {
            for _ in 0..20 {
                let _lock = FileLock::acquire(&lock).expect("it can be locked");
                let bytes = read_if_present(&counter).expect("it can be read").unwrap_or_default();
                let bytes = [bytes.as_slice(), b"x"].concat();
                replace_file(&counter, &bytes).expect("there is room");
            }
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(count);
            }
        });
        let bytes = read_if_present(&counter).expect("it can be read").unwrap_or_default();
        assert_eq!(bytes.len(), 8 * 20);
    }
}
