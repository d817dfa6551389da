//! `schedule`: starts a run of a tenant whenever its timetable says so, until it is stopped.

use std::future;
use std::net::SocketAddr;

use core_cli::{Global, RunArguments, ScheduleArguments};
use core_explorer::Connections;
use core_operations::{Bulletin, Context, Scheduler, ServiceManager};
use tokio::net::TcpListener;

use crate::config::ENVIRONMENT;
use crate::exit::{EXIT_CODE_TABLE, Exit, Failure};
use crate::host::host;
use crate::output::{self, Printer};
use crate::run_process::Launcher;
use crate::signals::{Hangups, signal};

/// Runs tenants by their timetables until a signal.
pub(super) async fn schedule(
    global: &Global,
    arguments: &ScheduleArguments,
) -> Result<Exit, Failure> {
    let source = super::configured_source(global)?;
    let mut stopped = std::pin::pin!(signal());
    let mut hangups = Hangups::listen();
    // Another scheduler over the same bucket may have run a tenant by the time of its configuration.
    let run = RunArguments { if_due: arguments.interval.is_none(), ..RunArguments::default() };
    let context = Context {
        host: host(),
        environment: ENVIRONMENT,
        codes: EXIT_CODE_TABLE,
        launcher: &Launcher { global, source: &source, arguments: &run },
        messages: &Printer { quiet: global.quiet },
    };
    let mut scheduler =
        Scheduler::new(context, source.clone(), arguments.interval.clone(), arguments.shard)?;
    if let Some(address) = arguments.listen {
        let address = serve(&scheduler.bulletin(), address).await?;
        if !global.quiet {
            output::note(&format!("/healthz, /readyz and /metrics are at {address}"));
        }
    }
    let mut manager = ServiceManager::from_environment();
    ServiceManager::ready();
    loop {
        scheduler.start_due();
        scheduler.tell_states();
        scheduler.publish();
        manager.alive(&scheduler.summary());
        tokio::select! {
            biased;
            reason = &mut stopped => {
                scheduler.stop(reason);
                ServiceManager::stopping();
                scheduler.publish();
                scheduler.finish().await;
                return Ok(reason.into());
            }
            () = hangups.next() => {
                ServiceManager::reloading();
                scheduler.read_again(true);
                ServiceManager::ready();
            }
            () = scheduler.wait(manager.sign_of_life_interval()) => {}
        }
    }
}

/// Answers requests about health and figures at an address until the program ends.
async fn serve(bulletin: &Bulletin, address: SocketAddr) -> Result<SocketAddr, Failure> {
    let refused = |error: std::io::Error| {
        Failure::usage(format!("cannot listen on {address}: {error}; name another --listen"))
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let router = bulletin.router();
    tokio::spawn(async move {
        let connections = Connections::default();
        core_explorer::serve(listener, connections, router, future::pending()).await;
    });
    Ok(address)
}
