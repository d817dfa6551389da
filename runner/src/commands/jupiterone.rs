//! `export jupiterone`, `sync` and `purge`: the published generation for JupiterOne.

use core_destination::{DeliveryRequest, DeliveryResult};
use core_engine::Cancellation;
use core_engine::deliver;
use core_engine::ledger::Event;
use core_jupiterone::{Contents, DeliveryReport, Extras, export_folder, messages};
use core_model::step::Step;
use core_terminal::{bytes, count};
use serde_json::json;

use super::opened::Opened;
use crate::cli::{FolderArguments, Global, PurgeArguments, ReportFormat, SyncArguments};
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::output;
use crate::progress::Progress;

/// Writes the folder that JupiterOne's own command line reads.
pub(super) fn export(global: &Global, arguments: &FolderArguments) -> Result<Exit, Failure> {
    let FolderArguments { folder, persons, raw_data, .. } = arguments;
    let extras = Extras { persons: *persons, raw_data: *raw_data };
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let generation = reader.generation(arguments.generation.as_deref())?;
    let id = generation.id().as_str();
    reader.record(&Event::Export { destination: "jupiterone", generation: id });
    let steps = core_engine::jupiterone::step_results(&generation);
    let contents = Contents::for_folder(generation, &Step::generation_steps(), extras);
    let report = export_folder(&contents, &steps, folder)?;
    if arguments.output == ReportFormat::Json {
        output::result(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
        return Ok(Exit::Complete);
    }
    let objects = report.objects.iter().map(|(name, objects)| [name.clone(), objects.to_string()]);
    output::result(&output::table(["type", "objects"], objects, 1));
    if !global.quiet {
        for line in messages::violations(&report.findings) {
            output::note(&line);
        }
        output::note(&format!(
            "wrote {} ({}, {}); for example: j1-integration visualize -p {0}",
            folder.display(),
            count(report.files, "file"),
            bytes(report.bytes)
        ));
    }
    Ok(Exit::Complete)
}

/// Delivers the published generation, or shows what that would change.
pub(super) async fn sync(global: &Global, arguments: &SyncArguments) -> Result<Exit, Failure> {
    let request = DeliveryRequest {
        accept_destination: arguments.accept_destination,
        full: arguments.full,
        ..DeliveryRequest::default()
    };
    Box::pin(deliver(global, request, arguments.dry_run, arguments.output)).await
}

/// Removes types at JupiterOne, with all that touches them.
pub(super) async fn purge(global: &Global, arguments: &PurgeArguments) -> Result<Exit, Failure> {
    let purge = arguments.types.clone();
    let request = DeliveryRequest { purge, ..DeliveryRequest::default() };
    Box::pin(deliver(global, request, arguments.dry_run, arguments.output)).await
}

async fn deliver(
    global: &Global,
    request: DeliveryRequest,
    dry_run: bool,
    format: ReportFormat,
) -> Result<Exit, Failure> {
    let stop = Cancellation::default();
    let done = Box::pin(deliver_or_preview(global, request, dry_run, format, &stop)).await;
    if let (Err(failure), ReportFormat::Json) = (&done, format) {
        let report = json!({
            "result": "failed",
            "reason": format!("{:#}", failure.error),
            "exitCode": failure.exit as u8,
        });
        output::result(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
    }
    done
}

async fn deliver_or_preview(
    global: &Global,
    request: DeliveryRequest,
    dry_run: bool,
    format: ReportFormat,
    stop: &Cancellation,
) -> Result<Exit, Failure> {
    let config = super::configured(global)?;
    let Some(jupiterone) = &config.jupiterone else {
        return Err(Failure::usage(
            "there is no destination: add `[destinations.jupiterone]` with `account` and `api_key` to \
             the configuration",
        ));
    };
    let opened = Opened::new(global)?;
    let tenant = &opened.tenant;
    let rules = core_engine::jupiterone::rules(engine(&config), jupiterone);
    rules.check(tenant, &request)?;
    if dry_run {
        let generation = opened.reader().generation(None)?;
        let decision = rules.plan(tenant, generation, &request)?;
        if format == ReportFormat::Json {
            let decision = messages::decision_json(&decision);
            output::result(&serde_json::to_string_pretty(&decision).map_err(anyhow::Error::new)?);
            return Ok(Exit::Complete);
        }
        output::result(&messages::decision_table(&decision, output::terminal_columns()));
        for line in messages::decision_remarks(&decision) {
            output::note(&line);
        }
        return Ok(Exit::Complete);
    }
    let progress = Progress::new(global.quiet);
    let observer = progress.observer();
    let destination = core_engine::jupiterone::destination(engine(&config), jupiterone)?;
    let delivering =
        deliver::deliver_published(engine(&config), &destination, &request, &observer, stop);
    let delivered = super::run::interruptible(delivering, stop, super::run::DELIVERY).await;
    progress.finish();
    let delivered = delivered?;
    let exit = Exit::from(deliver::ending(&delivered));
    if format == ReportFormat::Json {
        let mut report = json!(delivered);
        report["exitCode"] = json!(exit as u8);
        output::result(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
    }
    print(global, &delivered);
    Ok(exit)
}

/// Says what came of a delivery. With `--quiet` only what went wrong.
pub(super) fn print(global: &Global, delivered: &DeliveryResult<DeliveryReport>) {
    for line in messages::delivery(delivered, global.quiet) {
        output::note(&line);
    }
}
