//! `privacy record`: the record of processing.

use core_engine::processing::Record;

use crate::cli::{Global, ReportFormat};
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
        ReportFormat::Json => {
            output::result(&serde_json::to_string_pretty(&record).map_err(anyhow::Error::new)?);
        }
    }
    if let (Some(warning), false) = (&record.transfer_warning, global.quiet) {
        output::note(warning);
    }
    Ok(Exit::Complete)
}
