//! `simulate`: serves a simulated tenant by itself, and a simulated JupiterOne beside it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use core_cli::{Global, SimulateArguments};
use core_config::simulated::{
    CLIENT_ID, CLIENT_SECRET, ConfigurationFiles, SimulatedHosts, TENANT,
};
use core_simulator::{
    Behaviour, Endpoints, JupiterOne, JupiterOneConfig, Scenario, Simulator, TenantChoices,
    TenantSpec,
};

use crate::exit::{Exit, Failure};
use crate::signals::signal;
use crate::{output, system};

/// Serves until a signal asks to stop.
pub(super) async fn simulate(
    global: &Global,
    arguments: SimulateArguments,
) -> Result<Exit, Failure> {
    let addresses = [arguments.listen].into_iter().chain(arguments.jupiterone);
    if let Some(address) = addresses.into_iter().find(|address| !address.ip().is_loopback()) {
        return Err(Failure::usage(format!(
            "a simulated host must listen on a loopback address, such as 127.0.0.1:8480, not on {address}"
        )));
    }
    let output = arguments.config_out.as_deref().map(ConfigurationFiles::new);
    if let Some(output) = &output {
        output.check_free(arguments.force)?;
    }
    let simulator = Simulator::start_at(arguments.listen, behaviour(&arguments)?).await;
    let simulator = simulator.map_err(|error| cannot_listen(arguments.listen, &error))?;
    let jupiterone = match arguments.jupiterone {
        Some(address) => Some(start_jupiterone(address).await?),
        None => None,
    };
    if let Some(output) = &output {
        let jupiterone = jupiterone.as_ref().map(JupiterOne::url);
        let hosts = SimulatedHosts { jupiterone, ..hosts(simulator.endpoints()) };
        output.write(hosts, arguments.force)?;
    }
    if !global.quiet {
        note(simulator.endpoints(), jupiterone.as_ref(), arguments.config_out.as_deref());
    }
    let stopped = async {
        signal().await;
    };
    simulator.serve_until(stopped).await;
    Ok(Exit::Complete)
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Failure {
    Failure::usage(format!(
        "cannot listen on {address}: {error}; --listen names another address or port"
    ))
}

async fn start_jupiterone(address: SocketAddr) -> Result<JupiterOne, Failure> {
    let config = JupiterOneConfig {
        address,
        account: TENANT.to_owned(),
        api_key: CLIENT_SECRET.to_owned(),
        ..JupiterOneConfig::default()
    };
    JupiterOne::start(config).await.map_err(|error| cannot_listen(address, &error))
}

/// Tells where everything is, and what to do with it.
fn note(endpoints: &Endpoints, jupiterone: Option<&JupiterOne>, configuration: Option<&Path>) {
    output::note(&format!(
        "simulated tenant: login and API at {}, files at {}\nclient ID {CLIENT_ID}, secret \
         {CLIENT_SECRET}; Ctrl-C stops it",
        endpoints.api, endpoints.files
    ));
    if let Some(jupiterone) = jupiterone {
        output::note(&format!(
            "simulated JupiterOne at {}: account {TENANT}, API key {CLIENT_SECRET}; it forgets everything \
             when it is stopped",
            jupiterone.url()
        ));
    }
    let Some(path) = configuration else { return };
    let (program, path) = (system::own_command(), path.display());
    output::note(&format!("now run: {program} run --config {path}"));
    if jupiterone.is_some() {
        output::note(&format!("then: {program} sync jupiterone --dry-run --config {path}"));
    }
}

/// The scenario's behaviour, else that of a healthy tenant of a company; flags say how large it is.
fn behaviour(arguments: &SimulateArguments) -> Result<Behaviour, Failure> {
    let mut behaviour = match &arguments.scenario {
        Some(path) => read_scenario(path)?,
        None => Behaviour {
            tenant: TenantSpec::company(system::now().0 / 1_000),
            ..Behaviour::default()
        },
    };
    let SimulateArguments { seed, devices, users, packages_per_device, alerts, .. } = *arguments;
    let choices = TenantChoices { seed, devices, users, packages_per_device, alerts };
    choices.apply(&mut behaviour.tenant);
    Ok(behaviour)
}

fn read_scenario(path: &Path) -> Result<Behaviour, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path);
    let text =
        text.map_err(|error| Failure::usage(format!("cannot read the scenario {shown}: {error}")))?;
    Scenario::parse(&text).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("the scenario {shown} is not valid"));
        Failure::new(Exit::Configuration, error)
    })
}

/// The addresses of a simulated tenant.
pub(super) fn hosts(endpoints: &Endpoints) -> SimulatedHosts<'_> {
    let Endpoints { login, api, files } = endpoints;
    SimulatedHosts { login, api, files, jupiterone: None }
}
