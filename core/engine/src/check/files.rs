//! Checks that the files in place of an export exist, and have the columns that their step reads.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use core_ingest::decompress::{self, Caps};
use core_model::step::Step;
use core_nexthink::ExecuteAnswer;

use super::{Check, Checks, columns};
use crate::export_files::{ExportFile, FilePattern};
use crate::failure::FailureKind;

/// The size limit for the line with the column names. Bytes.
const MAX_HEADER: u64 = 64 * 1024;

/// Checks the newest file of each pattern.
pub(super) fn check(step: &'static Step, patterns: &[FilePattern], checks: &mut Checks) {
    let field = step.query().map_or("", |query| query.config_field);
    for pattern in patterns {
        checks.push(check_pattern(step, format!("query {field}"), pattern));
    }
}

fn check_pattern(step: &'static Step, name: String, pattern: &FilePattern) -> Check {
    let unreadable = |error: &std::io::Error| {
        Check::failed(name.clone(), FailureKind::Internal, format!("{pattern}: {error}"))
    };
    let newest = match pattern.newest() {
        Ok(Some(newest)) => newest,
        Ok(None) => {
            let detail = format!("there is no file {pattern}: whoever writes it has not yet");
            return Check::failed(name, FailureKind::Unreachable, detail);
        }
        Err(error) => return unreadable(&error),
    };
    match column_names(&newest) {
        Ok(columns) => {
            // A file has no limit that it could report, and its rows are not counted here.
            let answer = ExecuteAnswer { columns, rows: 1, limits: None };
            columns::judge(step, name, &newest.path.display(), &answer, &[])
        }
        Err(error) => unreadable(&error),
    }
}

/// Reads the columns of a file from its first line.
fn column_names(file: &ExportFile) -> std::io::Result<Vec<String>> {
    let source = File::open(&file.path)?;
    let length = source.metadata()?.len();
    let (_, bytes) = decompress::reader(BufReader::new(source), length, Caps::default())?;
    let mut line = Vec::new();
    BufReader::new(bytes.take(MAX_HEADER)).read_until(b'\n', &mut line)?;
    let line = String::from_utf8_lossy(&line);
    let line = line.trim_start_matches('\u{feff}').trim_end();
    let names = line.split(',').map(|name| name.trim_matches('"').to_owned());
    Ok(names.filter(|name| !name.is_empty()).collect())
}
