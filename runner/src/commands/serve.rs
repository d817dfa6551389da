//! `serve`: the explorer in a browser.

mod host;
mod session;
mod tokens;
pub(super) mod worker;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use core_explorer::{Explorer, ProxyUsers, Settings};
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
    if !arguments.listen.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "the explorer must listen on a loopback address, such as 127.0.0.1:8490, not on {}",
            arguments.listen
        )));
    }
    let host = ProgramHost::new(global)?;
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| {
        Failure::usage(format!(
            "cannot listen on {}: {error}; --listen names another address",
            arguments.listen
        ))
    })?;
    let address = listener.local_addr().map_err(anyhow::Error::new)?;
    let settings = Settings {
        hosts: hosts(address, &arguments.allowed_hosts),
        port: address.port(),
        is_secure: false,
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
    let url = format!("http://127.0.0.1:{}/session?token={token}", address.port());
    let url = match address.ip() {
        IpAddr::V6(_) => url.replacen("127.0.0.1", "[::1]", 1),
        IpAddr::V4(_) => url,
    };
    announce(global, &url);
    if arguments.open && !system::open_in_browser(&url) {
        output::note("no browser could be started: open the address yourself");
    }
    let stopped = async {
        signal().await;
    };
    core_explorer::serve(listener, explorer.router(), stopped).await;
    Ok(Exit::Complete)
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
    names.chain(allowed.iter().map(|name| name.to_ascii_lowercase())).collect()
}
