//! `export everything`: the data return.

use core_cli::{EverythingArguments, Global, ReportFormat};
use core_engine::ledger::{self, Event};
use core_engine::{audit, run};
use core_export::FolderReport;

use crate::exit::{Exit, Failure};
use crate::host::host;
use crate::{output, typed};

/// Writes all that is stored of the tenant.
pub(super) fn export(global: &Global, arguments: &EverythingArguments) -> Result<Exit, Failure> {
    let EverythingArguments { folder, format, output } = arguments;
    core_export::check_folder(folder).map_err(Failure::usage)?;
    let tenant = super::tenant(global)?;
    let store = tenant.folder().parent().unwrap_or(tenant.folder());
    core_export::check_outside(folder, store).map_err(Failure::usage)?;
    if tenant.files()?.is_empty() {
        let name = tenant.name();
        return Err(Failure::usage(format!(
            "nothing is stored of tenant `{name}`: `run` fetches it"
        )));
    }
    // Events that may show an erased person are refused before anything is written.
    match tenant.events(audit::LOG) {
        Err(error) if !error.is_damage() => return Err(error.into()),
        _ => {}
    }
    // Nothing may be added or removed while it is written.
    let lock = run::lock_tenant(crate::host::host(), &tenant)?;
    let generations = tenant.history()?.len();
    ledger::record(host(), &tenant, &Event::DataReturn { generations })?;
    let report = core_export::export(&lock, folder, typed::table_format(*format), audit::LOG)?;
    if *output == ReportFormat::Json {
        output::json(&report)?;
    } else {
        let rows = report.tables.iter().map(|(path, rows)| [path.clone(), rows.to_string()]);
        output::result(&output::table(["table", "rows"], rows, 1));
        if !global.quiet {
            output::note(&format!(
                "wrote {}: {} tables and {} other files; README.md says what each of them is",
                folder.display(),
                report.tables.len(),
                report.files.len()
            ));
        }
    }
    Ok(note_unreadable(&report))
}

/// Names what is missing: a data return that lacks something must never look whole.
fn note_unreadable(report: &FolderReport) -> Exit {
    let missing = report.missing();
    for problem in &missing {
        output::note(&format!("error: {problem}"));
    }
    if missing.is_empty() { Exit::Complete } else { Exit::DataRefused }
}
