//! `serve`: the explorer in a browser.

pub(super) mod host;
mod session;
mod tls;
mod tokens;
pub(super) mod worker;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use core_explorer::{Connections, Explorer, ProxyUsers, Settings};
use tokio::net::TcpListener;

use self::host::ProgramHost;
use super::run::signal;
use crate::cli::{Global, ServeArguments, ServeCommand, TokenCommand};
use crate::exit::{Exit, Failure};
use crate::{output, system};

/// The time that a query may take if the user sets no limit: a page that waits for longer has been left.
const NO_LIMIT: Duration = Duration::from_hours(24);

/// Does what the command line says.
pub(super) async fn serve(global: &Global, arguments: &ServeArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Some(ServeCommand::Token(TokenCommand::New { name, role, tokens })) => {
            tokens::create(global, name, (*role).into(), tokens.as_deref())
        }
        None => run(global, arguments).await,
    }
}

/// Serves until a signal asks to stop.
async fn run(global: &Global, arguments: &ServeArguments) -> Result<Exit, Failure> {
    check_listening(arguments)?;
    let how = Connections { tls: tls::read(arguments)?, peers: arguments.proxy_addresses.clone() };
    let host = ProgramHost::new(global)?;
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| {
        Failure::usage(format!(
            "cannot listen on {}: {error}; --listen names another address",
            arguments.listen
        ))
    })?;
    let address = listener.local_addr().map_err(anyhow::Error::new)?;
    // A proxy on another machine adds TLS.
    let is_secure = how.tls.is_some() || !address.ip().is_loopback();
    let settings = Settings {
        hosts: hosts(address, &arguments.allowed_hosts),
        port: address.port(),
        is_secure,
        tokens: tokens::read(global, arguments.tokens.as_deref())?,
        proxy_users: arguments
            .user_header
            .as_ref()
            .map(|header| ProxyUsers { header: header.clone(), role: arguments.user_role.into() }),
        query_timeout: arguments.timeout.limit().unwrap_or(NO_LIMIT),
        parallel_queries: system::processors().max(2),
        web_folder: arguments.web.clone(),
    };
    let explorer = Arc::new(Explorer::new(Arc::new(host), settings));
    let token = explorer.issue_first_token().map_err(anyhow::Error::new)?;
    let url = format!("{}/session?token={token}", origin(address, how.tls.is_some(), arguments));
    // Listened for before anyone knows the address, so that no signal is lost.
    let stopped = signal();
    announce(global, &url);
    if arguments.open && !system::open_in_browser(&url) {
        output::note("no browser could be started: open the address yourself");
    }
    let stopped = async {
        stopped.await;
    };
    core_explorer::serve(listener, how, explorer.router(), stopped).await;
    Ok(Exit::Complete)
}

/// Refuses to let others reach the explorer in a way in which they could read along, or give themselves any name.
fn check_listening(arguments: &ServeArguments) -> Result<(), Failure> {
    let ServeArguments { listen, allowed_hosts, proxy_addresses, user_header, .. } = arguments;
    if listen.ip().is_loopback() {
        return Ok(());
    }
    if arguments.tls_cert.is_none() && proxy_addresses.is_empty() {
        return Err(Failure::usage(format!(
            "{listen} can be reached from other machines: give --tls-cert and --tls-key, or --proxy-address with the \
             reverse proxy that adds TLS, or listen on a loopback address such as 127.0.0.1:8490"
        )));
    }
    if user_header.is_some() && proxy_addresses.is_empty() {
        return Err(Failure::usage(format!(
            "whoever reaches {listen} could set the header of --user-header: name the reverse proxy with --proxy-address"
        )));
    }
    if allowed_hosts.is_empty() {
        return Err(Failure::usage(format!(
            "browsers reach {listen} under a name: give it with --allow-host, such as --allow-host graph.acme.example"
        )));
    }
    Ok(())
}

/// What the printed address begins with.
fn origin(address: SocketAddr, is_secure: bool, arguments: &ServeArguments) -> String {
    let scheme = if is_secure { "https" } else { "http" };
    let port = address.port();
    let named = arguments.allowed_hosts.first().filter(|_| !address.ip().is_loopback());
    match (named, address.ip()) {
        // A proxy has a port and a scheme of its own.
        (Some(name), _) if !arguments.proxy_addresses.is_empty() => format!("https://{name}"),
        (Some(name), _) if name.contains(':') => format!("{scheme}://{name}"),
        (Some(name), _) => format!("{scheme}://{name}:{port}"),
        (None, IpAddr::V6(_)) => format!("{scheme}://[::1]:{port}"),
        (None, IpAddr::V4(_)) => format!("{scheme}://127.0.0.1:{port}"),
    }
}

/// Prints the address, as a result, so that a script can read it.
fn announce(global: &Global, url: &str) {
    if !global.quiet {
        output::note(
            "The explorer is at the address below, which can be used once. Ctrl-C stops it.",
        );
    }
    output::result(url);
}

/// The names under which an address on this machine is reached, and those that the user allows.
fn hosts(address: SocketAddr, allowed: &[String]) -> Vec<String> {
    let port = address.port();
    let names = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned);
    let own = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let names = names.into_iter().chain([own]);
    let names = names.map(|name| format!("{name}:{port}"));
    // A browser leaves out the port of its scheme, and names every other.
    let allowed = allowed.iter().map(|name| name.to_ascii_lowercase());
    let allowed = allowed.flat_map(|name| {
        let with_port = (!name.contains(':')).then(|| format!("{name}:{port}"));
        [Some(name), with_port]
    });
    names.chain(allowed.flatten()).collect()
}
