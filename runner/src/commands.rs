//! The commands, a file each.

mod ask;
mod audit;
mod check;
mod configuration;
mod deliveries;
mod demo;
mod destroy;
mod diff;
mod everything;
mod export_html;
mod findings;
mod fleet;
mod graph;
mod history;
mod init;
mod jupiterone;
mod man;
mod mcp;
mod notify;
mod opened;
mod privacy;
mod query;
mod rules;
mod run;
mod schedule;
mod serve;
mod show;
mod simulate;
mod software;
mod status;
mod store;
mod support_bundle;

use core_bucket::NOT_CLOSED;
use core_cli::{Cli, Command, ExportCommand, Global, ReportFormat, RunArguments, StoreCommand};
use core_store::TenantStore;

use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::signals::signal;
use crate::{pager, system, working_copy};

use self::opened::Opened;

/// The memory that the queries of rules may hold, in a process of their own.
pub(crate) const RULES_MEMORY_BYTES: u64 = core_evaluation::MEMORY_BYTES as u64;

/// Does what the command line says, in a working copy if the store is in a bucket. A lost lease explains other failures.
pub(crate) async fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    config::check_variables()?;
    let opened = match (Box::pin(working_copy::open(&cli)).await, &cli.command) {
        // The rest is looked at all the same.
        (Err(failure), &Some(Command::Check { output, json })) => {
            let json = json || output == ReportFormat::Json;
            return check::check(&cli.global, json, Some(failure)).await;
        }
        (opened, _) => opened?,
    };
    let Some(mut opened) = opened else { return dispatch_command(cli).await };
    let ended = tokio::select! {
        ended = dispatch_command(cli) => ended,
        error = opened.keep_up_to_date() => Err(error.into()),
    };
    let closed = tokio::select! {
        closed = Box::pin(opened.close()) => closed.map_err(Failure::from),
        reason = signal() => Err(Failure::new(reason.into(), anyhow::anyhow!(NOT_CLOSED))),
    };
    match (ended, closed) {
        (Err(_), Err(closed)) if closed.exit == Exit::Locked => Err(closed),
        (ended, closed) => ended.and_then(|exit| closed.map(|()| exit)),
    }
}

async fn dispatch_command(cli: Cli) -> Result<Exit, Failure> {
    let Cli { global, worker, worker_session, command, .. } = cli;
    match command {
        None
        | Some(Command::Run(_) | Command::Schedule(_) | Command::Status(_) | Command::Fleet(_)) => {
            Box::pin(dispatch_runs(&global, command)).await
        }
        Some(Command::Init(arguments)) => init::init(&global, arguments).await,
        Some(Command::Check { output, json }) => {
            check::check(&global, json || output == ReportFormat::Json, None).await
        }
        Some(Command::Plan { output }) => show::plan(&global, output),
        Some(Command::Steps { output }) => show::steps(output.output),
        Some(Command::Nql { fields, partitioned }) => show::nql(&global, &fields, partitioned),
        Some(Command::Docs { page, format, check }) => show::docs(page, format, check.as_deref()),
        Some(Command::Completions { shell }) => Ok(show::completions(shell)),
        Some(Command::Man { folder }) => man::write(&folder),
        Some(Command::SupportBundle { file }) => support_bundle::write(&global, &file),
        Some(Command::Query(arguments)) if worker => query::query(&global, arguments).await,
        Some(Command::Query(arguments)) => {
            query::worker::run(&arguments.limits, pager::for_answer(&arguments.answer)).await
        }
        Some(Command::Ask(arguments)) if worker && arguments.question.is_some() => {
            ask::ask(&global, &arguments).await
        }
        Some(Command::Ask(arguments)) if arguments.question.is_some() => {
            query::worker::run(&arguments.limits, pager::for_answer(&arguments.answer)).await
        }
        Some(Command::Ask(arguments)) => ask::list(&global, &arguments),
        Some(Command::Show(arguments)) => graph::show(&global, &arguments).await,
        Some(Command::Neighbors(arguments)) => graph::neighbors(&global, &arguments).await,
        Some(Command::Path(arguments)) => graph::path(&global, &arguments).await,
        Some(Command::Search(arguments)) => graph::search(&global, &arguments).await,
        Some(Command::Diff(arguments)) => diff::diff(&global, &arguments),
        Some(Command::Rules(command)) => Box::pin(rules::dispatch(&global, command)).await,
        Some(Command::Findings(command)) => findings::dispatch(&global, command).await,
        Some(Command::Serve(arguments)) if worker_session => {
            serve::worker::answer_session(&global, &arguments).await
        }
        Some(Command::Serve(arguments)) if worker => {
            serve::worker::answer(&global, &arguments).await
        }
        Some(Command::Serve(arguments)) => Box::pin(serve::serve(&global, &arguments)).await,
        Some(Command::Notify(command)) => Box::pin(notify::dispatch(&global, command)).await,
        Some(Command::Export(command)) => export(&global, &command, worker).await,
        Some(Command::Destroy(arguments)) => destroy::destroy(&global, &arguments),
        Some(Command::Sync(arguments)) => deliveries::sync(&global, &arguments).await,
        Some(Command::Purge(arguments)) => deliveries::purge(&global, &arguments).await,
        Some(Command::Privacy(command)) => privacy::dispatch(&global, command),
        Some(Command::Audit { command }) => audit::audit(&global, command).await,
        Some(Command::Backfill(arguments)) => {
            audit::backfill(&configured(&global)?, &arguments).await
        }
        Some(Command::History { output }) => history::history(&global, output.output),
        Some(Command::Store { command: StoreCommand::Verify { output } }) => {
            store::verify(&global, output.output)
        }
        Some(Command::Store { command: StoreCommand::Copy(arguments) }) => {
            Box::pin(store::copy(&global, &arguments)).await
        }
        Some(Command::Config(command)) => configuration::dispatch(&global, &command),
        Some(Command::Software(command)) => software::software(&global, &command).await,
        Some(Command::Mcp) => mcp::serve(&global).await,
        Some(Command::Simulate(arguments)) => simulate::simulate(&global, arguments).await,
    }
}

/// Does what the command line says about runs. Without a command that is a run too, or the demo.
async fn dispatch_runs(global: &Global, command: Option<Command>) -> Result<Exit, Failure> {
    match command {
        Some(Command::Run(arguments)) if arguments.all => fleet::run_all(global, &arguments).await,
        Some(Command::Run(arguments)) => {
            run::run_monitored(global, &configured_source(global)?, &arguments).await
        }
        Some(Command::Schedule(arguments)) => schedule::schedule(global, &arguments).await,
        Some(Command::Status(arguments)) => status::status(global, &arguments),
        Some(Command::Fleet(command)) => fleet::dispatch(global, &command),
        _ => match config::find(global.config.as_deref()) {
            Some(source) => run::run_monitored(global, &source, &RunArguments::default()).await,
            None => demo::run(global).await,
        },
    }
}

async fn export(global: &Global, command: &ExportCommand, worker: bool) -> Result<Exit, Failure> {
    match command {
        ExportCommand::JupiterOne(arguments) => jupiterone::export(global, arguments),
        ExportCommand::Everything(arguments) => everything::export(global, arguments),
        ExportCommand::Html(arguments) if worker => {
            Box::pin(export_html::export(global, arguments)).await
        }
        ExportCommand::Html(arguments) => query::worker::run(&arguments.limits, None).await,
    }
}

/// The configuration, which must be there.
fn configured(global: &Global) -> Result<Config, Failure> {
    config::load(&configured_source(global)?)
}

/// Returns the source of the configuration, which must be there.
fn configured_source(global: &Global) -> Result<config::Source, Failure> {
    config::find(global.config.as_deref()).ok_or_else(not_configured)
}

/// The failure where nothing is configured.
fn not_configured() -> Failure {
    Failure::usage(format!(
        "there is no configuration: `{} init` writes {}; name another file with --config, or set variables \
         `{}…` instead of a file",
        system::own_command(),
        core_settings::DEFAULT_FILE,
        core_settings::VARIABLE_PREFIX
    ))
}

/// The tenant that reading commands read: the configured one, or the demo's where nothing is configured.
fn tenant(global: &Global) -> Result<TenantStore, Failure> {
    Ok(Opened::new(global)?.tenant)
}
