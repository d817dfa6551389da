//! Files in place of an export. They are copied to the downloads, so that everything after that is the same.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use core_ingest::decompress::Compression;
use core_nexthink::ErrorKind;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::encrypted_downloads::Files;
use super::exports::{FetchedFile, FetchedFiles};
use crate::export_files::FilePattern;
use crate::moment::Moment;

/// The time without a change after which a plain file counts as complete. A writer that pauses for longer is not
/// noticed.
const UNCHANGED: Duration = Duration::from_mins(1);

/// The reason why a dataset is partial if one of its plain files changed more recently.
pub(super) const UNSETTLED: &str = "a file was changed less than a minute ago, so that its end may be missing; a \
                                    compressed file would prove its end";

/// The number of bytes to copy at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// The reason why the files of a step cannot be used.
#[derive(Debug, Clone)]
pub(super) enum LocalFileError {
    /// There is no file.
    Missing(FilePattern),
    /// It changed while it was read.
    Changed(PathBuf),
    /// It cannot be read.
    Unreadable(PathBuf, Arc<io::Error>),
    /// Its copy in the store cannot be written.
    Unwritable(PathBuf, Arc<io::Error>),
}

impl LocalFileError {
    /// The kind of failure.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) | Self::Changed(_) => ErrorKind::Unreachable,
            Self::Unreadable(..) | Self::Unwritable(..) => ErrorKind::Local,
        }
    }
}

impl std::fmt::Display for LocalFileError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(pattern) => write!(formatter, "there is no file {pattern}"),
            Self::Changed(path) => {
                write!(formatter, "{} was changed while it was read: run again", path.display())
            }
            Self::Unreadable(path, error) => {
                write!(formatter, "cannot read {}: {error}", path.display())
            }
            Self::Unwritable(path, error) => {
                write!(formatter, "cannot copy {} to the store: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for LocalFileError {}

/// Copies the newest file of each pattern; together they are the dataset.
pub(super) async fn fetch(
    step_id: &str,
    patterns: &[FilePattern],
    files: &Files,
    now: Moment,
) -> Result<FetchedFiles, LocalFileError> {
    let mut fetched = FetchedFiles::default();
    for (number, pattern) in patterns.iter().enumerate() {
        let searched = pattern.clone();
        let newest = tokio::task::spawn_blocking(move || searched.newest()).await;
        let newest = newest.unwrap_or_else(|error| Err(io::Error::other(error)));
        let newest = newest.map_err(|error| {
            LocalFileError::Unreadable(pattern.to_string().into(), Arc::new(error))
        })?;
        let newest = newest.ok_or_else(|| LocalFileError::Missing(pattern.clone()))?;
        let download = match number {
            0 => step_id.to_owned(),
            _ => format!("{step_id}.{number}"),
        };
        fetched.files.push(copy(&newest.path, download, files, now).await?);
    }
    Ok(fetched)
}

/// Copies a file.
async fn copy(
    path: &Path,
    download: String,
    files: &Files,
    now: Moment,
) -> Result<FetchedFile, LocalFileError> {
    let unreadable = |error| LocalFileError::Unreadable(path.to_owned(), Arc::new(error));
    let unwritable = |error| LocalFileError::Unwritable(path.to_owned(), Arc::new(error));
    let source = File::open(path).await.map_err(unreadable)?;
    let before = source.metadata().await.map_err(unreadable)?;
    let mut source = BufReader::with_capacity(CHUNK_BYTES, source);
    let compression = Compression::detect(source.fill_buf().await.map_err(unreadable)?);
    files.downloads().remove(&download).map_err(|error| unwritable(io::Error::other(error)))?;
    let mut sink = files.write(&download).map_err(unwritable)?;
    let mut bytes = 0;
    loop {
        let chunk = source.fill_buf().await.map_err(unreadable)?;
        if chunk.is_empty() {
            break;
        }
        sink.write_all(chunk).await.map_err(unwritable)?;
        let copied = chunk.len();
        source.consume(copied);
        bytes += copied as u64;
    }
    sink.flush().await.map_err(unwritable)?;
    let after = tokio::fs::metadata(path).await.map_err(unreadable)?;
    let changed = |metadata: &std::fs::Metadata| metadata.modified().ok();
    if bytes != before.len() || after.len() != before.len() || changed(&after) != changed(&before) {
        return Err(LocalFileError::Changed(path.to_owned()));
    }
    // A compressed file proves its end when it is read.
    let is_compressed = compression != Compression::None;
    let is_unchanged = changed(&after).is_some_and(|modified| is_settled(modified, now));
    Ok(FetchedFile {
        download,
        pattern: None,
        export_id: None,
        truncated: false,
        bytes,
        length_proven: is_compressed || is_unchanged,
    })
}

/// Returns true if a file has not changed for long enough. A file that is dated ahead of the clock has changed.
fn is_settled(modified: SystemTime, now: Moment) -> bool {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now.0);
    now.duration_since(modified).is_ok_and(|unchanged| unchanged >= UNCHANGED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_as_whole_after_a_minute_without_a_change() {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_hours(1_000);
        let hour = 3_600_000;
        for (now, expected) in [
            (1_000 * hour + 60_000, true),
            (1_000 * hour + 59_999, false),
            (1_000 * hour, false),
            (999 * hour, false),
            (2_000 * hour, true),
        ] {
            assert_eq!(is_settled(modified, Moment(now)), expected, "{now}");
        }
    }
}
