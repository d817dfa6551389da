//! The file with the hashes of tokens.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use core_explorer::{AccessToken, Role};
use core_files::FileLock;
use core_files::ensure_private;
use serde::{Deserialize, Serialize};

use super::host::ProgramHost;
use crate::cli::Global;
use crate::config;
use crate::exit::{Exit, Failure};
use crate::output;

/// The file beside the configuration.
const FILE: &str = "nexthink-graph-tokens.json";

/// The largest file: thousands of tokens. Bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// The longest name of a token.
const MAX_NAME: usize = 60;

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    tokens: Vec<AccessToken>,
}

/// Makes a token and prints it.
pub(super) fn create(
    global: &Global,
    name: &str,
    role: Role,
    file: Option<&Path>,
) -> Result<Exit, Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_plain) {
        return Err(Failure::usage(format!(
            "the name of a token has 1 to {MAX_NAME} letters, digits, and the characters - _ . @"
        )));
    }
    let path = path(global, file);
    let mut lock = path.clone().into_os_string();
    lock.push(".lock");
    let _lock = FileLock::acquire(Path::new(&lock))
        .with_context(|| format!("cannot change {}", path.display()))?;
    let mut tokens = read_file(&path)?;
    if tokens.iter().any(|token| token.name == name) {
        return Err(Failure::usage(format!(
            "there is a token {name} in {} already: remove its entry there, or choose another name",
            path.display()
        )));
    }
    let (text, token) =
        AccessToken::new(name, role, &ProgramHost::without_store()).map_err(anyhow::Error::new)?;
    tokens.push(token);
    let bytes = serde_json::to_vec_pretty(&TokenFile { tokens }).map_err(anyhow::Error::new)?;
    core_files::replace_file(&path, &bytes)
        .with_context(|| format!("cannot write {}", path.display()))?;
    output::result(&text);
    output::note(&format!(
        "this is the only time that the token is shown; its hash is in {}",
        path.display()
    ));
    Ok(Exit::Complete)
}

/// The tokens that were given out.
pub(super) fn read(global: &Global, file: Option<&Path>) -> Result<Vec<AccessToken>, Failure> {
    Ok(read_file(&path(global, file))?)
}

fn path(global: &Global, file: Option<&Path>) -> PathBuf {
    let beside = || {
        let source = config::find(global.config.as_deref());
        source.map_or_else(PathBuf::new, |source| source.folder(config::ENVIRONMENT)).join(FILE)
    };
    file.map_or_else(beside, Path::to_owned)
}

fn read_file(path: &Path) -> anyhow::Result<Vec<AccessToken>> {
    let shown = path.display();
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.with_context(|| format!("cannot read {shown}"))?,
    };
    ensure_private(&file, path, "the file of tokens")?;
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {shown}"))?;
    let file: TokenFile = serde_json::from_str(&text).with_context(|| {
        format!("{shown} is not a file of tokens: restore it, or remove it and make new tokens")
    })?;
    Ok(file.tokens)
}
