//! The source of a configuration: a file, the environment alone, or both.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use core_engine::Failure;
use core_settings::{DEFAULT_FILE, Problem, VARIABLE_PREFIX, is_fleet};

use crate::config::Config;
use crate::environment::Environment;
use crate::error::ConfigurationError;
use crate::fleet::{Fleet, is_tenant_name};
use crate::paths::Paths;
use crate::writers;

/// The byte order mark of UTF-8 text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The tenant that a command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenTenant {
    /// The name of its file in a fleet; elsewhere that of the one tenant.
    pub name: String,
    /// True if the command may name another tenant than the one of a file that configures one.
    pub may_differ: bool,
}

impl ChosenTenant {
    /// Refuses a tenant that is not the one that a command line names. `whose` is the beginning of the sentence about it.
    ///
    /// # Errors
    ///
    /// It is another one, and the command may not name another.
    pub fn check(&self, tenant: &str, whose: &str) -> Result<(), Failure> {
        if self.may_differ || self.name == tenant {
            return Ok(());
        }
        Err(Failure::configuration(format!(
            "{whose} tenant {tenant}, not `{}`: leave out --tenant, or name another file with --config",
            self.name
        )))
    }
}

/// The place of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a file, which variables of the environment override.
    File(PathBuf),
    /// In a file of one tenant or of a fleet, of which a tenant was chosen.
    Tenant(PathBuf, ChosenTenant),
    /// In variables of the environment alone. Relative paths start at the current folder.
    Environment,
}

impl Source {
    /// Finds the configuration to read: the file that was named, else the default one if it exists, else
    /// variables of the environment if any is set. The tenant that was chosen is that of a file.
    pub fn find(
        named: Option<&Path>,
        chosen: Option<&ChosenTenant>,
        environment: Environment,
    ) -> Option<Self> {
        let of_file = |path: PathBuf| match chosen {
            Some(chosen) => Self::Tenant(path, chosen.clone()),
            None => Self::File(path),
        };
        if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
            return Some(of_file(path.to_owned()));
        }
        // One that cannot be looked at is there, and reading it says what is wrong.
        if Path::new(DEFAULT_FILE).try_exists().unwrap_or(true) {
            return Some(of_file(DEFAULT_FILE.into()));
        }
        (!(environment.variables)(VARIABLE_PREFIX).is_empty()).then_some(Self::Environment)
    }

    /// The name of the source in messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Tenant(path, _) => path.display().to_string(),
            Self::Environment => format!("variables {VARIABLE_PREFIX}…"),
        }
    }

    /// The name of the file that has a tenant's own settings: in a fleet, that of the chosen tenant.
    pub fn settings_name(&self, environment: Environment) -> String {
        match self {
            Self::Tenant(path, chosen) => match Fleet::load(path, environment) {
                Ok(Some(fleet)) => fleet.file_of(&chosen.name).display().to_string(),
                // A file that cannot be read is what loading it complains about.
                _ => self.name(),
            },
            Self::File(_) | Self::Environment => self.name(),
        }
    }

    /// The name of the tenant that the command line chooses.
    pub fn chosen_name(&self) -> Option<&str> {
        match self {
            Self::Tenant(_, chosen) => Some(&chosen.name),
            Self::File(_) | Self::Environment => None,
        }
    }

    /// The folder that other files of the user are looked up in: the one that the configuration is in, or a tenant's
    /// own folder in a fleet.
    pub fn folder(&self, environment: Environment) -> PathBuf {
        match self {
            Self::File(path) => parent(path).to_owned(),
            Self::Tenant(path, chosen) => match Fleet::load(path, environment) {
                Ok(Some(fleet)) => fleet.folder_of(&chosen.name),
                // A file that cannot be read is what loading it complains about.
                _ => parent(path).to_owned(),
            },
            Self::Environment => PathBuf::new(),
        }
    }

    /// Returns the fleet that the source configures, whether a tenant of it was chosen or not; none if it configures
    /// one tenant.
    ///
    /// # Errors
    ///
    /// All mistakes in the fleet's file at once.
    pub fn fleet(&self, environment: Environment) -> Result<Option<Fleet>, Failure> {
        match self {
            Self::File(path) | Self::Tenant(path, _) => Fleet::load(path, environment),
            Self::Environment => Ok(None),
        }
    }
}

/// The folder of a file.
pub(crate) fn parent(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// Reads the text of a configuration file.
///
/// # Errors
///
/// It cannot be read.
pub(crate) fn read_text(path: &Path, environment: Environment) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        let (shown, hint) = (path.display(), hint(&error, path, environment));
        let message = format!("cannot read the configuration {shown}: {error}{hint}");
        ConfigurationError::unreadable(message, &error)
    })?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).map(str::to_owned).unwrap_or(text))
}

/// Returns the remedy for a configuration that cannot be read.
fn hint(error: &Error, path: &Path, environment: Environment) -> String {
    match error.kind() {
        ErrorKind::NotFound => {
            format!(
                "; `{} init` writes one, and --config names another",
                (environment.own_command)()
            )
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
    /// All mistakes at once, each with its place; a fleet of which no tenant was chosen, or a tenant that it has not.
    pub fn load(source: &Source, environment: Environment) -> Result<Self, Failure> {
        let (path, chosen) = match source {
            Source::Environment => {
                return Self::load_text("", &Paths::new(Path::new(""), environment), source);
            }
            Source::File(path) => (path, None),
            Source::Tenant(path, chosen) => (path, Some(chosen)),
        };
        let text = read_text(path, environment)?;
        if is_fleet(&text) {
            let fleet = Fleet::parse(&text, path, environment)?;
            let Some(chosen) = chosen else { return Err(not_chosen(&fleet, path)) };
            return fleet.load_tenant(&chosen.name);
        }
        let mut config = Self::load_text(&text, &Paths::new(parent(path), environment), source)?;
        config.warnings.exposures = writers::warnings(path);
        if let Some(chosen) = chosen {
            chosen.check(config.tenant.as_str(), &format!("{} configures", path.display()))?;
        }
        Ok(config)
    }

    fn load_text(text: &str, paths: &Paths, source: &Source) -> Result<Self, Failure> {
        let variables = (paths.environment().variables)(VARIABLE_PREFIX);
        Self::parse(text, &variables, paths).map_err(|problems| {
            invalid("the configuration is not valid", &problems, &source.name())
        })
    }
}

/// The failure of a command that is about one tenant of a fleet, and names none.
fn not_chosen(fleet: &Fleet, path: &Path) -> Failure {
    let names = match fleet.names() {
        Ok(names) => names,
        Err(failure) => return failure,
    };
    let known = match names.iter().find(|name| is_tenant_name(name)) {
        None => "it has none yet".to_owned(),
        Some(name) => format!("such as `--tenant {name}`"),
    };
    Failure::configuration(format!(
        "{} configures a fleet of {}: name the tenant with --tenant ({known})",
        path.display(),
        core_terminal::count(names.len(), "tenant")
    ))
}

/// The failure that lists what is wrong with a configuration.
pub fn invalid(what: &str, problems: &[Problem], file: &str) -> Failure {
    let lines: Vec<String> = problems.iter().map(|problem| problem.in_file(file)).collect();
    ConfigurationError::invalid(format!("{what}:\n{}", lines.join("\n")), problems)
}
