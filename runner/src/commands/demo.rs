//! The guided first run: with nothing configured, the whole program against a simulated tenant.

use std::collections::BTreeMap;
use std::path::Path;

use core_config::simulated::CLIENT_SECRET;
pub(crate) use core_config::simulated::TENANT;
use core_engine::Cancellation;
use core_engine::run::{self, RunOptions};
use core_nexthink::Secret;
use core_simulator::{Endpoints, Simulator, SimulatorConfig, TenantSpec};

use super::run::{RULES, RUN, after_rules, evaluate, interruptible, print, tell_shortfall};
use super::simulate::hosts;
use crate::cli::Global;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::progress::Progress;
use crate::{output, system};

/// The folder of the demo's store, in the current folder.
pub(crate) const STORE: &str = "nexthink-graph-demo";

/// Seconds.
const DAY: u64 = 86_400;

/// Starts a tenant, runs every step against it, and says what to try next.
pub(super) async fn run(global: &Global) -> Result<Exit, Failure> {
    if !global.quiet {
        output::note(
            "Nothing is configured, so this is a demo: it starts a simulated Nexthink tenant on \
             this machine, fetches everything from it over HTTP, and publishes a graph.\n",
        );
    }
    let spec = TenantSpec {
        seed: 1,
        devices: 500,
        users: 400,
        packages_per_device: 40,
        alerts: 120,
        ..living_estate()
    };
    let mut simulated = SimulatorConfig::default();
    simulated.behaviour.tenant = spec;
    let simulator = Simulator::start(simulated).await.map_err(anyhow::Error::new)?;
    let config = demo_config(simulator.endpoints())?;
    let progress = Progress::new(global.quiet);
    let (options, stop) = (RunOptions::default(), Cancellation::default());
    let secret = Secret::new(CLIENT_SECRET.to_owned());
    let observer = progress.observer();
    let running = run::run(engine(&config), Some(secret), &options, &observer, &stop);
    let finished = interruptible(running, &stop, RUN).await;
    progress.finish();
    simulator.stop().await;
    let finished = finished?;
    let evaluated = interruptible(evaluate(global, &config), &stop, RULES).await;
    print(global, &finished, evaluated.as_ref().ok());
    tell_shortfall(&finished);
    if !global.quiet {
        output::note(&next(system::own_command()));
    }
    after_rules(finished.ending.into(), evaluated, None)
}

/// An estate whose objects were last seen in the month before today, but for one in 25 that has been silent for
/// longer, so that questions about silent, new and noisy things have answers. It stays the same until the next day.
pub(super) fn living_estate() -> TenantSpec {
    let seconds = system::now().0 / 1_000;
    TenantSpec { now: seconds - seconds % DAY, silent_once_in: 25, ..TenantSpec::default() }
}

/// Returns the configuration of the demo's store. The simulated tenant itself is gone.
pub(super) fn stored() -> Result<Config, Failure> {
    let gone = || "http://127.0.0.1:9".to_owned();
    let endpoints = Endpoints { login: gone(), api: gone(), files: gone() };
    demo_config(&endpoints)
}

fn demo_config(endpoints: &Endpoints) -> Result<Config, Failure> {
    let text = hosts(endpoints).configuration(STORE, "{ env = \"UNUSED\" }");
    let config = Config::parse(&text, &BTreeMap::new(), &config::paths(Path::new("")));
    let wrong = |problems| anyhow::anyhow!("the demo's configuration is wrong: {problems:?}");
    config.map_err(|problems| wrong(problems).into())
}

/// Commands to try next, the explorer first, and the way to a tenant of one's own.
fn next(program: &str) -> String {
    format!(
        "
The graph is in the folder {STORE}. Open it in the browser:

  {program} serve --open

or ask it:

  {program} query \"{QUESTION}\"
  {program} plan

For your own tenant: `{program} init`."
    )
}

/// Which devices have the most packages.
const QUESTION: &str = "select d.name, count(*) n from nexthink_device d join \
    nexthink_device_installed_package r on r._fromEntityKey = d._key group by 1 order by n desc \
    limit 5";
