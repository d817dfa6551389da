//! `query`: SQL and J1QL over a generation.

pub(super) mod worker;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};

use arrow_schema::Schema;
use core_engine::FailureKind;
use core_query::{
    Compiled, Format, ParameterValue, QueryError, QueryResult, QuerySession, QuerySettings,
    ResultWriter,
};
use core_reading::{AnswerFile, Opening, Printed, Progress, Reader, of_query, personal_columns};
use core_store::Generation;
use serde_json::json;

use super::opened::Opened;
use crate::cli::{
    self, AnswerFormat, AnswerOutput, Global, QueryArguments, QueryLanguage, RowFormat,
};
use crate::exit::{Exit, Failure};
use crate::{output, system};

/// The way in which the user of a command sees withheld columns.
pub(super) const REMEDY: &str = "leave out --without-personal";

/// The memory of a worker that planning needs, most of it for the stack, and the answer does not.
const PLANNING_BYTES: u64 = 96 * 1024 * 1024;

/// The number of names of columns in one line of the list of tables.
const COLUMNS_A_LINE: usize = 6;

/// Answers a query, or lists what can be asked.
pub(super) async fn query(global: &Global, arguments: QueryArguments) -> Result<Exit, Failure> {
    check_output(&arguments.answer)?;
    let opened = Opened::new(global)?;
    let (reader, progress) = (opened.reader(), Progress::default());
    progress.retried(&reader, || ask(&reader, &arguments, &progress)).await
}

async fn ask(
    reader: &Reader<'_>,
    arguments: &QueryArguments,
    progress: &Progress,
) -> Result<Exit, Failure> {
    let opening = Opening {
        as_of: arguments.as_of.as_deref(),
        withholding: arguments.without_personal.then(|| personal_columns(REMEDY)),
        settings: QuerySettings { memory_limit_bytes: arguments.limits.memory_limit_bytes() },
    };
    let (generation, mut session) = reader.open(opening).await?;
    reader.add_changes(&mut session, &arguments.diff)?;
    reader.add_findings(&mut session)?;
    let (last, since) = (generation.as_ref().map(Generation::id), arguments.since.as_deref());
    let Some(text) = &arguments.query else {
        return tables(&session, list_format(&arguments.answer)?);
    };
    reader.add_named(&mut session, text).await?;
    let is_j1ql = match arguments.language {
        Some(language) => language == QueryLanguage::J1ql,
        None => core_query::is_j1ql(text),
    };
    let parameters = cli::values(&arguments.parameters).map_err(Failure::usage)?;
    let question = if is_j1ql {
        Question::J1ql(reader.translate(&session, text, &parameters)?)
    } else {
        let written = |(name, value)| (name, ParameterValue::Written(value));
        Question::Sql(text, parameters.into_iter().map(written).collect())
    };
    let types = question.types_with_history(&session);
    let has_history = reader.add_history(&mut session, last, since, types).await?;
    if since.is_some() && !has_history {
        return Err(Failure::usage(
            "--since is for history: tables such as nexthink_device_history in SQL, _createdOn in J1QL",
        ));
    }
    if arguments.explain {
        output::result(question.sql());
        return Ok(Exit::Complete);
    }
    progress.record_query(reader, last, text);
    answered(reader, &session, &question, &arguments.answer, progress).await
}

/// Refuses an answer that cannot be written, before anything is asked.
pub(super) fn check_output(output: &AnswerOutput) -> Result<(), Failure> {
    match &output.out {
        Some(path) if path.exists() && !output.force => Err(Failure::usage(format!(
            "{} exists: name another file for --out, or replace it with --force",
            path.display()
        ))),
        None if output.output == AnswerFormat::Parquet && io::stdout().is_terminal() => Err(
            Failure::usage("a terminal cannot show Parquet: write it into a file with --out FILE"),
        ),
        _ => Ok(()),
    }
}

/// The form of a list, which is always printed.
pub(super) fn list_format(output: &AnswerOutput) -> Result<RowFormat, Failure> {
    let format = output.output.of_rows().filter(|_| output.out.is_none());
    format.ok_or_else(|| {
        Failure::usage(
            "a list is printed as table, json, ndjson or csv: leave out --out and Parquet",
        )
    })
}

/// The request to a session.
pub(super) enum Question<'a> {
    /// SQL as a user or this program wrote it, and the values of its parameters.
    Sql(&'a str, BTreeMap<String, ParameterValue>),
    /// A translated J1QL query.
    J1ql(Compiled),
}

impl Question<'_> {
    fn sql(&self) -> &str {
        match self {
            Self::Sql(sql, _) => sql,
            Self::J1ql(compiled) => &compiled.sql,
        }
    }

    /// The types whose history is asked for.
    fn types_with_history(&self, session: &QuerySession) -> Vec<String> {
        match self {
            // Text that is no SQL is explained when it is asked.
            Self::Sql(sql, _) => session.types_with_history(sql).unwrap_or_default(),
            Self::J1ql(compiled) => compiled.history.iter().cloned().collect(),
        }
    }

    fn ask(&self, session: &QuerySession) -> Result<QueryResult, QueryError> {
        match self {
            Self::Sql(sql, parameters) => session.sql_with(sql, parameters),
            Self::J1ql(compiled) => session.j1ql(compiled),
        }
    }
}

/// Prints the answer to a query. A reader that goes away is no failure.
pub(super) async fn answered(
    reader: &Reader<'_>,
    session: &QuerySession,
    question: &Question<'_>,
    output: &AnswerOutput,
    progress: &Progress,
) -> Result<Exit, Failure> {
    system::keep_back_memory(0);
    let asked = question.ask(session);
    system::keep_back_memory(PLANNING_BYTES);
    if let (Question::Sql(sql, _), Err(error)) = (question, &asked)
        && let Some(text) = error.render(sql)
    {
        return Err(Failure::usage(text));
    }
    printed(reader, answer(asked, output, progress).await)
}

/// Prints the answer that a question has, or tells why it has none.
pub(super) async fn print_answer(
    reader: &Reader<'_>,
    result: QueryResult,
    output: &AnswerOutput,
    progress: &Progress,
) -> Result<Exit, Failure> {
    printed(reader, answer(Ok(result), output, progress).await)
}

fn printed(
    reader: &Reader<'_>,
    answered: Result<Vec<String>, QueryError>,
) -> Result<Exit, Failure> {
    match answered {
        Err(QueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Exit::Complete)
        }
        Err(error) => Err(of_query(error, FailureKind::Configuration).into()),
        Ok(partial_tables) => {
            if !partial_tables.is_empty() {
                reader.remark(&format!(
                    "the answer is made from partial tables, which may lack rows or hold older ones: {}",
                    partial_tables.join(", ")
                ));
            }
            Ok(Exit::Complete)
        }
    }
}

/// A writer of an answer to standard output.
pub(super) fn writer(
    format: Format,
    schema: &Schema,
) -> Result<ResultWriter<impl io::Write + use<>>, QueryError> {
    let writer = ResultWriter::new(format, schema, output::writer())?;
    Ok(match output::terminal_columns() {
        Some(columns) => writer.for_terminal(columns),
        None => writer,
    })
}

/// Prints the answer. Returns the partial tables that it is made from.
async fn answer(
    result: Result<QueryResult, QueryError>,
    output: &AnswerOutput,
    progress: &Progress,
) -> Result<Vec<String>, QueryError> {
    let mut result = result?;
    // The first rows come before anything is printed: until then a failure can be mended by asking again.
    let mut batch = result.next().await?;
    progress.is_printed.set(true);
    let printed =
        Printed { writer: Box::new(output::writer()), columns: output::terminal_columns() };
    let (file, format) = (output.out.as_deref(), output.output.of_rows().map(Format::from));
    let mut answer = AnswerFile::open(file, format, &result.schema(), printed)?;
    while let Some(rows) = batch {
        answer.write(&rows)?;
        batch = result.next().await?;
    }
    answer.finish()?;
    Ok(result.partial_tables().to_vec())
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
                    .map(|column| json!({ "name": column.name, "type": column.data_type }))
                    .collect::<Vec<_>>(),
            })
        });
        return super::show::rows(tables, format);
    }
    let rows = session.tables().iter().map(|table| {
        let columns: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let lines: Vec<_> = columns.chunks(COLUMNS_A_LINE).map(|names| names.join(", ")).collect();
        let partial = if table.partial { " (partial)" } else { "" };
        [table.rows.to_string(), format!("{}{partial}", table.name), lines.join(",\n")]
    });
    let header = ["rows", "table", "columns"];
    output::result(&output::table(header, rows, header.len()));
    Ok(Exit::Complete)
}
