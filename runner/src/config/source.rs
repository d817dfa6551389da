//! Where a configuration comes from: a file, the environment alone, or both.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use core_settings::{DEFAULT_FILE, Problem, VARIABLE_PREFIX};

use super::Config;
use super::paths::Paths;
use crate::exit::Failure;
use crate::system;

/// What a byte order mark is called in UTF-8 text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Where a configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// In a file, which variables of the environment override.
    File(PathBuf),
    /// In variables of the environment alone. Relative paths start at the current folder.
    Environment,
}

/// Finds the configuration to read: the file that was named, else the default one if it exists, else
/// variables of the environment if any is set.
pub(crate) fn find(named: Option<&Path>) -> Option<Source> {
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        return Some(Source::File(path.to_owned()));
    }
    // One that cannot be looked at is there, and reading it says what is wrong.
    if Path::new(DEFAULT_FILE).try_exists().unwrap_or(true) {
        return Some(Source::File(DEFAULT_FILE.into()));
    }
    (!system::variables(VARIABLE_PREFIX).is_empty()).then_some(Source::Environment)
}

impl Source {
    /// The name of the source in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Environment => format!("variables {VARIABLE_PREFIX}…"),
        }
    }

    /// The folder that other files of the user are looked up in: the one that the configuration is in.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::File(path) => path.parent().unwrap_or(Path::new("")),
            Self::Environment => Path::new(""),
        }
    }

    fn read(&self) -> Result<(String, Paths), Failure> {
        let Self::File(path) = self else {
            return Ok((String::new(), Paths::new(Path::new(""))));
        };
        let text = fs::read_to_string(path).map_err(|error| {
            let (shown, hint) = (path.display(), hint(&error, path));
            Failure::usage(format!("cannot read the configuration {shown}: {error}{hint}"))
        })?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).map(str::to_owned).unwrap_or(text);
        Ok((text, Paths::new(path.parent().unwrap_or(Path::new("")))))
    }
}

/// What to do about a configuration that cannot be read.
fn hint(error: &Error, path: &Path) -> String {
    match error.kind() {
        ErrorKind::NotFound => {
            format!("; `{} init` writes one, and --config names another", system::own_command())
        }
        ErrorKind::PermissionDenied => {
            "; run as a user who may read it, or let its owner change its mode".to_owned()
        }
        ErrorKind::IsADirectory => format!("; name a file in it, such as {DEFAULT_FILE}"),
        ErrorKind::InvalidData if path.is_file() => {
            "; save it as UTF-8 (`>` in Windows PowerShell writes UTF-16)".to_owned()
        }
        _ => String::new(),
    }
}

impl Config {
    /// Reads a source and the variables that override it.
    ///
    /// # Errors
    ///
    /// All mistakes at once, each with its place.
    pub(crate) fn load(source: &Source) -> Result<Config, Failure> {
        let (text, paths) = source.read()?;
        let variables = system::variables(VARIABLE_PREFIX);
        Config::parse(&text, &variables, &paths).map_err(|problems| {
            invalid("the configuration is not valid", &problems, &source.name())
        })
    }
}

/// The failure that lists what is wrong with a configuration.
pub(crate) fn invalid(what: &str, problems: &[Problem], file: &str) -> Failure {
    let lines: Vec<String> = problems.iter().map(|problem| problem.in_file(file)).collect();
    Failure::usage(format!("{what}:\n{}", lines.join("\n")))
}
