//! Writes down what J1QL queries of these tests are as SQL and what they answer, for another engine to answer the same.
//! `cargo xtask conformance j1ql` asks for it.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use core_store::Generation;
use serde_json::json;

/// The variable with the folder to write to. Without it nothing is written.
const FOLDER: &str = "J1QL_CASES";

/// The generations that this process has written down.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A folder with a copy of one generation and the queries that it was asked.
#[derive(Debug)]
pub(crate) struct Recorder {
    cases: PathBuf,
}

impl Recorder {
    /// Copies a generation, if that is asked for.
    pub(crate) fn new(generation: &Generation) -> Result<Option<Self>, Box<dyn Error>> {
        let Some(folder) = folder() else { return Ok(None) };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = folder.join(format!("{}-{number}", std::process::id()));
        copy(generation.folder(), &folder)?;
        Ok(Some(Self { cases: folder.join("cases.ndjson") }))
    }

    /// Adds a query and its rows without the header.
    pub(crate) fn add(
        &self,
        query: &str,
        sql: &str,
        rows: &[Vec<String>],
    ) -> Result<(), Box<dyn Error>> {
        let mut file: File = OpenOptions::new().create(true).append(true).open(&self.cases)?;
        let case = json!({ "query": query, "sql": sql, "rows": rows });
        Ok(writeln!(file, "{case}")?)
    }
}

#[expect(clippy::disallowed_methods, reason = "tests that write more when another program asks")]
fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
