//! Files and folders as they were before they were replaced or removed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::path::Path;

/// A file or folder in memory.
#[derive(Debug)]
pub(super) enum Content {
    File(Vec<u8>, Permissions),
    Folder(BTreeMap<OsString, Content>, Permissions),
}

impl Content {
    /// Returns `None` if there is nothing.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let permissions = fs::symlink_metadata(path).ok()?.permissions();
        if !path.is_dir() {
            return Some(Self::File(fs::read(path).ok()?, permissions));
        }
        let entries = fs::read_dir(path).ok()?.flatten();
        let read = |entry: fs::DirEntry| Some((entry.file_name(), Self::read(&entry.path())?));
        Some(Self::Folder(entries.filter_map(read).collect(), permissions))
    }

    pub(super) fn write(self, path: &Path) -> io::Result<()> {
        let permissions = match self {
            Self::File(bytes, permissions) => {
                fs::write(path, bytes)?;
                permissions
            }
            Self::Folder(entries, permissions) => {
                fs::create_dir_all(path)?;
                for (name, content) in entries {
                    content.write(&path.join(name))?;
                }
                permissions
            }
        };
        fs::set_permissions(path, permissions)
    }
}
