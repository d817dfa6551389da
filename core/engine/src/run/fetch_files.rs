//! Files in place of an export, on this machine or in a bucket. They are copied to the downloads, so that everything
//! after that is the same.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use core_bucket::{BucketError, BucketFile, RequestErrorKind};
use core_nexthink::ErrorKind;
use futures::TryStreamExt as _;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::encrypted_downloads::Files;
use super::exports::{FetchedFile, FetchedFiles};
use crate::export_files::{ExportFile, ExportFileError, FilePattern, LocalFile};
use crate::moment::Moment;

/// The time without a change after which a file counts as complete. A writer that pauses for longer is not noticed.
/// A compressed file proves nothing before that: some writers add one compressed member after the other.
const UNCHANGED: Duration = Duration::from_mins(1);

/// The reason why a dataset is partial if one of its files changed more recently.
pub(super) const UNSETTLED: &str = "a file was changed less than a minute ago, so that its end may be missing; run a minute after it was written";

/// The reason why a dataset is partial if a file was written before the one that the last complete run has read.
pub(super) const OLDER: &str = "a file is older than the one that an earlier run has read";

/// The number of bytes to copy at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// The reason why the files of a step cannot be used. Files are named as in the configuration.
#[derive(Debug, Clone)]
pub(super) enum FetchFileError {
    /// There is no file.
    Missing(FilePattern),
    /// It changed while it was read.
    Changed(String),
    /// It cannot be read.
    Unreadable(String, Arc<io::Error>),
    /// A bucket does not give it.
    InBucket(Arc<BucketError>),
    /// Its copy in the store cannot be written.
    Unwritable(String, Arc<io::Error>),
}

impl FetchFileError {
    /// The kind of failure.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) | Self::Changed(_) => ErrorKind::Unreachable,
            Self::Unreadable(..) | Self::Unwritable(..) => ErrorKind::Local,
            Self::InBucket(error) => match error.as_ref() {
                BucketError::Request { kind: RequestErrorKind::Refused, .. } => ErrorKind::Query,
                BucketError::NotBuilt { .. }
                | BucketError::Configuration { .. }
                | BucketError::Request {
                    kind: RequestErrorKind::NoBucket | RequestErrorKind::Rejected,
                    ..
                } => ErrorKind::Configuration,
                _ => ErrorKind::Unreachable,
            },
        }
    }

    fn in_bucket(file: &BucketFile, error: BucketError) -> Self {
        match error {
            BucketError::Request {
                kind: RequestErrorKind::Conflict | RequestErrorKind::NotFound,
                ..
            } => Self::Changed(file.to_string()),
            error => Self::InBucket(Arc::new(error)),
        }
    }
}

impl std::fmt::Display for FetchFileError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(pattern) => write!(formatter, "there is no file {pattern}"),
            Self::Changed(file) => {
                write!(formatter, "{file} was changed while it was read: run again")
            }
            Self::Unreadable(file, error) => write!(formatter, "cannot read {file}: {error}"),
            Self::InBucket(error) => error.fmt(formatter),
            Self::Unwritable(file, error) => {
                write!(formatter, "cannot copy {file} to the store: {error}")
            }
        }
    }
}

impl std::error::Error for FetchFileError {}

/// Copies the newest file of each pattern; together they are the dataset.
pub(super) async fn fetch(
    step_id: &str,
    patterns: &[FilePattern],
    files: &Files,
    now: Moment,
) -> Result<FetchedFiles, FetchFileError> {
    let mut fetched = FetchedFiles::default();
    for (number, pattern) in patterns.iter().enumerate() {
        let newest = pattern.newest().await.map_err(|error| match error {
            ExportFileError::Local(error) => {
                FetchFileError::Unreadable(pattern.to_string(), Arc::new(error))
            }
            ExportFileError::InBucket(error) => FetchFileError::InBucket(Arc::new(error)),
        })?;
        let newest = newest.ok_or_else(|| FetchFileError::Missing(pattern.clone()))?;
        let download = match number {
            0 => step_id.to_owned(),
            _ => format!("{step_id}.{number}"),
        };
        fetched.modified_ms.push(newest.modified_ms());
        let (bytes, length_proven) = match newest {
            ExportFile::Local(file) => copy(&file, &download, files, now).await?,
            // A bucket shows a file only when it is whole.
            ExportFile::InBucket(file) => (download_from(&file, &download, files).await?, true),
        };
        fetched.files.push(FetchedFile {
            download,
            pattern: None,
            export_id: None,
            truncated: false,
            bytes,
            length_proven,
        });
    }
    Ok(fetched)
}

/// Copies a file. Returns the number of its bytes, and true if they are all that it will have.
async fn copy(
    file: &LocalFile,
    download: &str,
    files: &Files,
    now: Moment,
) -> Result<(u64, bool), FetchFileError> {
    let name = || file.path.display().to_string();
    let unreadable = |error| FetchFileError::Unreadable(name(), Arc::new(error));
    let unwritable = |error| FetchFileError::Unwritable(name(), Arc::new(error));
    let source = File::open(&file.path).await.map_err(unreadable)?;
    let before = source.metadata().await.map_err(unreadable)?;
    let mut source = BufReader::with_capacity(CHUNK_BYTES, source);
    files.downloads().remove(download).map_err(|error| unwritable(io::Error::other(error)))?;
    let mut sink = files.write(download).map_err(unwritable)?;
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
    let after = tokio::fs::metadata(&file.path).await.map_err(unreadable)?;
    let changed = |metadata: &std::fs::Metadata| metadata.modified().ok();
    if bytes != before.len() || after.len() != before.len() || changed(&after) != changed(&before) {
        return Err(FetchFileError::Changed(name()));
    }
    Ok((bytes, changed(&after).is_some_and(|modified| is_settled(modified, now))))
}

/// Copies a file of a bucket. Returns the number of its bytes.
async fn download_from(
    file: &BucketFile,
    download: &str,
    files: &Files,
) -> Result<u64, FetchFileError> {
    let unwritable = |error| FetchFileError::Unwritable(file.to_string(), Arc::new(error));
    let in_bucket = |error| FetchFileError::in_bucket(file, error);
    let mut pieces = file.read();
    let mut next = pieces.try_next().await.map_err(in_bucket)?;
    files.downloads().remove(download).map_err(|error| unwritable(io::Error::other(error)))?;
    let mut sink = files.write(download).map_err(unwritable)?;
    let mut bytes = 0;
    while let Some(piece) = next {
        sink.write_all(&piece).await.map_err(unwritable)?;
        bytes += piece.len() as u64;
        next = pieces.try_next().await.map_err(in_bucket)?;
    }
    sink.flush().await.map_err(unwritable)?;
    if bytes == file.bytes() { Ok(bytes) } else { Err(FetchFileError::Changed(file.to_string())) }
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
