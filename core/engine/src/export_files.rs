//! Files that another program has written, such as Nexthink's data exporter: chooses those to read in place of an
//! export.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use core_bucket::{BucketError, BucketFile, FileFolder};

/// The path of a file, whose name may contain one `*` for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePattern {
    folder: Folder,
    name: NamePattern,
}

/// A folder of this machine, or of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Folder {
    Local(PathBuf),
    InBucket(FileFolder),
}

/// The name of a file, with one `*` at most.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NamePattern {
    before: String,
    /// The text after the `*`; none if the name has none.
    after: Option<String>,
}

/// A file that matches a pattern.
#[derive(Debug, Clone)]
pub enum ExportFile {
    /// A file of this machine.
    Local(LocalFile),
    /// A file in a bucket.
    InBucket(BucketFile),
}

impl ExportFile {
    /// Returns the time of its last change, in milliseconds since 1970-01-01 UTC.
    pub fn modified_ms(&self) -> u64 {
        let modified = match self {
            Self::Local(file) => file.modified,
            Self::InBucket(file) => file.modified(),
        };
        let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A file of this machine. The file that was changed last is the greatest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalFile {
    /// The time of its last change.
    pub modified: SystemTime,
    /// Its path.
    pub path: PathBuf,
}

/// The reason why files cannot be listed or read.
#[derive(Debug, thiserror::Error)]
pub enum ExportFileError {
    /// The system's reason.
    #[error(transparent)]
    Local(#[from] io::Error),
    /// The reason of a bucket.
    #[error(transparent)]
    InBucket(#[from] BucketError),
}

impl FilePattern {
    /// Parses a path.
    ///
    /// # Errors
    /// The path names no file, its name has a second `*`, or its folder has one.
    pub fn parse(path: &Path) -> Result<Self, &'static str> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = NamePattern::parse(name.unwrap_or_default())?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        if folder.to_string_lossy().contains('*') {
            return Err(STAR_IN_FOLDER);
        }
        Ok(Self { folder: Folder::Local(folder), name })
    }

    /// Returns the pattern for files with such a name in a folder of a bucket.
    ///
    /// # Errors
    /// The name is empty or has a second `*`, or the folder has one.
    pub fn in_bucket(folder: FileFolder, name: &str) -> Result<Self, &'static str> {
        if folder.to_string().contains('*') {
            return Err(STAR_IN_FOLDER);
        }
        Ok(Self { folder: Folder::InBucket(folder), name: NamePattern::parse(name)? })
    }

    /// Returns the file that was changed last among those that match the pattern; of several, the one whose name
    /// comes last.
    ///
    /// # Errors
    /// The folder cannot be listed. A missing folder has no files.
    pub async fn newest(&self) -> Result<Option<ExportFile>, ExportFileError> {
        match &self.folder {
            Folder::InBucket(folder) => {
                let newest = folder.newest(|name| self.name.has(name)).await?;
                Ok(newest.map(ExportFile::InBucket))
            }
            Folder::Local(folder) => {
                let (folder, name) = (folder.clone(), self.name.clone());
                let newest = tokio::task::spawn_blocking(move || newest_in(&folder, &name)).await;
                let newest = newest.unwrap_or_else(|error| Err(io::Error::other(error)));
                Ok(newest?.map(ExportFile::Local))
            }
        }
    }
}

/// The rule about a `*` in the name of a folder.
const STAR_IN_FOLDER: &str = "must have the `*` in the name of the file, not in that of a folder";

/// Returns the file of a folder that was changed last among those that match the name.
fn newest_in(folder: &Path, name: &NamePattern) -> io::Result<Option<LocalFile>> {
    // A path of one name has no folder, and is in the current one.
    let is_current = folder.as_os_str().is_empty();
    let entries = match std::fs::read_dir(if is_current { Path::new(".") } else { folder }) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut newest: Option<LocalFile> = None;
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|found| name.has(found)) {
            continue;
        }
        // Links are followed. One that leads nowhere, or a file that was removed since the folder was listed, is none.
        let path = folder.join(entry.file_name());
        let metadata = match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        if !metadata.is_file() {
            continue;
        }
        let file = LocalFile { path, modified: metadata.modified()? };
        newest = newest.max(Some(file));
    }
    Ok(newest)
}

impl NamePattern {
    fn parse(name: &str) -> Result<Self, &'static str> {
        let (before, after) = match name.split_once('*') {
            _ if name.is_empty() => return Err("must end with the name of a file"),
            Some((_, after)) if after.contains('*') => return Err("must have one `*` at most"),
            Some((before, after)) => (before, Some(after.to_owned())),
            None => (name, None),
        };
        Ok(Self { before: before.to_owned(), after })
    }

    /// Returns true if a name matches the pattern.
    fn has(&self, name: &str) -> bool {
        match &self.after {
            None => name == self.before,
            Some(after) => {
                let rest = name.strip_prefix(&self.before);
                rest.is_some_and(|rest| rest.ends_with(after.as_str()))
            }
        }
    }
}

impl fmt::Display for ExportFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(file) => write!(formatter, "{}", file.path.display()),
            Self::InBucket(file) => file.fmt(formatter),
        }
    }
}

impl fmt::Display for FilePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NamePattern { before, after } = &self.name;
        let star = if after.is_some() { "*" } else { "" };
        let name = format!("{before}{star}{}", after.as_deref().unwrap_or_default());
        match &self.folder {
            Folder::Local(folder) => write!(formatter, "{}", folder.join(name).display()),
            Folder::InBucket(folder) => write!(formatter, "{folder}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    fn pattern(text: &str) -> FilePattern {
        FilePattern::parse(Path::new(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_pattern_has_one_star_in_the_name_of_a_file() {
        for text in ["devices.csv", "exports/devices-*.csv.gz", "/data/*.csv", "a/devices*"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        for (text, expected) in [
            ("", "must end with the name of a file"),
            ("exports/..", "must end with the name of a file"),
            (
                "a*/devices.csv",
                "must have the `*` in the name of the file, not in that of a folder",
            ),
            ("a/*-*.csv", "must have one `*` at most"),
        ] {
            assert_eq!(FilePattern::parse(Path::new(text)), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        let table = [
            ("devices.csv", "devices.csv", true),
            ("devices.csv", "devices.csv.gz", false),
            ("devices-*.csv", "devices-2026-03-01.csv", true),
            ("devices-*.csv", "devices-.csv", true),
            ("devices-*.csv", "devices-2026-03-01.csv.part", false),
            ("devices-*.csv", "mydevices-1.csv", false),
            ("ab*ba", "aba", false),
            ("*", "anything", true),
        ];
        for (text, name, expected) in table {
            assert_eq!(pattern(text).name.has(name), expected, "{text}, {name}");
        }
    }

    /// The file of this machine that a pattern finds.
    async fn newest_of(pattern: &FilePattern) -> Option<PathBuf> {
        match pattern.newest().await.expect("the folder can be listed")? {
            ExportFile::Local(file) => Some(file.path),
            ExportFile::InBucket(file) => panic!("{file} is in a bucket"),
        }
    }

    #[tokio::test]
    async fn the_newest_file_is_read_and_folders_are_not() {
        let folder = TempDir::new().expect("a folder can be made");
        let pattern = pattern(&folder.path().join("devices-*.csv").to_string_lossy());
        let write = |name: &str, seconds: u64| {
            let file = std::fs::File::create(folder.path().join(name)).expect("it can be written");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            file.set_modified(time).expect("its time can be set");
        };
        let newest = async || {
            let newest = newest_of(&pattern).await?;
            Some(newest.file_name()?.to_string_lossy().into_owned())
        };
        assert_eq!(newest().await, None);
        write("devices-b.csv", 100);
        write("users-a.csv", 900);
        std::fs::create_dir(folder.path().join("devices-z.csv")).expect("it can be made");
        assert_eq!(newest().await.as_deref(), Some("devices-b.csv"));
        write("devices-a.csv", 200);
        assert_eq!(newest().await.as_deref(), Some("devices-a.csv"));
        write("devices-c.csv", 200);
        assert_eq!(newest().await.as_deref(), Some("devices-c.csv"));
    }

    #[tokio::test]
    async fn a_path_without_a_folder_is_in_the_current_one() {
        // Tests run in the folder of their package.
        for text in ["Cargo.toml", "Cargo.t*"] {
            let newest = newest_of(&pattern(text)).await;
            assert_eq!(newest, Some(PathBuf::from("Cargo.toml")), "{text}");
        }
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_has_no_file() {
        let folder = TempDir::new().expect("a folder can be made");
        let pattern = pattern(&folder.path().join("none/devices.csv").to_string_lossy());
        assert_eq!(newest_of(&pattern).await, None);
    }
}
