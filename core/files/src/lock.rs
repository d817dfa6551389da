//! A lock between processes.

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
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tempfile::TempDir;

    use super::*;
    use crate::{read_if_present, replace_file};

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
