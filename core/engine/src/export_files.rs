//! Files that another program has written, such as Nexthink's data exporter: chooses those to read in place of an
//! export.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The path of a file, whose name may contain one `*` for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePattern {
    folder: PathBuf,
    before: String,
    /// The text after the `*`; none if the name has none.
    after: Option<String>,
}

/// A file that matches a pattern. The file that was changed last is the greatest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportFile {
    /// The time of its last change.
    pub modified: SystemTime,
    /// Its path.
    pub path: PathBuf,
}

impl FilePattern {
    /// Parses a path.
    ///
    /// # Errors
    /// The path names no file, its name has a second `*`, or its folder has one.
    pub fn parse(path: &Path) -> Result<Self, &'static str> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or("must end with the name of a file")?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        if folder.to_string_lossy().contains('*') {
            return Err("must have the `*` in the name of the file, not in that of a folder");
        }
        let (before, after) = match name.split_once('*') {
            Some((_, after)) if after.contains('*') => return Err("must have one `*` at most"),
            Some((before, after)) => (before, Some(after.to_owned())),
            None => (name, None),
        };
        Ok(Self { folder, before: before.to_owned(), after })
    }

    /// Returns the file that was changed last among those that match the pattern; of several, the one whose name
    /// comes last.
    ///
    /// # Errors
    /// The folder cannot be listed. A missing folder has no files.
    pub fn newest(&self) -> io::Result<Option<ExportFile>> {
        // A path of one name has no folder, and is in the current one.
        let is_current = self.folder.as_os_str().is_empty();
        let folder = if is_current { Path::new(".") } else { &self.folder };
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut newest: Option<ExportFile> = None;
        for entry in entries {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| self.has(name)) {
                continue;
            }
            // Links are followed.
            let path = self.folder.join(entry.file_name());
            let metadata = std::fs::metadata(&path)?;
            if !metadata.is_file() {
                continue;
            }
            let file = ExportFile { path, modified: metadata.modified()? };
            newest = newest.max(Some(file));
        }
        Ok(newest)
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

impl fmt::Display for FilePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.after.is_some() { "*" } else { "" };
        let name = format!("{}{star}{}", self.before, self.after.as_deref().unwrap_or_default());
        write!(formatter, "{}", self.folder.join(name).display())
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
            assert_eq!(pattern(text).has(name), expected, "{text}, {name}");
        }
    }

    #[test]
    fn the_newest_file_is_read_and_folders_are_not() {
        let folder = TempDir::new().expect("a folder can be made");
        let pattern = pattern(&folder.path().join("devices-*.csv").to_string_lossy());
        let write = |name: &str, seconds: u64| {
            let file = std::fs::File::create(folder.path().join(name)).expect("it can be written");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            file.set_modified(time).expect("its time can be set");
        };
        let newest = || {
            let newest = pattern.newest().expect("the folder can be listed")?;
            Some(newest.path.file_name()?.to_string_lossy().into_owned())
        };
        assert_eq!(newest(), None);
        write("devices-b.csv", 100);
        write("users-a.csv", 900);
        std::fs::create_dir(folder.path().join("devices-z.csv")).expect("it can be made");
        assert_eq!(newest().as_deref(), Some("devices-b.csv"));
        write("devices-a.csv", 200);
        assert_eq!(newest().as_deref(), Some("devices-a.csv"));
        write("devices-c.csv", 200);
        assert_eq!(newest().as_deref(), Some("devices-c.csv"));
    }

    #[test]
    fn a_path_without_a_folder_is_in_the_current_one() {
        // Tests run in the folder of their package.
        for text in ["Cargo.toml", "Cargo.t*"] {
            let newest = pattern(text).newest().expect("the folder can be listed");
            assert_eq!(newest.map(|file| file.path), Some(PathBuf::from("Cargo.toml")), "{text}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_file() {
        let folder = TempDir::new().expect("a folder can be made");
        let pattern = pattern(&folder.path().join("none/devices.csv").to_string_lossy());
        assert_eq!(pattern.newest().expect("that is no error"), None);
    }
}
