//! Files in place of an export: copied to where downloads are, so that everything after that is the same.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use core_ingest::decompress::Compression;
use core_nexthink::ErrorKind;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::encrypted_downloads::Files;
use super::exports::{FetchedFile, FetchedFiles};
use crate::export_files::FilePattern;
use crate::moment::Moment;

/// How long a file that does not say where it ends must be unchanged to count as whole. A writer that pauses for
/// longer is not known.
const UNCHANGED: Duration = Duration::from_mins(1);

/// Why a dataset of such a file is partial.
pub(super) const UNSETTLED: &str = "a file was changed less than a minute ago, so that its end may be missing; a \
                                    compressed file would prove its end";

/// What is copied in one go, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// Why the files of a step cannot be used.
#[derive(Debug, Clone)]
pub(super) enum LocalFileError {
    /// There is no file.
    Missing(FilePattern),
    /// It was changed while it was read.
    Changed(PathBuf),
    /// It cannot be read, or its copy cannot be written.
    Unreadable(PathBuf, Arc<io::Error>),
}

impl LocalFileError {
    /// The kind of failure.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) | Self::Changed(_) => ErrorKind::Unreachable,
            Self::Unreadable(..) => ErrorKind::Local,
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
            Self::Unreadable(path, error) => write!(formatter, "{}: {error}", path.display()),
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
    let failed = |error| LocalFileError::Unreadable(path.to_owned(), Arc::new(error));
    let mut source = File::open(path).await.map_err(failed)?;
    let before = source.metadata().await.map_err(failed)?;
    files.downloads().remove(&download).map_err(|error| failed(io::Error::other(error)))?;
    let mut sink = files.write(&download).map_err(failed)?;
    let mut first = [0; 5];
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let read = source.read(&mut chunk).await.map_err(failed)?;
        if read == 0 {
            break;
        }
        if bytes == 0 {
            let known = read.min(first.len());
            first[..known].copy_from_slice(&chunk[..known]);
        }
        sink.write_all(&chunk[..read]).await.map_err(failed)?;
        bytes += read as u64;
    }
    sink.flush().await.map_err(failed)?;
    let after = tokio::fs::metadata(path).await.map_err(failed)?;
    let changed = |metadata: &std::fs::Metadata| metadata.modified().ok();
    if bytes != before.len() || after.len() != before.len() || changed(&after) != changed(&before) {
        return Err(LocalFileError::Changed(path.to_owned()));
    }
    // The end of a compressed file is proven when it is read.
    let is_compressed = Compression::detect(&first) != Compression::None;
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

/// Returns whether a file has been left alone for long enough. One that is dated ahead of the clock has not.
fn is_settled(modified: SystemTime, now: Moment) -> bool {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now.0);
    now.duration_since(modified).is_ok_and(|unchanged| unchanged >= UNCHANGED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_once_nobody_has_changed_it_for_a_minute() {
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
