//! A fleet: one file with the folder of its tenants and their defaults, and a file for each tenant.
//!
//! Each tenant's file is read by itself, so that a mistake in one of them concerns its tenant alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use core_engine::Failure;
use core_settings::{Defaults, VARIABLE_PREFIX, Values, is_fleet};

use crate::config::{Config, number, query_names};
use crate::environment::Environment;
use crate::error::ConfigurationError;
use crate::paths::Paths;
use crate::source::{invalid, parent, read_text};
use crate::writers::{self, Exposure};

/// The end of the names of tenants' files.
const EXTENSION: &str = "toml";

/// The longest name of a tenant, in bytes: it is a label of metrics and begins lines of logs.
const MAX_NAME: usize = 64;

/// The configuration of a fleet.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The number of runs that may take place at once.
    pub parallel_runs: usize,
    environment: Environment,
    /// The fleet's file.
    file: PathBuf,
    /// The folder of the tenants' files.
    tenants: PathBuf,
    defaults: Defaults,
}

/// The configuration of a tenant, or the reason why its file cannot be used.
pub type Loaded = Result<Config, Failure>;

impl Fleet {
    /// Reads the file of a fleet; none if it configures one tenant.
    ///
    /// # Errors
    ///
    /// All mistakes in it at once.
    pub fn load(file: &Path, environment: Environment) -> Result<Option<Self>, Failure> {
        let text = read_text(file, environment)?;
        if is_fleet(&text) { Self::parse(&text, file, environment).map(Some) } else { Ok(None) }
    }

    /// Reads the text of a fleet's file.
    ///
    /// # Errors
    ///
    /// All mistakes in it at once.
    pub(crate) fn parse(
        text: &str,
        file: &Path,
        environment: Environment,
    ) -> Result<Self, Failure> {
        let shown = file.display().to_string();
        let failure = |problems: Vec<_>| {
            invalid("the configuration of the fleet is not valid", &problems, &shown)
        };
        let variables = (environment.variables)(VARIABLE_PREFIX);
        let parsed = Values::parse_fleet(text, &variables, &query_names(), &shown);
        let (mut values, defaults) = parsed.map_err(failure)?;
        let paths = Paths::new(parent(file), environment);
        let tenants = values.required_text("fleet.tenants");
        let tenants =
            tenants.and_then(|text| paths.resolve_setting(&mut values, "fleet.tenants", &text));
        let parallel_runs = number(values.integer_or_default("fleet.parallel_runs"));
        values.finish().map_err(failure)?;
        let Some(tenants) = tenants else { unreachable!("what is missing is a problem") };
        let file = file.to_owned();
        Ok(Self { parallel_runs, environment, file, tenants, defaults })
    }

    /// Returns the names of the tenants: those of their files without `.toml`.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, Failure> {
        let shown = self.tenants.display();
        let unreadable = |error: io::Error| {
            let message = format!("cannot read the folder of tenants {shown}: {error}");
            ConfigurationError::unreadable(message, &error)
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.tenants).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            // Editors and Kubernetes keep hidden files beside the real ones.
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
            let is_file = path.extension().is_some_and(|extension| extension == EXTENSION);
            names.extend(name.filter(|name| is_file && !name.starts_with('.')));
        }
        names.sort();
        Ok(names)
    }

    /// Returns the path of a tenant's file.
    pub(crate) fn file_of(&self, name: &str) -> PathBuf {
        self.tenants.join(format!("{name}.{EXTENSION}"))
    }

    /// Reads the file of one tenant.
    ///
    /// # Errors
    ///
    /// There is none of this name; its name or its owner is not allowed; all mistakes in it at once.
    pub fn load_tenant(&self, name: &str) -> Loaded {
        let file = self.file_of(name);
        check_name(name)?;
        if !file.exists() {
            let known = self.names()?.join(", ");
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("it has {known}") };
            return Err(Failure::configuration(format!(
                "there is no tenant `{name}` in {}: {known}",
                self.tenants.display()
            )));
        }
        self.check_writers(&file)?;
        let text = read_text(&file, self.environment)?;
        let paths = Paths::of_tenant(&self.tenants, parent(&self.file), name, self.environment);
        let parsed = Values::parse_tenant(&text, &self.defaults, &query_names())
            .and_then(|values| Config::read(values, &paths));
        let mut config = parsed.map_err(|problems| {
            let what = format!("the configuration of tenant {name} is not valid");
            invalid(&what, &problems, &file.display().to_string())
        })?;
        config.warnings.exposures = writers::warnings(&self.file);
        Ok(config)
    }

    /// Reads the files of all tenants. Of two that would share a folder of the store, the second cannot be used.
    ///
    /// # Errors
    ///
    /// The folder cannot be read. A file that cannot be used is an error of its tenant.
    pub fn load_all(&self) -> Result<BTreeMap<String, Loaded>, Failure> {
        let mut owners: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut all = BTreeMap::new();
        for name in self.names()? {
            let loaded = self.load_tenant(&name).and_then(|config| {
                let owner = owners.entry(place(&config)).or_insert_with(|| name.clone());
                if *owner == name { Ok(config) } else { Err(shared(owner, &config)) }
            });
            all.insert(name, loaded);
        }
        Ok(all)
    }

    /// Returns the folder of a tenant's questions, rules and channels: the one named like it beside its file, else
    /// that of the fleet's file.
    pub fn folder_of(&self, name: &str) -> PathBuf {
        let own = self.tenants.join(name);
        if own.is_dir() { own } else { parent(&self.file).to_owned() }
    }

    /// Fails if another user could have written a file: it may name commands, which this user would run.
    fn check_writers(&self, file: &Path) -> Result<(), Failure> {
        for path in [self.tenants.as_path(), file] {
            let found = Exposure::of(path).map_err(|error| {
                let message = format!("cannot read {}: {error}", path.display());
                ConfigurationError::unreadable(message, &error)
            })?;
            if let Some(exposure) = found {
                return Err(Failure::configuration(exposure.message(path)));
            }
        }
        Ok(())
    }
}

/// Returns true for a name that a tenant of a fleet may have.
pub(crate) fn is_tenant_name(name: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

fn check_name(name: &str) -> Result<(), Failure> {
    if is_tenant_name(name) {
        return Ok(());
    }
    Err(Failure::configuration(format!(
        "`{name}` is no name of a tenant: rename its file to lower-case letters, digits, - and _, at most \
         {MAX_NAME} of them, and .{EXTENSION}"
    )))
}

/// Returns what no two tenants may share: the store and the folder in it.
fn place(config: &Config) -> (String, String) {
    let tenant = config.tenant.as_str().to_owned();
    if let Some(bucket) = &config.bucket {
        return (bucket.address.clone(), tenant);
    }
    let folder = config.store.folder();
    // The folder may not be there yet.
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    (folder.display().to_string(), tenant)
}

fn shared(owner: &str, config: &Config) -> Failure {
    Failure::configuration(format!(
        "the file of tenant {owner} keeps Nexthink tenant {} in the same store: remove one of the files, or give \
         one of them its own `store.location`",
        config.tenant.as_str()
    ))
}
