//! `sync` and `purge`: the published generation for a destination.

use core_cli::{DestinationName, Global, PurgeArguments, ReportFormat, SyncArguments};
use core_destination::DeliveryRequest;
use core_engine::Cancellation;
use core_engine::destinations::DestinationKind;
use core_engine::interruption::interruptible;
use core_engine::whole_run::Part;
use serde_json::json;

use super::opened::Opened;
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::output;
use crate::progress::Progress;
use crate::signals::ProcessSignals;

/// Delivers the published generation, or shows what that would change.
pub(super) async fn sync(global: &Global, arguments: &SyncArguments) -> Result<Exit, Failure> {
    let SyncArguments { destination, dry_run, accept_destination, full, output } = *arguments;
    let request = DeliveryRequest { accept_destination, full, ..DeliveryRequest::default() };
    Box::pin(Order { kind: kind(destination), request, dry_run, output }.carry_out(global)).await
}

/// Removes types at a destination, with all that touches them.
pub(super) async fn purge(global: &Global, arguments: &PurgeArguments) -> Result<Exit, Failure> {
    let PurgeArguments { destination, dry_run, output, .. } = *arguments;
    let purge = arguments.types.clone();
    let request = DeliveryRequest { purge, ..DeliveryRequest::default() };
    Box::pin(Order { kind: kind(destination), request, dry_run, output }.carry_out(global)).await
}

fn kind(name: DestinationName) -> DestinationKind {
    match name {
        DestinationName::JupiterOne => DestinationKind::JupiterOne,
        DestinationName::Postgres => DestinationKind::Postgres,
        DestinationName::Delta => DestinationKind::Delta,
        DestinationName::Neo4j => DestinationKind::Neo4j,
    }
}

/// A delivery that the user asks for.
struct Order {
    kind: DestinationKind,
    request: DeliveryRequest,
    dry_run: bool,
    output: ReportFormat,
}

impl Order {
    async fn carry_out(&self, global: &Global) -> Result<Exit, Failure> {
        let done = self.deliver_or_preview(global).await;
        if let (Err(failure), ReportFormat::Json) = (&done, self.output) {
            output::json(&json!({
                "result": "failed",
                "reason": format!("{:#}", failure.error),
                "exitCode": failure.exit as u8,
            }))?;
        }
        done
    }

    async fn deliver_or_preview(&self, global: &Global) -> Result<Exit, Failure> {
        let Self { kind, request, .. } = self;
        let config = super::configured(global)?;
        // Opening it refuses a store that was put back, which could bring erased people to the destination.
        let opened = Opened::new(global)?;
        kind.check(engine(&config), &opened.tenant, request)?;
        if self.dry_run {
            let generation = opened.reader().generation(None)?;
            let columns = output::terminal_columns();
            let preview =
                kind.preview(engine(&config), &opened.tenant, generation, request, columns)?;
            if self.output == ReportFormat::Json {
                output::json(&preview.object)?;
                return Ok(Exit::Complete);
            }
            output::result(&preview.table);
            output::notes(&preview.remarks);
            return Ok(Exit::Complete);
        }
        let (stop, progress) = (Cancellation::default(), Progress::new(global.quiet));
        let observer = progress.observer();
        let delivering = kind.deliver(engine(&config), request, global.quiet, &observer, &stop);
        let told = Part::Delivery(*kind).told();
        let delivered = interruptible(&ProcessSignals, &stop, told, delivering).await;
        progress.finish();
        let mut delivered = delivered?;
        let exit = Exit::from(delivered.ending);
        if self.output == ReportFormat::Json {
            delivered.object["exitCode"] = json!(exit as u8);
            output::json(&delivered.object)?;
        }
        output::notes(&delivered.remarks);
        Ok(exit)
    }
}
