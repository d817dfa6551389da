//! A tenant of this process's configuration, open for reading.

use std::path::{Path, PathBuf};

use core_cli::Global;
use core_config::{demo, simulated};
use core_reading::Reader;
use core_store::{Location, Store, TenantStore};

use crate::config::{self, Config, ENVIRONMENT};
use crate::exit::Failure;
use crate::host::{engine, host};
use crate::{output, system};

/// The demo's configuration, for a command about a tenant's store where nothing is configured.
pub(super) fn demo_config(global: &Global) -> Result<Config, Failure> {
    find_demo(global)?;
    Ok(demo::stored(&config::paths(Path::new("")))?)
}

/// Tells that the demo is read, or fails if there is none.
fn find_demo(global: &Global) -> Result<(), Failure> {
    if !Path::new(demo::STORE).exists() {
        return Err(Failure::usage(format!(
            "there is nothing to read: `{0}` without a command makes a demo, and `{0} init` configures a tenant",
            system::own_command().trim_end_matches(" --")
        )));
    }
    config::check_chosen(simulated::TENANT, "nothing is configured, and the demo has")?;
    if !global.quiet {
        output::note("nothing is configured, so this reads the demo");
    }
    Ok(())
}

/// The folder of the user's own files: that of the configuration, or the current one where nothing is configured.
pub(super) fn folder(global: &Global) -> PathBuf {
    let source = config::find(global.config.as_deref());
    source.map_or_else(|| ".".into(), |source| source.folder(ENVIRONMENT))
}

/// A tenant that is open for reading.
pub(super) struct Opened {
    /// None where nothing is configured.
    pub(super) config: Option<Config>,
    /// The folder of the user's own files.
    pub(super) folder: PathBuf,
    pub(super) store: Store,
    pub(super) tenant: TenantStore,
    is_quiet: bool,
}

impl Opened {
    /// Opens the configured tenant, or the demo's where nothing is configured.
    pub(super) fn new(global: &Global) -> Result<Self, Failure> {
        let source = config::find(global.config.as_deref());
        if source.is_none() {
            find_demo(global)?;
        }
        let opened = Self::of(global, None)?;
        if let Some(config) = &opened.config {
            core_engine::privacy::check_erasures(engine(config), &opened.tenant)?;
        }
        Ok(opened)
    }

    /// Opens a tenant of the store by its name, for a process whose parent has checked that it may be shown.
    pub(super) fn named(global: &Global, name: &str) -> Result<Self, Failure> {
        let global = Global { quiet: true, ..global.clone() };
        Self::of(&global, Some(name))
    }

    fn of(global: &Global, name: Option<&str>) -> Result<Self, Failure> {
        let source = config::find(global.config.as_deref());
        let config = source.as_ref().map(config::load).transpose()?;
        let location = match &config {
            Some(config) => config.store.clone(),
            None => Location::Folder(demo::STORE.into()),
        };
        let store = Store::open(location)?;
        let own = config.as_ref().map_or(simulated::TENANT, |config| config.tenant.as_str());
        let tenant = store.tenant(name.unwrap_or(own))?;
        Ok(Self { config, folder: folder(global), store, tenant, is_quiet: global.quiet })
    }

    /// The place of the store, as the configuration names it.
    pub(super) fn place(&self) -> String {
        let bucket = self.config.as_ref().and_then(|config| config.bucket.as_ref());
        let folder = || self.store.folder().display().to_string();
        bucket.map_or_else(folder, |bucket| bucket.address.clone())
    }

    /// The data that is read from it, and its form.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            tenant: &self.tenant,
            settings: self.config.as_deref(),
            host: host(),
            folder: Some(&self.folder),
            tell: output::note,
            is_quiet: self.is_quiet,
        }
    }
}
