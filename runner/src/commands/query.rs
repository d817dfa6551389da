//! `query`: SQL over a generation.

use std::io;

use core_query::{Format, QueryError, QuerySession, QuerySettings, ResultWriter};
use serde_json::json;

use crate::cli::{Global, QueryArguments, RowFormat};
use crate::exit::{Exit, Failure};
use crate::ledger::{self, Event};
use crate::{output, privacy};

/// How many names of columns stand in one line of the list of tables.
const COLUMNS_A_LINE: usize = 6;

/// Answers a query, or lists what can be asked.
pub(super) async fn query(global: &Global, arguments: QueryArguments) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    // Events are there before the first generation is.
    let has_events_alone = arguments.generation.is_none()
        && tenant.current()?.is_none()
        && !tenant.events(crate::audit::LOG)?.files().is_empty();
    let generation = if has_events_alone {
        None
    } else {
        Some(super::generation(&tenant, arguments.generation.as_deref())?)
    };
    let session = match &generation {
        Some(generation) => QuerySession::open(generation, QuerySettings::default()).await,
        None => QuerySession::empty(QuerySettings::default()),
    };
    let mut session = session.map_err(|error| Failure::new(Exit::Internal, error))?;
    super::audit::add_events(&mut session, &tenant).await?;
    let format = arguments.output.output;
    match arguments.sql {
        Some(sql) => {
            let id = generation.as_ref().map_or("none", |it| it.id().as_str());
            let query = privacy::ledger_token(global, &sql);
            ledger::record_read(&tenant, &Event::Query { generation: id, query });
            answered(&session, &sql, format.into()).await
        }
        None => tables(&session, format),
    }
}

/// Prints the answer to a query. A reader that goes away is no failure.
pub(super) async fn answered(
    session: &QuerySession,
    sql: &str,
    format: Format,
) -> Result<Exit, Failure> {
    match answer(session, sql, format).await {
        Err(QueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Exit::Complete)
        }
        Err(error) => Err(Failure::new(Exit::Configuration, error)),
        Ok(()) => Ok(Exit::Complete),
    }
}

async fn answer(session: &QuerySession, sql: &str, format: Format) -> Result<(), QueryError> {
    let mut result = session.sql(sql).await?;
    let mut writer = ResultWriter::new(format, &result.schema(), output::writer())?;
    while let Some(batch) = result.next().await? {
        writer.write(&batch)?;
    }
    writer.finish().map(drop)
}

/// Lists the tables.
fn tables(session: &QuerySession, format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        let tables = session.tables().iter().map(|table| {
            let columns = table.columns.iter();
            json!({
                "name": table.name,
                "rows": table.rows,
                "partial": table.partial,
                "columns": columns
                    .map(|it| json!({ "name": it.name, "type": it.data_type }))
                    .collect::<Vec<_>>(),
            })
        });
        return super::show::rows(&tables.collect::<Vec<_>>(), format);
    }
    let rows = session.tables().iter().map(|table| {
        let columns: Vec<_> = table.columns.iter().map(|it| it.name.as_str()).collect();
        let lines: Vec<_> = columns.chunks(COLUMNS_A_LINE).map(|it| it.join(", ")).collect();
        let partial = if table.partial { " (partial)" } else { "" };
        [table.rows.to_string(), format!("{}{partial}", table.name), lines.join(",\n")]
    });
    let header = ["rows", "table", "columns"];
    output::result(&output::table(header, rows, header.len()));
    Ok(Exit::Complete)
}
