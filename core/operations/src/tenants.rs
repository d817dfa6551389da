//! The tenants of `schedule`: those of a fleet, or the only one of a file.

use std::collections::{BTreeMap, BTreeSet};

use core_config::{Config, Environment, Source};
use core_engine::{Engine, Failure, FailureKind, Host};
use core_fleet::{LastRun, Shard, Timetable};

use crate::health;

/// All tenants, by the present content of their files.
pub(crate) struct Tenants {
    source: Source,
    environment: Environment,
    host: Host,
    /// The timetable of the command line, which replaces those of the files.
    interval: Option<Timetable>,
    /// The share of a fleet's tenants that this process schedules; None for all.
    shard: Option<Shard>,
    is_fleet: bool,
    parallel_runs: usize,
    /// The tenants whose file can be used.
    configs: BTreeMap<String, Config>,
    /// The problems of the other files.
    problems: BTreeMap<String, String>,
}

/// The result of reading the files again.
#[derive(Default)]
pub(crate) struct Read {
    /// The tenants whose file can be used, with the last run of those that are new.
    pub(crate) valid: Vec<(String, Option<LastRun>)>,
    /// The tenants whose file cannot be used.
    pub(crate) broken: Vec<Broken>,
    /// The tenants whose file was removed.
    pub(crate) removed: Vec<String>,
}

/// A tenant whose file cannot be used.
pub(crate) struct Broken {
    /// Its name.
    pub(crate) name: String,
    /// The mistake in its file.
    pub(crate) problem: String,
    /// True if the file did not have this mistake before.
    pub(crate) is_new: bool,
    kind: FailureKind,
}

impl Read {
    /// Returns the failure of the first file that cannot be used.
    pub(crate) fn first_failure(&self) -> Option<Failure> {
        let broken = self.broken.first()?;
        let error = anyhow::Error::msg(broken.problem.clone());
        Some(Failure { kind: broken.kind, error })
    }
}

impl Tenants {
    /// Creates the tenants of a source, none of which is read yet. `interval` replaces the timetables of their files.
    /// Of a fleet, only the tenants of `shard` are read.
    pub(crate) fn new(
        source: Source,
        environment: Environment,
        host: Host,
        interval: Option<Timetable>,
        shard: Option<Shard>,
    ) -> Self {
        let (configs, problems) = (BTreeMap::new(), BTreeMap::new());
        let (is_fleet, parallel_runs) = (false, 1);
        Self {
            source,
            environment,
            host,
            interval,
            shard,
            is_fleet,
            parallel_runs,
            configs,
            problems,
        }
    }

    /// Reads all files again.
    ///
    /// # Errors
    ///
    /// The file of the fleet or the folder of its tenants cannot be used; then nothing changes.
    pub(crate) fn read(&mut self) -> Result<Read, Failure> {
        let loaded = self.load()?;
        let removed = self.names().filter(|name| !loaded.contains_key(*name));
        let mut read = Read { removed: removed.cloned().collect(), ..Read::default() };
        let (mut configs, mut problems) = (BTreeMap::new(), BTreeMap::new());
        for (name, loaded) in loaded {
            let is_new = !self.configs.contains_key(&name);
            let usable = loaded.and_then(|config| {
                let last = if is_new { self.last_run(&config)? } else { None };
                Ok((self.with_interval(config), last))
            });
            match usable {
                Ok((config, last)) => {
                    configs.insert(name.clone(), config);
                    read.valid.push((name, last));
                }
                Err(failure) => {
                    let problem = format!("{:#}", failure.error);
                    let is_new = self.problems.get(&name) != Some(&problem);
                    problems.insert(name.clone(), problem.clone());
                    read.broken.push(Broken { name, problem, is_new, kind: failure.kind });
                }
            }
        }
        (self.configs, self.problems) = (configs, problems);
        Ok(read)
    }

    fn load(&mut self) -> Result<BTreeMap<String, Result<Config, Failure>>, Failure> {
        let fleet = match self.source.fleet(self.environment) {
            // A chosen tenant is the only one.
            Ok(Some(fleet)) if matches!(self.source, Source::File(_)) => Some(fleet),
            Ok(_) => None,
            // The only tenant is known by its name, so the mistake is reported as the tenant's.
            Err(_) if !self.is_fleet && !self.configs.is_empty() => None,
            Err(failure) => return Err(failure),
        };
        if let Some(fleet) = fleet {
            (self.is_fleet, self.parallel_runs) = (true, fleet.parallel_runs);
            let mut all = fleet.load_all()?;
            all.retain(|name, _| self.shard.is_none_or(|shard| shard.has(name)));
            return Ok(all);
        }
        let loaded = Config::load(&self.source, self.environment);
        let name = if let Ok(config) = &loaded {
            config.tenant.as_str().to_owned()
        } else {
            let known = self.configs.keys().chain(self.problems.keys()).next();
            known.cloned().unwrap_or_else(|| self.source.name())
        };
        Ok(BTreeMap::from([(name, loaded)]))
    }

    fn last_run(&self, config: &Config) -> Result<Option<LastRun>, Failure> {
        health::last_run(&Engine { settings: config, host: &self.host }.tenant()?)
    }

    fn with_interval(&self, mut config: Config) -> Config {
        if let Some(interval) = &self.interval {
            config.schedule.timetable = interval.clone();
        }
        config
    }

    /// Returns true if there may be several tenants.
    pub(crate) fn is_fleet(&self) -> bool {
        self.is_fleet
    }

    /// Returns the limit of parallel runs.
    pub(crate) fn parallel_runs(&self) -> usize {
        self.parallel_runs
    }

    /// Returns the number of files that cannot be used.
    pub(crate) fn broken(&self) -> usize {
        self.problems.len()
    }

    /// Returns the configuration of a tenant, if its file can be used.
    pub(crate) fn config(&self, name: &str) -> Option<&Config> {
        self.configs.get(name)
    }

    /// Returns the names of all tenants, including those whose file cannot be used.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        let names: BTreeSet<&String> = self.configs.keys().chain(self.problems.keys()).collect();
        names.into_iter()
    }

    /// Returns the configurations of the tenants whose file can be used.
    pub(crate) fn configs(&self) -> impl Iterator<Item = &Config> {
        self.configs.values()
    }
}
