//! `diff`: what changed between two generations.

use std::io;

use core_cli::{DiffArguments, DiffFormat, Global, RowFormat};
use core_engine::FailureKind;
use core_engine::ledger::Event;
use core_query::diff::{page, summary};
use core_query::{DiffDetail, DiffReport, DiffRequest, QueryError};
use core_reading::{changes, of_query, personal_columns};

use crate::commands::opened::Opened;
use crate::commands::query::{REMEDY, writer};
use crate::commands::show;
use crate::exit::{Exit, Failure};
use crate::{output, typed};

/// Compares two generations.
pub(super) fn diff(global: &Global, arguments: &DiffArguments) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let mut request = changes::request(&reader, &arguments.before, &arguments.after)?;
    request.types.clone_from(&arguments.types);
    request.properties.clone_from(&arguments.properties);
    if arguments.without_personal {
        request.withholding = Some(personal_columns(REMEDY));
    }
    let (before, after) = (request.before.id().as_str(), request.after.id().as_str());
    reader.record(&Event::Diff { before, after });
    match print(&request, arguments) {
        Err(QueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Exit::Complete)
        }
        Err(error) => Err(of_query(error, FailureKind::Configuration).into()),
        Ok(report) => {
            for remark in summary::remarks(&report) {
                reader.remark(&remark);
            }
            Ok(if arguments.exit_code { exit_of(&report) } else { Exit::Complete })
        }
    }
}

fn print(request: &DiffRequest, arguments: &DiffArguments) -> Result<DiffReport, QueryError> {
    let detail = typed::detail(arguments.detail());
    let Some(format) = arguments.output.of_rows().map(typed::format) else {
        return page::write(request, detail, &mut output::writer());
    };
    if detail == DiffDetail::Summary {
        let report = request.run(detail, &mut |_| Ok(()))?;
        match arguments.output {
            DiffFormat::Table => {
                output::result(&summary::table(&report, output::terminal_columns()));
            }
            DiffFormat::Json => output::result(&format!("{:#}", summary::json(&report))),
            format => {
                let is_csv = format == DiffFormat::Csv;
                let format = if is_csv { RowFormat::Csv } else { RowFormat::Ndjson };
                // Objects of numbers and names can always be printed.
                let _ = show::rows(summary::rows(&report), format);
            }
        }
        return Ok(report);
    }
    let mut writer = writer(format, &detail.schema())?;
    let report = request.run(detail, &mut |batch| writer.write(&batch))?;
    writer.finish()?;
    Ok(report)
}

/// The exit code that tells whether anything differs. Where nothing does, ignorance is not equality.
fn exit_of(report: &DiffReport) -> Exit {
    if report.differs() {
        Exit::Different
    } else if report.is_partial() {
        Exit::Partial
    } else {
        Exit::Complete
    }
}
