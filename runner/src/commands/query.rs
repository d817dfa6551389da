//! `query`: SQL and J1QL over a generation.

pub(super) mod worker;

use std::io::{self, IsTerminal as _};

use arrow_schema::Schema;
use core_query::{Format, QueryError, QueryResult, QuerySession, QuerySettings, ResultWriter};
use core_reading::{
    AnswerTarget, Opening, Printed, Progress, Question, Reader, personal_columns, tables,
    write_answer,
};
use core_store::Generation;

use super::opened::Opened;
use crate::cli::{
    self, AnswerFormat, AnswerOutput, Global, QueryArguments, QueryLanguage, RowFormat,
};
use crate::exit::{Exit, Failure};
use crate::{output, system};

/// The advice to the user of a command who wants to see withheld columns.
pub(super) const REMEDY: &str = "leave out --without-personal";

/// The memory of a worker that planning needs, most of it for the stack, and the answer does not.
const PLANNING_BYTES: u64 = 96 * 1024 * 1024;

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
    let is_j1ql = arguments.language.map(|language| language == QueryLanguage::J1ql);
    let parameters = cli::values(&arguments.parameters).map_err(Failure::usage)?;
    let question = Question::read(reader, &session, text, is_j1ql, parameters)?;
    question.add_history(reader, &mut session, last, since).await?;
    if arguments.explain {
        output::result(&question.sql(reader, &session)?);
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

/// Prints the answer to a query.
pub(super) async fn answered(
    reader: &Reader<'_>,
    session: &QuerySession,
    question: &Question<'_>,
    output: &AnswerOutput,
    progress: &Progress,
) -> Result<Exit, Failure> {
    system::keep_back_memory(0);
    let asked = question.ask(reader, session);
    system::keep_back_memory(PLANNING_BYTES);
    print_answer(reader, asked?, output, progress).await
}

/// Prints the rows of an answer.
pub(super) async fn print_answer(
    reader: &Reader<'_>,
    result: QueryResult,
    output: &AnswerOutput,
    progress: &Progress,
) -> Result<Exit, Failure> {
    let (writer, columns) = (Box::new(output::writer()), output::terminal_columns());
    let target = AnswerTarget {
        file: output.out.as_deref(),
        format: output.output.of_rows().map(Format::from),
        printed: Printed { writer, columns },
    };
    write_answer(reader, result, target, progress).await?;
    Ok(Exit::Complete)
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

/// Lists the tables.
fn tables(session: &QuerySession, format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        return super::show::rows(tables::table_objects(session), format);
    }
    output::result(&tables::table_list(session, output::terminal_columns()));
    Ok(Exit::Complete)
}
