//! `diff`: what changed between two generations.

use std::io;

use core_engine::ledger::Event;
use core_model::step::Step;
use core_query::diff::{page, summary};
use core_query::{DiffDetail, DiffReport, DiffRequest, QueryError, QuerySession};
use core_store::{Generation, TenantStore};

use crate::cli::{DiffArguments, DiffFormat, Global, RowFormat};
use crate::commands::query::{failure, writer};
use crate::commands::show;
use crate::exit::{Exit, Failure};
use crate::{host, output, withheld};

/// Compares two generations.
pub(super) fn diff(global: &Global, arguments: &DiffArguments) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let mut request = request(&tenant, &arguments.before, &arguments.after)?;
    request.types.clone_from(&arguments.types);
    request.properties.clone_from(&arguments.properties);
    if arguments.without_personal {
        request.withholding = Some(withheld::personal_columns(withheld::REMEDY));
    }
    host::record_read(
        &tenant,
        &Event::Diff { before: request.before.id().as_str(), after: request.after.id().as_str() },
    );
    match print(&request, arguments) {
        Err(QueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Exit::Complete)
        }
        Err(error) => Err(failure(error, Exit::Configuration)),
        Ok(report) => {
            if !global.quiet {
                for remark in summary::remarks(&report) {
                    output::note(&remark);
                }
            }
            Ok(if arguments.exit_code { exit_of(&report) } else { Exit::Complete })
        }
    }
}

/// A comparison of two generations, of everything that is not volatile.
pub(super) fn request(
    tenant: &TenantStore,
    before: &str,
    after: &str,
) -> Result<DiffRequest, Failure> {
    let open =
        |name: &str| -> Result<Generation, Failure> { super::generation(tenant, Some(name)) };
    Ok(DiffRequest {
        before: open(before)?,
        after: open(after)?,
        types: Vec::new(),
        properties: Vec::new(),
        volatile: volatile(),
        withholding: None,
    })
}

/// Adds the tables of changes to a session.
pub(super) fn add_tables(
    session: &mut QuerySession,
    tenant: &TenantStore,
    names: &[String],
) -> Result<(), Failure> {
    let [before, after] = names else { return Ok(()) };
    let added = session.add_diff(&request(tenant, before, after)?);
    added.map_err(|error| failure(error, Exit::Configuration))
}

/// The properties that change with every run, by type and name.
pub(super) fn volatile() -> Vec<(String, String)> {
    let entities = Step::all().into_iter().flat_map(|step| step.entities);
    let properties = entities.flat_map(|entity| {
        let properties = entity.properties.iter().filter(|property| property.volatile);
        properties.map(|property| (entity.type_name.to_owned(), property.name.to_owned()))
    });
    properties.collect()
}

fn print(request: &DiffRequest, arguments: &DiffArguments) -> Result<DiffReport, QueryError> {
    let detail = arguments.detail();
    let Some(format) = arguments.output.row_format() else {
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
                let _ = show::rows(&summary::rows(&report), format);
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
