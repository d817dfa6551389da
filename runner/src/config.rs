//! The configuration of this process: which tenant it works for, and what its environment says.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use core_cli::Cli;
use core_config::{ChosenTenant, Environment};
pub(crate) use core_config::{
    Config, Fleet, Loaded, Paths, SecretReference, Source, Variable, invalid, query_names,
};

use core_settings::VARIABLE_PREFIX;
use core_store::{Location, Watch};

use crate::exit::Failure;
use crate::system;

/// The environment of this process.
pub(crate) const ENVIRONMENT: Environment = Environment {
    variable: system::variable,
    variables: system::variables,
    own_command: system::own_command,
};

/// The tenant that this process works for, if the command line names one. A process works for one tenant only, and
/// all its parts read the same configuration.
static CHOSEN: OnceLock<ChosenTenant> = OnceLock::new();

/// Chooses the tenant that this process works for, if the command line names one.
pub(crate) fn choose_tenant(cli: &Cli) {
    if let Some(name) = cli.chosen_tenant() {
        let chosen = ChosenTenant { name: name.to_owned(), may_differ: cli.names_its_tenant() };
        // It is chosen once, when the program starts.
        let _ = CHOSEN.set(chosen);
    }
}

/// The watcher of the working copy that this process writes to, if the store is in a bucket.
static WATCH: OnceLock<Arc<dyn Watch>> = OnceLock::new();

/// Has a watcher told of what this process changes in the working copy.
pub(crate) fn watch_store(watch: Arc<dyn Watch>) {
    let _ = WATCH.set(watch);
}

/// Finds the configuration to read: the file that was named, or what there is without one.
pub(crate) fn find(named: Option<&Path>) -> Option<Source> {
    Source::find(named, CHOSEN.get(), ENVIRONMENT)
}

/// Refuses another tenant than the one that is read, where no file names it. `whose` begins the sentence about it.
pub(crate) fn check_chosen(tenant: &str, whose: &str) -> Result<(), Failure> {
    CHOSEN.get().map_or(Ok(()), |chosen| Ok(chosen.check(tenant, whose)?))
}

/// Refuses a variable that would set something and cannot be read.
pub(crate) fn check_variables() -> Result<(), Failure> {
    system::variable_that_is_no_text(VARIABLE_PREFIX).map_or(Ok(()), |name| {
        Err(Failure::usage(format!("the variable {name} is not UTF-8: set it anew")))
    })
}

/// Reads a source and the variables that override it.
///
/// # Errors
///
/// All mistakes at once, each with its place.
pub(crate) fn load(source: &Source) -> Result<Config, Failure> {
    let mut config = Config::load(source, ENVIRONMENT)?;
    if matches!(source, Source::Environment) {
        check_chosen(config.tenant.as_str(), &format!("the {} configure", source.name()))?;
    }
    if let (Some(watch), Some(_)) = (WATCH.get(), &config.bucket) {
        let folder = config.store.folder().to_owned();
        config.settings.store = Location::working_copy(folder, Arc::clone(watch));
    }
    Ok(config)
}

/// Paths that start at `folder`.
pub(crate) fn paths(folder: &Path) -> Paths {
    Paths::new(folder, ENVIRONMENT)
}

/// The options with which another process of this program reads the same configuration.
pub(crate) fn own_words(named: Option<&Path>) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if let Some(path) = named {
        words.extend(["--config".into(), path.into()]);
    }
    if let Some(chosen) = CHOSEN.get() {
        words.extend(["--tenant".into(), chosen.name.as_str().into()]);
    }
    words
}
