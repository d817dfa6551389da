//! The guided first run: with nothing configured, the whole program against a simulated tenant.

use std::path::Path;

use core_cli::Global;
use core_config::demo;
use core_config::simulated::CLIENT_SECRET;
use core_engine::run::RunOptions;
use core_nexthink::Secret;
use core_simulator::{Simulator, SimulatorConfig, TenantSpec};

use super::run::{conclude, print, tell, whole_run};
use super::simulate::hosts;
use crate::exit::{Exit, Failure};
use crate::{config, output, system};

/// Starts a tenant, runs every step against it, and says what to try next.
pub(super) async fn run(global: &Global) -> Result<Exit, Failure> {
    if !global.quiet {
        output::note(demo::INTRODUCTION);
    }
    let mut simulated = SimulatorConfig::default();
    let paths = config::paths(Path::new(""));
    let earlier_runs = demo::generations(&paths)?;
    simulated.behaviour.tenant = TenantSpec::demo(system::now().0 / 1_000, earlier_runs);
    let simulator = Simulator::start(simulated).await.map_err(anyhow::Error::new)?;
    let config = demo::configuration(hosts(simulator.endpoints()), &paths)?;
    let secret = Secret::new(CLIENT_SECRET.to_owned());
    let ended = whole_run(global, &config, Some(secret), &RunOptions::default()).await;
    simulator.stop().await;
    let ended = ended?;
    print(global, &ended.finished, ended.rules.as_ref().ok());
    tell(&ended);
    if !global.quiet {
        output::note(&demo::next_steps(system::own_command()));
    }
    conclude(ended, None)
}
