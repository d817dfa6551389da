//! `query`: SQL and J1QL over a generation.

pub(super) mod worker;

use std::io::{self, IsTerminal as _};
use std::path::Path;

use arrow_schema::Schema;
use core_cli::{
    AnswerOutput, Global, QueryArguments, QueryLanguage, RowFormat, parameters_by_name,
};
use core_query::{Format, QueryError, QueryResult, QuerySession, QuerySettings, ResultWriter};
use core_reading::{
    AnswerTarget, Opening, Printed, Progress, Question, Reader, personal_columns, tables,
    write_answer,
};
use core_store::Generation;

use super::opened::Opened;
use crate::exit::{Exit, Failure};
use crate::{output, system, typed};

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
        return tables(&session, arguments.answer.list_format().map_err(Failure::usage)?);
    };
    reader.add_named(&mut session, text).await?;
    let is_j1ql = arguments.language.map(|language| language == QueryLanguage::J1ql);
    let parameters = parameters_by_name(&arguments.parameters).map_err(Failure::usage)?;
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
    output.check(Path::exists, io::stdout().is_terminal()).map_err(Failure::usage)
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
        format: output.output.of_rows().map(typed::format),
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
