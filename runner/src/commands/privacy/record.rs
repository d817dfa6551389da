//! `privacy record`: the record of processing.

use core_cli::{Global, ReportFormat};
use core_engine::processing::Record;

use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::{commands, output};

/// Prints the record, as Markdown or as JSON.
pub(super) fn record(global: &Global, format: ReportFormat) -> Result<Exit, Failure> {
    let config = commands::configured(global)?;
    let tenant = commands::tenant(global)?;
    let record = Record::new(engine(&config), config.record.clone(), tenant.current()?.as_ref());
    match format {
        ReportFormat::Table => output::result(&record.to_markdown()),
        ReportFormat::Json => output::json(&record)?,
    }
    if let (Some(warning), false) = (&record.transfer_warning, global.quiet) {
        output::note(warning);
    }
    Ok(Exit::Complete)
}
