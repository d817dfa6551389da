//! The last run of a tenant that counts for its timetable, as the store knows it.
//!
//! That is the run of the published generation, or the last one before it that was not of named steps alone. A tenant
//! that reads only the audit trail publishes no generation: its last run is the newest one in the ledger that succeeded.

use core_config::Config;
use core_engine::ledger::runs::{self, RunRecord};
use core_engine::run as engine_run;
use core_engine::{Engine, Failure, Host};
use core_fleet::{Ended, LastRun};
use core_store::TenantStore;
use jiff::Timestamp;

use crate::exit_codes::ExitCodes;
use crate::health;

/// The last run that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Succeeded {
    /// The ID of its generation, or its start as the ledger has it.
    pub(crate) id: String,
    /// Its start; None if its generation has no valid time.
    pub(crate) started: Option<Timestamp>,
}

impl Succeeded {
    /// Returns the last run of a tenant; None if no run has succeeded.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(crate) fn read(
        config: &Config,
        host: &Host,
        tenant: &TenantStore,
        codes: ExitCodes,
    ) -> Result<Option<Self>, Failure> {
        if reads_only_events(config, host) {
            return Ok(Self::newest(&runs::of_tenant(tenant)?, codes));
        }
        let published = runs::newest_of_whole_run(tenant)?;
        Ok(published.map(|manifest| Self {
            id: manifest.id.to_string(),
            started: health::started(&manifest),
        }))
    }

    /// Returns the newest of these runs that succeeded.
    fn newest(runs: &[RunRecord], codes: ExitCodes) -> Option<Self> {
        let has_published = |run: &&RunRecord| {
            run.exit_code.is_some_and(|code| (codes.outcome)(code).has_published())
        };
        runs.iter().rev().find(has_published).map(|run| {
            let started = i64::try_from(run.started_ms).ok();
            let started = started.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            Self { id: run.started_at.clone(), started }
        })
    }

    /// The run as the scheduler sees it.
    pub(crate) fn last_run(&self) -> Option<LastRun> {
        let ended = |started| Some((started, Ended::Published));
        self.started.map(|started| LastRun { started, ended: ended(started) })
    }
}

/// Returns true if the runs of a tenant read the audit trail and nothing else.
fn reads_only_events(config: &Config, host: &Host) -> bool {
    let plan = engine_run::plan(Engine { settings: config, host }, &[]);
    plan.is_ok_and(|plan| {
        let mut running = plan.steps().iter().filter(|planned| planned.runs()).peekable();
        running.peek().is_some() && running.all(|planned| planned.step.makes_events())
    })
}

#[cfg(test)]
mod tests {
    use core_engine::ledger::{self, Event};

    use super::*;
    use crate::testing::{CODES, World};

    const AUDIT: &str = "[audit]\naccount = \"reader\"\npassword = { env = \"PASSWORD\" }\n";

    /// A tenant with these tables besides its names and its timetable.
    fn tenant(world: &World, tables: &str) -> (Config, TenantStore) {
        let text = format!(
            "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\nclient_id = \"0a1b\"\n\
             client_secret = {{ env = \"SECRET\" }}\n[schedule]\ninterval = \"12 hours\"\n{tables}"
        );
        world.write("tenants.d/acme.toml", &text);
        let config = world.config("acme");
        let tenant = Engine { settings: &config, host: &world.host }.tenant();
        (config, tenant.map_err(|failure| failure.error).expect("the store is there"))
    }

    fn last(world: &World, (config, store): &(Config, TenantStore)) -> Option<Succeeded> {
        let last = Succeeded::read(config, &world.host, store, CODES);
        last.map_err(|failure| failure.error).expect("the store can be read")
    }

    /// Records a run of an hour that ends with a code, and returns its start.
    fn run(world: &World, (_, store): &(Config, TenantStore), exit_code: u8) -> Timestamp {
        let record = |event: Event<'_>| {
            ledger::record(&world.host, store, &event).expect("there is room");
        };
        let started = world.host.now().to_timestamp();
        record(Event::RunStarted { steps: &[] });
        world.pass_hours(1);
        record(Event::RunEnded { run: None, generation: None, exports: 0, exit_code });
        started
    }

    #[test]
    fn the_last_run_of_a_tenant_with_an_audit_trail_alone_is_the_newest_that_succeeded() {
        let world = World::fleet(&[]);
        let tenant = tenant(&world, AUDIT);
        assert_eq!(last(&world, &tenant), None);
        run(&world, &tenant, 4);
        assert_eq!(last(&world, &tenant), None, "it has failed");
        let complete = run(&world, &tenant, 0);
        let first = last(&world, &tenant).expect("it has succeeded");
        assert_eq!(first.started, Some(complete));
        assert_eq!(first.last_run().map(|run| run.started), Some(complete));
        run(&world, &tenant, 3);
        assert_eq!(last(&world, &tenant), Some(first.clone()), "the failed one does not count");
        let partial = run(&world, &tenant, 7);
        let second = last(&world, &tenant).expect("it has succeeded");
        assert_eq!(second.started, Some(partial));
        assert_ne!(second.id, first.id);
    }

    #[test]
    fn a_tenant_with_queries_has_run_only_if_a_generation_is_published() {
        let world = World::fleet(&[]);
        let tenant = tenant(&world, &format!("[queries]\ndevices = \"#devices\"\n{AUDIT}"));
        // Such as `run --step fetch-audit`.
        run(&world, &tenant, 0);
        assert_eq!(last(&world, &tenant), None);
    }
}
