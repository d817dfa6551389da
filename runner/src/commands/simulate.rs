//! `simulate`: serves a simulated tenant by itself, and a simulated JupiterOne beside it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use core_config::simulated::{CLIENT_ID, CLIENT_SECRET, SimulatedHosts, TENANT};
use core_simulator::{
    Behaviour, Endpoints, JupiterOne, JupiterOneConfig, Scenario, Simulator, TenantSpec,
};

use super::demo::living_estate;
use super::run::signal;
use crate::cli::{Global, SimulateArguments};
use crate::exit::{Exit, Failure};
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
        output.write(simulator.endpoints(), jupiterone.as_ref(), arguments.force)?;
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
            tenant: TenantSpec {
                devices: 2000,
                users: 1500,
                packages_per_device: 60,
                alerts: 300,
                ..living_estate()
            },
            ..Behaviour::default()
        },
    };
    let tenant = &mut behaviour.tenant;
    tenant.seed = arguments.seed.unwrap_or(tenant.seed);
    tenant.devices = arguments.devices.unwrap_or(tenant.devices);
    tenant.users = arguments.users.unwrap_or(tenant.users);
    let packages = arguments.packages_per_device;
    tenant.packages_per_device = packages.unwrap_or(tenant.packages_per_device);
    tenant.alerts = arguments.alerts.unwrap_or(tenant.alerts);
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

/// The files that `--config-out` writes.
struct ConfigurationFiles {
    configuration: PathBuf,
    secret: PathBuf,
}

impl ConfigurationFiles {
    fn new(configuration: &Path) -> Self {
        let mut secret = configuration.as_os_str().to_owned();
        secret.push(".secret");
        Self { configuration: configuration.to_owned(), secret: secret.into() }
    }

    /// Refuses to replace a file, which may be the configuration of a real tenant or its secret.
    fn check_free(&self, force: bool) -> Result<(), Failure> {
        // A link that leads nowhere is there too.
        let is_there = |path: &&PathBuf| path.symlink_metadata().is_ok();
        match [&self.configuration, &self.secret].into_iter().find(is_there) {
            Some(path) if !force => Err(exists_already(path)),
            _ => Ok(()),
        }
    }

    fn write(
        &self,
        endpoints: &Endpoints,
        jupiterone: Option<&JupiterOne>,
        force: bool,
    ) -> Result<(), Failure> {
        let jupiterone = jupiterone.map(JupiterOne::url);
        let hosts = SimulatedHosts { jupiterone, ..hosts(endpoints) };
        let secret_file = self.secret.file_name().unwrap_or_default().to_string_lossy();
        let text = hosts.whole_configuration("simulated-store", &secret_file);
        write_new_file(&self.secret, CLIENT_SECRET, force)?;
        write_new_file(&self.configuration, &text, force)
    }
}

/// Writes a file that only its owner can read; only with `force` in place of another one.
pub(super) fn write_new_file(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let is_there = path.symlink_metadata().is_ok();
    let written = if force {
        core_files::replace_file(path, text.as_bytes())
    } else {
        core_files::write_new_file(path, text.as_bytes())
    };
    written.map_err(|error| {
        if error.source.kind() == io::ErrorKind::AlreadyExists {
            return exists_already(path);
        }
        if !is_there {
            // Half a file would stand in the way of the next attempt.
            let _ = core_files::remove_file_if_present(path);
        }
        Failure::new(Exit::Configuration, error)
    })
}

/// The refusal to replace a file.
pub(super) fn exists_already(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} exists already: --force replaces it, or choose another file",
        path.display()
    ))
}
