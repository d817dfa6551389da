//! Checks that the files in place of an export exist, and have the columns that their step reads.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read as _};

use core_ingest::decompress::{self, Caps};
use core_model::step::Step;
use core_nexthink::ExecuteAnswer;

use super::{Check, Checks, columns};
use crate::export_files::{ExportFile, ExportFileError, FilePattern};
use crate::failure::FailureKind;

/// The size limit for the line with the column names. Bytes.
const MAX_HEADER: u64 = 64 * 1024;

/// The bytes that are fetched of a file in a bucket, which may be compressed: a first block of Zstandard has 128 KiB at most.
const START_BYTES: u64 = 256 * 1024;

/// Checks the newest file of each pattern.
pub(super) async fn check(step: &'static Step, patterns: &[FilePattern], checks: &mut Checks) {
    let field = step.query().map_or("", |query| query.config_field);
    for pattern in patterns {
        checks.push(check_pattern(step, format!("query {field}"), pattern).await);
    }
}

async fn check_pattern(step: &'static Step, name: String, pattern: &FilePattern) -> Check {
    let unreadable = |error: ExportFileError| {
        let detail = format!("{pattern}: {error}");
        Check::failed(name.clone(), kind_of(error), detail)
    };
    let newest = match pattern.newest().await {
        Ok(Some(newest)) => newest,
        Ok(None) => {
            let detail = format!("there is no file {pattern}: whoever writes it has not yet");
            return Check::failed(name, FailureKind::Unreachable, detail);
        }
        Err(error) => return unreadable(error),
    };
    match columns_of(&newest).await {
        Ok(columns) => {
            // A file has no limit that it could report, and its rows are not counted here.
            let answer = ExecuteAnswer { columns, rows: 1, limits: None };
            columns::judge(step, name, &newest, &answer, &[])
        }
        Err(error) => unreadable(error),
    }
}

fn kind_of(error: ExportFileError) -> FailureKind {
    match error {
        ExportFileError::Local(_) => FailureKind::Internal,
        ExportFileError::InBucket(error) => FailureKind::from(&error.into_store()),
    }
}

/// Reads the columns of a file from its first line.
async fn columns_of(file: &ExportFile) -> Result<Vec<String>, ExportFileError> {
    let names = match file {
        ExportFile::Local(file) => {
            let source = File::open(&file.path)?;
            let length = source.metadata()?.len();
            column_names(BufReader::new(source), length)
        }
        ExportFile::InBucket(file) => {
            column_names(Cursor::new(file.read_start(START_BYTES).await?), file.bytes())
        }
    };
    Ok(names?)
}

/// Reads the columns from the first line of a file with this length.
fn column_names(
    source: impl BufRead + Send + 'static,
    length: u64,
) -> std::io::Result<Vec<String>> {
    let (_, bytes) = decompress::reader(source, length, Caps::default())?;
    let mut line = Vec::new();
    BufReader::new(bytes.take(MAX_HEADER)).read_until(b'\n', &mut line)?;
    let line = String::from_utf8_lossy(&line);
    let line = line.trim_start_matches('\u{feff}').trim_end();
    let names = line.split(',').map(|name| name.trim_matches('"').to_owned());
    Ok(names.filter(|name| !name.is_empty()).collect())
}
