//! `export`, `sync` and `purge`: the published generation for JupiterOne.

use std::collections::BTreeSet;

use core_jupiterone::{
    Contents, DeliveryReport, Extras, Finding, StepResult, StepStatus, export_folder,
};
use core_model::step::Step;
use serde_json::json;

use crate::cli::{ExportArguments, Global, PurgeArguments, ReportFormat, SyncArguments};
use crate::config::{Config, JupiterOne};
use crate::deliver::{self, DeliveryOptions, DeliveryResult, Intent};
use crate::exit::{Exit, Failure};
use crate::ledger::{self, Event};
use crate::output;
use crate::progress::Progress;
use crate::run::Stop;
use crate::run::report::{bytes, outcomes_of};

/// Writes the folder that JupiterOne's own command line reads.
pub(super) fn export(global: &Global, arguments: &ExportArguments) -> Result<Exit, Failure> {
    let ExportArguments { folder, persons, raw_data, .. } = arguments;
    let extras = Extras { persons: *persons, raw_data: *raw_data };
    let tenant = super::tenant(global)?;
    let generation = super::generation(&tenant, arguments.generation.as_deref())?;
    let id = generation.id().as_str();
    ledger::record_read(&tenant, &Event::Export { destination: "jupiterone", generation: id });
    let outcomes = outcomes_of(&generation);
    let tables = &generation.manifest().tables;
    let was_made = |step: &Step| tables.iter().any(|it| step.type_names().any(|of| of == it.name));
    let steps: Vec<StepResult> = Step::of_generation()
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
    let contents = Contents::for_folder(generation, &Step::of_generation(), extras);
    let report = export_folder(&contents, &steps, folder).map_err(deliver::failed)?;
    if arguments.output == ReportFormat::Json {
        output::result(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
        return Ok(Exit::Complete);
    }
    let objects = report.objects.iter().map(|(name, objects)| [name.clone(), objects.to_string()]);
    output::result(&output::table(["type", "objects"], objects, 1));
    if !global.quiet {
        note_findings(&report.findings);
        output::note(&format!(
            "wrote {} ({} files, {}); for example: j1-integration visualize -p {0}",
            folder.display(),
            report.files,
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
    let config = super::configured(global)?;
    let Some(jupiterone) = &config.jupiterone else {
        return Err(Failure::usage(
            "there is no destination: add `[destinations.jupiterone]` with `account` and `api_key` to \
             the configuration",
        ));
    };
    let options = DeliveryOptions { extras: jupiterone.extras, audit: jupiterone.audit, ..options };
    let tenant = super::tenant(global)?;
    deliver::check_destination(&tenant, jupiterone, options.accept_destination)?;
    if dry_run {
        let generation = super::generation(&tenant, None)?;
        return print_intent(&deliver::intend(&tenant, generation, &options)?, format);
    }
    let progress = Progress::new(global.quiet);
    let stop = Stop::default();
    let delivering = deliver_published(&config, jupiterone, &options, &progress, &stop);
    let delivered = super::run::interruptible(delivering, &stop, super::run::DELIVERY).await;
    progress.finish();
    let delivered = delivered?;
    if format == ReportFormat::Json {
        output::result(&serde_json::to_string_pretty(&delivered).map_err(anyhow::Error::new)?);
    }
    print(global, &delivered);
    Ok(exit_of(&delivered))
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

/// Tells what came of a delivery; what went wrong is told even when nothing else is.
pub(super) fn print(global: &Global, delivered: &DeliveryResult) {
    match delivered {
        DeliveryResult::NothingChanged { generation } if !global.quiet => output::note(&format!(
            "JupiterOne has generation {generation} already: nothing changed, so there was no job"
        )),
        DeliveryResult::NothingChanged { .. } => {}
        DeliveryResult::Delivered { report, unexpected_deletes, still_held } => {
            if !global.quiet {
                print_report(report);
            }
            print_trouble(report, *unexpected_deletes);
            print_still_held(still_held);
        }
    }
}

fn print_report(report: &DeliveryReport) {
    let counters = &report.counters;
    output::note(&format!(
        "JupiterOne has generation {} (job {}): entities +{} ~{} -{}, relationships +{} ~{} -{}; {} \
         uploads, {}",
        report.generation,
        report.job,
        counters.num_entities_created,
        counters.num_entities_updated,
        counters.num_entities_deleted,
        counters.num_relationships_created,
        counters.num_relationships_updated,
        counters.num_relationships_deleted,
        report.uploads.requests,
        bytes(report.uploads.sent_bytes)
    ));
    if !report.partial_datasets.is_empty() {
        let types = report.partial_datasets.join(", ");
        output::note(&format!("nothing is deleted of the partial datasets {types}"));
    }
    note_findings(&report.findings);
}

/// Tells where somebody who was erased may still be: nobody may delete for an incomplete step what it
/// might only have missed.
fn print_still_held(types: &BTreeSet<String>) {
    if types.is_empty() {
        return;
    }
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    output::note(&format!(
        "error: somebody who was erased may still be in {} at JupiterOne: these types are partial, and \
         were partial in the delivery before. It is tried again with each delivery; delete the objects \
         there by hand if that takes too long",
        types.join(", ")
    ));
}

fn print_trouble(report: &DeliveryReport, unexpected_deletes: u64) {
    let counters = &report.counters;
    let errors = [
        ("entities not created", counters.num_entity_create_errors),
        ("entities not updated", counters.num_entity_update_errors),
        ("entities not deleted", counters.num_entity_delete_errors),
        ("relationships not created", counters.num_relationship_create_errors),
        ("relationships not updated", counters.num_relationship_update_errors),
        ("relationships not deleted", counters.num_relationship_delete_errors),
    ];
    for (what, count) in errors.into_iter().filter(|(_, count)| *count > 0) {
        output::note(&format!("error: JupiterOne counts {count} {what}"));
    }
    for (name, loss) in &report.uploads.losses {
        let correlation_id = loss.correlation_id.as_deref();
        let upload = correlation_id.map_or(String::new(), |it| format!(" (upload {it})"));
        output::note(&format!(
            "error: {name}: JupiterOne refused {} objects and did not get {}{upload}",
            loss.refused, loss.lost
        ));
    }
    if unexpected_deletes > 0 {
        output::note(&format!(
            "error: JupiterOne deleted {unexpected_deletes} objects more than what is gone here: does \
             something else write to this scope or instance?"
        ));
    }
}

fn note_findings(findings: &[Finding]) {
    for finding in findings {
        let Finding { type_name, property, count, sample_key, .. } = finding;
        let sample = sample_key.as_ref().map_or(String::new(), |key| format!(", such as of {key}"));
        output::note(&format!("{type_name}: {count} values of {property} did not fit{sample}"));
    }
}

fn print_intent(intent: &Intent, format: ReportFormat) -> Result<Exit, Failure> {
    let Intent { plan, reason, partial_datasets, .. } = intent;
    if format == ReportFormat::Json {
        let intent = json!({
            "job": reason.is_some(),
            "reason": reason,
            "types": plan.types,
            "completed": plan.completed,
            "partialDatasets": partial_datasets,
        });
        output::result(&serde_json::to_string_pretty(&intent).map_err(anyhow::Error::new)?);
        return Ok(Exit::Complete);
    }
    let header = ["type", "create", "update", "delete", "kept", "unchanged"];
    let rows = plan.types.iter().map(|it| {
        let [create, update, delete, kept, unchanged] =
            [it.creates, it.updates, it.deletes, it.kept, it.unchanged].map(|it| it.to_string());
        [it.type_name.clone(), create, update, delete, kept, unchanged]
    });
    output::result(&output::table(header, rows, 1));
    match reason {
        Some(reason) => output::note(&format!("there would be a job: {reason}")),
        None => output::note("nothing would change, so there would be no job"),
    }
    if !partial_datasets.is_empty() {
        let types: Vec<&str> = partial_datasets.iter().map(String::as_str).collect();
        output::note(&format!("nothing would be deleted of {}", types.join(", ")));
    }
    if !plan.completed.is_empty() {
        let types = plan.completed.join(", ");
        output::note(&format!("complete only now, so more may be deleted of {types}"));
    }
    Ok(Exit::Complete)
}
