//! `serve`: the explorer in a browser, and Postgres clients.

mod token;
pub(super) mod worker;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use core_cli::{Global, ServeArguments, ServeCommand};
use core_explorer::{Connections, Explorer, Listening, ProxyUsers, Settings, Tls, Tokens};
use core_operations::ServiceManager;
use core_postgres_wire::Clients;
use core_reading::{ExplorerHost, ExplorerSettings, StartWorker};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::opened::Opened;
use crate::exit::{Exit, Failure};
use crate::signals::signal;
use crate::{host, output, system, typed};

/// The time that a query may take if the user sets no limit: a page that waits for longer has been left.
const NO_LIMIT: Duration = Duration::from_hours(24);

/// Does what the command line says.
pub(super) async fn serve(global: &Global, arguments: &ServeArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Some(ServeCommand::Token(command)) => token::dispatch(global, command),
        None => run(global, arguments).await,
    }
}

/// Serves until a signal asks to stop.
async fn run(global: &Global, arguments: &ServeArguments) -> Result<Exit, Failure> {
    let listening = Listening {
        address: arguments.listen,
        has_tls: arguments.tls_cert.is_some(),
        has_proxy: !arguments.proxy_addresses.is_empty(),
        has_user_header: arguments.user_header.is_some(),
        allowed_hosts: &arguments.allowed_hosts,
    };
    listening.check().map_err(Failure::usage)?;
    let tls = Tls::from_options(arguments.tls_cert.as_deref(), arguments.tls_key.as_deref());
    let tls = tls.map_err(|error| Failure::new(Exit::Configuration, error))?;
    let host = Arc::new(explorer_host(global)?);
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| {
        Failure::usage(format!(
            "cannot listen on {}: {error}; --listen names another address",
            arguments.listen
        ))
    })?;
    let address = listener.local_addr().map_err(anyhow::Error::new)?;
    let listening = Listening { address, ..listening };
    let token_file = token::file(global, arguments.tokens.as_deref());
    let tokens = Tokens::new(token_file.read()?);
    let settings = Settings {
        hosts: listening.hosts(),
        port: address.port(),
        is_secure: listening.is_secure(),
        is_local: listening.is_local(),
        tokens: tokens.clone(),
        proxy_users: arguments.user_header.as_ref().map(|header| ProxyUsers {
            header: header.clone(),
            role: typed::role(arguments.user_role),
        }),
        query_timeout: arguments.timeout.limit().unwrap_or(NO_LIMIT),
        parallel_queries: system::processors().max(2),
        web_folder: arguments.web.clone(),
    };
    let worker = start_worker(&["--worker", "--worker-session"]);
    let clients = Clients::new(Arc::<ExplorerHost>::clone(&host), &settings, tls.clone(), worker);
    let clients = clients.listen(arguments.postgres).await.map_err(Failure::usage)?;
    let explorer = Arc::new(Explorer::new(host, settings));
    let token = explorer.issue_first_token().map_err(anyhow::Error::new)?;
    let url = format!("{}/session?token={token}", listening.origin());
    // Listened for before anyone knows the address, so that no signal is lost.
    let stopped = signal();
    announce(global, &url, clients.url().as_deref());
    let mut manager = ServiceManager::from_environment();
    ServiceManager::ready();
    if arguments.open && !system::open_in_browser(&url) {
        output::note("no browser could be started: open the address yourself");
    }
    let (stop, stops) = oneshot::channel::<()>();
    let stopped = async {
        stopped.await;
        ServiceManager::stopping();
        drop(stop);
    };
    let how = Connections { tls, peers: arguments.proxy_addresses.clone() };
    let serving = core_explorer::serve(listener, how, explorer.router(), stopped);
    let clients = clients.serve(async { drop(stops.await) });
    let status = format!("the explorer answers at {address}");
    tokio::select! {
        _ = async { tokio::join!(serving, clients) } => {}
        () = manager.keep_alive(&status) => {}
        never = token_file.follow(&tokens, output::note) => match never {},
    }
    Ok(Exit::Complete)
}

/// The host of the configured store, or of the demo's where nothing is configured.
pub(super) fn explorer_host(global: &Global) -> Result<ExplorerHost, Failure> {
    let opened = Opened::new(global)?;
    Ok(ExplorerHost::new(ExplorerSettings {
        settings: opened.config.map(|config| config.settings),
        store: opened.store,
        first: opened.tenant.name().to_owned(),
        folder: Some(opened.folder),
        host: host::host().clone(),
        tell: output::note,
        start_worker: start_worker(&["--worker"]),
    }))
}

/// Starts this program again with these options too.
fn start_worker(flags: &'static [&str]) -> StartWorker {
    Box::new(|| {
        let mut command = system::this_command(flags)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
    })
}

/// Prints the addresses, as results, so that a script can read them.
fn announce(global: &Global, url: &str, clients: Option<&str>) {
    let explorer = "The explorer is at the address below, which can be used once. Ctrl-C stops it.";
    let postgres = "Postgres clients connect to the address below, with a token as the password.";
    for (note, url) in [(explorer, Some(url)), (postgres, clients)] {
        let Some(url) = url else { continue };
        if !global.quiet {
            output::note(note);
        }
        output::result(url);
    }
}
