//! `export jupiterone`, `sync` and `purge`: the published generation for JupiterOne.

mod messages;

use core_jupiterone::{Contents, Extras, StepResult, StepStatus, export_folder};
use core_model::step::Step;
use serde_json::json;

pub(super) use self::messages::delivery as print;
use crate::cli::{FolderArguments, Global, PurgeArguments, ReportFormat, SyncArguments};
use crate::config::{Config, JupiterOne};
use crate::deliver::{self, DeliveryOptions, DeliveryResult};
use crate::exit::{Exit, Failure};
use crate::ledger::{self, Event};
use crate::output;
use crate::progress::Progress;
use crate::run::report::{bytes, outcomes_of};
use crate::run::{self, Stop};

/// Writes the folder that JupiterOne's own command line reads.
pub(super) fn export(global: &Global, arguments: &FolderArguments) -> Result<Exit, Failure> {
    let FolderArguments { folder, persons, raw_data, .. } = arguments;
    let extras = Extras { persons: *persons, raw_data: *raw_data };
    let tenant = super::tenant(global)?;
    let generation = super::generation(&tenant, arguments.generation.as_deref())?;
    let id = generation.id().as_str();
    ledger::record_read(&tenant, &Event::Export { destination: "jupiterone", generation: id });
    let outcomes = outcomes_of(&generation);
    let tables = &generation.manifest().tables;
    let was_made = |step: &Step| tables.iter().any(|it| step.type_names().any(|of| of == it.name));
    let steps: Vec<StepResult> = Step::generation_steps()
        .into_iter()
        // An extra that is off is nothing to tell of.
        .filter(|step| !step.is_extra() || was_made(step))
        .map(|step| {
            let outcome = outcomes.iter().find(|(id, _)| id == step.id);
            let status = match outcome.map(|(_, outcome)| outcome.as_str()) {
                Some("complete") => StepStatus::Success,
                Some("partial") => StepStatus::PartialSuccessDueToDependencyFailure,
                Some("failed" | "deferred") => StepStatus::Failure,
                _ => StepStatus::Disabled,
            };
            StepResult { step, status }
        })
        .collect();
    let contents = Contents::for_folder(generation, &Step::generation_steps(), extras);
    let report = export_folder(&contents, &steps, folder).map_err(deliver::failed)?;
    if arguments.output == ReportFormat::Json {
        output::result(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
        return Ok(Exit::Complete);
    }
    let objects = report.objects.iter().map(|(name, objects)| [name.clone(), objects.to_string()]);
    output::result(&output::table(["type", "objects"], objects, 1));
    if !global.quiet {
        messages::note_findings(&report.findings);
        output::note(&format!(
            "wrote {} ({}, {}); for example: j1-integration visualize -p {0}",
            folder.display(),
            output::count(report.files, "file"),
            bytes(report.bytes)
        ));
    }
    Ok(Exit::Complete)
}

/// Delivers the published generation, or shows what that would change.
pub(super) async fn sync(global: &Global, arguments: &SyncArguments) -> Result<Exit, Failure> {
    let options = DeliveryOptions {
        accept_destination: arguments.accept_destination,
        full: arguments.full,
        ..DeliveryOptions::default()
    };
    Box::pin(deliver(global, options, arguments.dry_run, arguments.output)).await
}

/// Removes types at JupiterOne, with all that touches them.
pub(super) async fn purge(global: &Global, arguments: &PurgeArguments) -> Result<Exit, Failure> {
    let purge = arguments.types.clone();
    let options = DeliveryOptions { purge, ..DeliveryOptions::default() };
    Box::pin(deliver(global, options, arguments.dry_run, arguments.output)).await
}

async fn deliver(
    global: &Global,
    options: DeliveryOptions,
    dry_run: bool,
    format: ReportFormat,
) -> Result<Exit, Failure> {
    let stop = Stop::default();
    let done = Box::pin(deliver_or_preview(global, options, dry_run, format, &stop)).await;
    if let (Err(failure), ReportFormat::Json) = (&done, format) {
        let report = json!({
            "result": "failed",
            "reason": format!("{:#}", failure.error),
            "exitCode": stop.exit_after(failure) as u8,
        });
        output::result(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
    }
    done
}

async fn deliver_or_preview(
    global: &Global,
    options: DeliveryOptions,
    dry_run: bool,
    format: ReportFormat,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let config = super::configured(global)?;
    let Some(jupiterone) = &config.jupiterone else {
        return Err(Failure::usage(
            "there is no destination: add `[destinations.jupiterone]` with `account` and `api_key` to \
             the configuration",
        ));
    };
    let options = DeliveryOptions {
        extras: jupiterone.extras,
        audit: jupiterone.audit,
        tags: run::tags(&config),
        ..options
    };
    let tenant = super::tenant(global)?;
    deliver::check_destination(&tenant, jupiterone, options.accept_destination)?;
    if dry_run {
        let generation = super::generation(&tenant, None)?;
        return messages::decision(&deliver::decide(&tenant, generation, &options)?, format);
    }
    let progress = Progress::new(global.quiet);
    let delivering = deliver_published(&config, jupiterone, &options, &progress, stop);
    let delivered = super::run::interruptible(delivering, stop, super::run::DELIVERY).await;
    progress.finish();
    let delivered = delivered?;
    let exit = exit_of(&delivered);
    if format == ReportFormat::Json {
        let mut report = json!(delivered);
        report["exitCode"] = json!(exit as u8);
        output::result(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
    }
    print(global, &delivered);
    Ok(exit)
}

/// Delivers what is published, with the lock of the destination.
pub(super) async fn deliver_published(
    config: &Config,
    jupiterone: &JupiterOne,
    options: &DeliveryOptions,
    progress: &Progress,
    stop: &Stop,
) -> Result<DeliveryResult, Failure> {
    let client = deliver::client(config, jupiterone, |_| {})?;
    let lock = deliver::lock(config)?;
    let generation = super::generation(lock.tenant(), None)?;
    let (destination, id) = ("jupiterone", generation.id().to_string());
    let account = &jupiterone.destination.identity().account;
    let started = Event::DeliveryStarted { destination, account, generation: &id };
    ledger::record(lock.tenant(), &started)?;
    let delivering = deliver::deliver(&client, &lock, generation, options, progress, stop);
    let ended = Box::pin(delivering).await;
    let (job, exit) = match &ended {
        Ok(delivered @ DeliveryResult::Delivered { report, .. }) => {
            (Some(report.job.to_string()), exit_of(delivered))
        }
        Ok(DeliveryResult::NothingChanged { .. }) => (None, Exit::Complete),
        Err(failure) => (None, stop.exit_after(failure)),
    };
    let event = Event::DeliveryEnded { destination, generation: &id, job, exit_code: exit as u8 };
    if let Err(error) = ledger::record(lock.tenant(), &event) {
        tracing::error!(%error, "the end of the delivery is not in the ledger");
    }
    ended
}

/// Objects that JupiterOne did not take, or deleted unasked, make a delivery a failed one, though most
/// of it is there.
pub(super) fn exit_of(delivered: &DeliveryResult) -> Exit {
    match delivered {
        DeliveryResult::Delivered { report, unexpected_deletes, .. }
            if !report.is_whole() || *unexpected_deletes > 0 =>
        {
            Exit::DestinationFailed
        }
        _ => Exit::Complete,
    }
}
