//! The tenants of `schedule`: those of a fleet, or the only one of a file.

use std::collections::{BTreeMap, BTreeSet};

use core_config::{Config, Environment, Source};
use core_engine::{Engine, Failure, FailureKind, Host};
use core_fleet::{LastRun, Shard, Timetable};

use crate::exit_codes::ExitCodes;
use crate::last_run::Succeeded;

/// All tenants, by the present content of their files.
pub(crate) struct Tenants {
    source: Source,
    environment: Environment,
    host: Host,
    codes: ExitCodes,
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
        codes: ExitCodes,
        interval: Option<Timetable>,
        shard: Option<Shard>,
    ) -> Self {
        let (configs, problems) = (BTreeMap::new(), BTreeMap::new());
        let (is_fleet, parallel_runs) = (false, 1);
        Self {
            source,
            environment,
            host,
            codes,
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
            Err(_) if !self.is_fleet && self.names().next().is_some() => None,
            Err(failure) => return Err(failure),
        };
        if let Some(fleet) = fleet {
            (self.is_fleet, self.parallel_runs) = (true, fleet.parallel_runs);
            let mut all = fleet.load_all()?;
            all.retain(|name, _| self.shard.is_none_or(|shard| shard.has(name)));
            return Ok(all);
        }
        let mut loaded = Config::load(&self.source, self.environment);
        if self.is_fleet && matches!(self.source, Source::File(_)) {
            // With a mistake in its syntax, the file of a fleet looks like that of one tenant.
            loaded = Ok(loaded?);
            (self.is_fleet, self.parallel_runs) = (false, 1);
        }
        let name = if let Ok(config) = &loaded {
            config.tenant.as_str().to_owned()
        } else {
            let known = self.configs.keys().chain(self.problems.keys()).next();
            known.cloned().unwrap_or_else(|| self.source.name())
        };
        Ok(BTreeMap::from([(name, loaded)]))
    }

    fn last_run(&self, config: &Config) -> Result<Option<LastRun>, Failure> {
        let tenant = Engine { settings: config, host: &self.host }.tenant()?;
        let last = Succeeded::read(config, &self.host, &tenant, self.codes)?;
        Ok(last.and_then(|last| last.last_run()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CODES, ENVIRONMENT, World};

    fn tenants(world: &World, interval: Option<Timetable>, shard: Option<Shard>) -> Tenants {
        Tenants::new(world.source(), ENVIRONMENT, world.host.clone(), CODES, interval, shard)
    }

    fn read(tenants: &mut Tenants) -> Read {
        tenants.read().unwrap_or_else(|failure| panic!("{:#}", failure.error))
    }

    /// The names of the tenants that can be used, and of those that cannot.
    fn names(read: &Read) -> (Vec<&str>, Vec<&str>) {
        let valid = read.valid.iter().map(|(name, _)| name.as_str());
        (valid.collect(), read.broken.iter().map(|broken| broken.name.as_str()).collect())
    }

    /// A configuration of one tenant and no fleet.
    fn alone(world: &World, more: &str) -> Tenants {
        let text = format!(
            "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\nclient_id = \"0a1b\"\n\
             client_secret = {{ env = \"SECRET\" }}\n[queries]\ndevices = \"#devices\"\n{more}"
        );
        world.write("alone.toml", &text);
        let source = Source::File(world.path("alone.toml"));
        Tenants::new(source, ENVIRONMENT, world.host.clone(), CODES, None, None)
    }

    #[test]
    fn a_mistake_in_one_file_concerns_its_tenant_and_is_new_only_until_it_was_told() {
        let world = World::fleet(&["acme", "zeta"]);
        let mut tenants = tenants(&world, None, None);
        assert_eq!(names(&read(&mut tenants)), (vec!["acme", "zeta"], vec![]));
        assert!(tenants.is_fleet());
        world.write_tenant("zeta", "[schedule]\nintervall = \"6 hours\"\n");
        let broken = read(&mut tenants);
        assert_eq!(names(&broken), (vec!["acme"], vec!["zeta"]));
        assert!(broken.broken[0].is_new && broken.first_failure().is_some());
        assert_eq!((tenants.broken(), tenants.config("zeta").is_none()), (1, true));
        assert_eq!(tenants.names().collect::<Vec<_>>(), ["acme", "zeta"], "it is known still");
        assert!(!read(&mut tenants).broken[0].is_new);
        world.write_tenant("zeta", "[schedule]\ninterval = \"never\"\n");
        assert!(read(&mut tenants).broken[0].is_new, "another mistake");
        world.write_tenant("zeta", "");
        assert_eq!(names(&read(&mut tenants)), (vec!["acme", "zeta"], vec![]));
        assert_eq!(tenants.broken(), 0);
    }

    #[test]
    fn a_tenant_without_a_file_is_removed_once_whether_its_file_was_right_or_not() {
        let world = World::fleet(&["acme", "broken", "zeta"]);
        world.write("tenants.d/broken.toml", "[nexthink]\n");
        let mut tenants = tenants(&world, None, None);
        assert_eq!(names(&read(&mut tenants)), (vec!["acme", "zeta"], vec!["broken"]));
        world.remove_tenant("broken");
        world.remove_tenant("zeta");
        assert_eq!(read(&mut tenants).removed, ["broken", "zeta"]);
        assert_eq!(read(&mut tenants).removed, [""; 0]);
    }

    #[test]
    fn shards_have_each_tenant_once() {
        let all = ["acme", "beta", "gamma", "delta", "epsilon", "zeta"];
        let world = World::fleet(&all);
        let mut found: Vec<String> = Vec::new();
        for shard in ["1/3", "2/3", "3/3"] {
            let mut tenants = tenants(&world, None, shard.parse().ok());
            found.extend(read(&mut tenants).valid.into_iter().map(|(name, _)| name));
        }
        found.sort_unstable();
        let mut expected = all;
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_timetable_of_the_command_line_replaces_those_of_the_files() {
        let world = World::fleet(&["acme"]);
        let every = |tenants: &Tenants| {
            tenants.config("acme").map(|config| config.schedule.timetable.clone())
        };
        let mut own = tenants(&world, None, None);
        read(&mut own);
        assert_eq!(every(&own), Timetable::parse_interval("12 hours").ok());
        let hour = Timetable::parse_interval("1 hour").expect("an interval");
        let mut other = tenants(&world, Some(hour.clone()), None);
        read(&mut other);
        assert_eq!(every(&other), Some(hour));
    }

    #[test]
    fn one_tenant_is_no_fleet_and_keeps_its_name_while_its_file_has_a_mistake() {
        let world = World::fleet(&[]);
        let mut tenants = alone(&world, "");
        assert_eq!(names(&read(&mut tenants)), (vec!["acme"], vec![]));
        assert!(!tenants.is_fleet());
        assert_eq!(tenants.parallel_runs(), 1);
        world.write("alone.toml", "[nexthink\n");
        for is_new in [true, false] {
            let broken = read(&mut tenants);
            assert_eq!(names(&broken), (vec![], vec!["acme"]));
            assert_eq!(broken.broken[0].is_new, is_new, "the mistake stays that of the tenant");
        }
        // Before any tenant is known, the file itself is named.
        let mut unknown = alone(&world, "[nothing]\n");
        let broken = read(&mut unknown);
        assert_eq!((broken.broken.len(), broken.valid.len()), (1, 0));
        assert!(broken.broken[0].name.contains("alone.toml"), "{}", broken.broken[0].name);
    }

    #[test]
    fn a_fleet_whose_file_cannot_be_read_as_toml_is_an_error_and_everything_stays() {
        let world = World::fleet(&["acme", "zeta"]);
        let mut tenants = tenants(&world, None, None);
        read(&mut tenants);
        for text in ["[fleet\n", "", "[fleet]\ntenants = \"tenants.d\n"] {
            world.write("fleet.toml", text);
            let failure = tenants.read().err().expect("the file has a mistake");
            assert!(format!("{:#}", failure.error).contains("fleet.toml"), "{text}");
            assert_eq!(tenants.names().collect::<Vec<_>>(), ["acme", "zeta"], "{text}");
            assert!(tenants.is_fleet() && tenants.parallel_runs() == 2, "{text}");
        }
        // It may become the file of one tenant.
        world.write_tenant("acme", "");
        let text = std::fs::read_to_string(world.path("tenants.d/acme.toml")).expect("it is ours");
        world.write("fleet.toml", &text);
        assert_eq!(read(&mut tenants).removed, ["zeta"]);
        assert!(!tenants.is_fleet());
    }

    #[test]
    fn a_fleet_whose_folder_is_gone_is_an_error_and_everything_stays() {
        let world = World::fleet(&["acme"]);
        let mut tenants = tenants(&world, None, None);
        read(&mut tenants);
        std::fs::remove_dir_all(world.path("tenants.d")).expect("it is ours");
        assert!(tenants.read().is_err());
        assert!(tenants.config("acme").is_some());
    }
}
