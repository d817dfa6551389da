//! The guided first run: with nothing configured, the whole program against a simulated tenant.

use std::collections::BTreeMap;
use std::path::Path;

use core_nexthink::Secret;
use core_simulator::{Simulator, SimulatorConfig, TenantSpec};

use super::run::{interruptible, print};
use super::simulate::{CLIENT_SECRET, configuration};
use crate::cli::Global;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::progress::Progress;
use crate::run::{self, RunOptions, Stop};

/// The folder of the demo's store, in the current folder.
pub(crate) const STORE: &str = "nexthink-graph-demo";

/// The tenant that is simulated.
pub(crate) const TENANT: &str = "demo";

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
        ..TenantSpec::default()
    };
    let mut simulated = SimulatorConfig::default();
    simulated.behaviour.tenant = spec;
    let simulator = Simulator::start(simulated).await.map_err(anyhow::Error::new)?;
    let text = configuration(simulator.endpoints(), STORE, "{ env = \"UNUSED\" }");
    let config = Config::parse(&text, &BTreeMap::new(), Path::new(""))
        .map_err(|problems| anyhow::anyhow!("the demo's configuration is wrong: {problems:?}"))?;
    let progress = Progress::new(global.quiet);
    let (options, stop) = (RunOptions::default(), Stop::default());
    let secret = Secret::new(CLIENT_SECRET.to_owned());
    let running = run::run(&config, secret, &options, &progress, &stop);
    let published = interruptible(running, &stop).await;
    progress.finish();
    simulator.stop().await;
    let published = published?;
    print(global, &published);
    if !global.quiet {
        output::note(NEXT);
    }
    Ok(published.exit)
}

const NEXT: &str = "
The graph is in the folder nexthink-graph-demo. Try next:

  cargo run -p runner -- query --tables
  cargo run -p runner -- query \"select d.name, count(*) n from nexthink_device d join nexthink_device_installed_package r on r._fromEntityKey = d._key group by 1 order by n desc limit 5\"
  cargo run -p runner -- plan

For your own tenant: `cargo run -p runner -- init`.";
