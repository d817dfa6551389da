//! The location of a store: a local folder, which may be the working copy of a store in another place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use crate::error::StoreError;
use crate::watcher::{Watch, Watcher};

/// The location of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A local folder. It need not exist; the first run creates it.
    Folder(PathBuf),
    /// A local folder that is the working copy of a store in another place.
    WorkingCopy(WorkingCopy),
}

/// The working copy of a store in another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingCopy {
    folder: PathBuf,
    watcher: Watcher,
}

impl Location {
    /// A folder whose changes a watcher takes over to another place.
    pub fn working_copy(folder: PathBuf, watch: Arc<dyn Watch>) -> Self {
        Self::WorkingCopy(WorkingCopy { folder, watcher: Watcher::new(watch) })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        let (Self::Folder(folder) | Self::WorkingCopy(WorkingCopy { folder, .. })) = self;
        folder
    }

    pub(crate) fn into_parts(self) -> (PathBuf, Watcher) {
        match self {
            Self::Folder(folder) => (folder, Watcher::default()),
            Self::WorkingCopy(WorkingCopy { folder, watcher }) => (folder, watcher),
        }
    }

    /// Parses a path (`./store`) or an address (`file:///srv/store`).
    ///
    /// # Errors
    ///
    /// [`StoreError::UnsupportedLocation`] for every other scheme, `s3://` for example, and
    /// [`StoreError::InvalidLocation`] for an empty text or a `file://` address of another host.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if text.is_empty() {
            return Err(StoreError::InvalidLocation);
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self::Folder(PathBuf::from(text)));
        };
        if !scheme.eq_ignore_ascii_case("file") {
            return Err(StoreError::UnsupportedLocation { scheme: scheme.to_owned() });
        }
        let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
        path.map(Self::Folder).ok_or(StoreError::InvalidLocation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_addresses_are_folders() -> Result<(), StoreError> {
        assert_eq!(Location::parse("./a b")?, Location::Folder(PathBuf::from("./a b")));
        assert_eq!(Location::parse("C:\\store")?, Location::Folder(PathBuf::from("C:\\store")));
        #[cfg(unix)]
        assert_eq!(
            Location::parse("file:///srv/a%20b")?,
            Location::Folder(PathBuf::from("/srv/a b"))
        );
        Ok(())
    }

    #[test]
    fn other_schemes_are_rejected_without_showing_the_address() {
        let error = Location::parse("gs://key:secret@bucket/store").expect_err("not supported");
        assert_eq!(
            error.to_string(),
            "a store on gs:// is not supported: give a folder, as a path or as a file:// URL, or a bucket, as \
             s3://BUCKET/FOLDER or az://CONTAINER/FOLDER"
        );
        assert!(matches!(Location::parse(""), Err(StoreError::InvalidLocation)));
        assert!(matches!(
            Location::parse("file://host.example/x"),
            Err(StoreError::InvalidLocation)
        ));
    }
}
