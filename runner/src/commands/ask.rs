//! `ask`: saved questions.

use std::collections::BTreeMap;

use core_cli::{AskArguments, Global, parameters_by_name};
use core_query::QuerySettings;
use core_query::questions::{Question, Questions};
use core_reading::{Opening, Progress, Reader, of_question, personal_columns};
use core_store::Generation;
use serde_json::Value;

use super::opened::{self, Opened};
use super::query;
use crate::exit::{Exit, Failure};
use crate::output;

/// Lists the questions, group by group.
pub(super) fn list(global: &Global, arguments: &AskArguments) -> Result<Exit, Failure> {
    let questions = questions(global)?;
    let found = questions.grouped(arguments.tag.as_deref()).map_err(of_question)?;
    let format = arguments.answer.list_format().map_err(Failure::usage)?;
    let objects: Result<Vec<Value>, _> = found.iter().map(serde_json::to_value).collect();
    let objects = objects.map_err(|error| Failure::new(Exit::Internal, error))?;
    let cells = found.iter().map(|question| question.cells());
    super::show::list(format, objects, Question::HEADER, cells, 4)
}

/// Asks one question.
pub(super) async fn ask(global: &Global, arguments: &AskArguments) -> Result<Exit, Failure> {
    let questions = questions(global)?;
    let id = arguments.question.as_deref().unwrap_or_default();
    let question = questions.find(id).map_err(of_question)?;
    if arguments.file {
        let text = question.file().map_err(|error| Failure::new(Exit::Internal, error))?;
        output::result(&text);
        return Ok(Exit::Complete);
    }
    let given = parameters_by_name(&arguments.parameters).map_err(Failure::usage)?;
    // Before anything is opened, which takes longer.
    question.values(&given).map_err(of_question)?;
    query::check_output(&arguments.answer)?;
    let opened = Opened::new(global)?;
    let (reader, progress) = (opened.reader(), Progress::default());
    let answered = || answered(&reader, arguments, question, &given, &progress);
    progress.retried(&reader, answered).await
}

async fn answered(
    reader: &Reader<'_>,
    arguments: &AskArguments,
    question: &Question,
    given: &BTreeMap<String, String>,
    progress: &Progress,
) -> Result<Exit, Failure> {
    let opening = Opening {
        as_of: arguments.as_of.as_deref(),
        withholding: arguments.without_personal.then(|| personal_columns(query::REMEDY)),
        settings: QuerySettings { memory_limit_bytes: arguments.limits.memory_limit_bytes() },
    };
    let (generation, mut session) = reader.open(opening).await?;
    let last = generation.as_ref().map(Generation::id);
    reader.add_named(&mut session, &question.query).await?;
    let asked = core_reading::Question::Saved(question, given);
    asked.add_history(reader, &mut session, last, None).await?;
    if arguments.explain {
        output::result(&asked.sql(reader, &session)?);
        return Ok(Exit::Complete);
    }
    progress.record_query(reader, last, &question.query);
    let result = asked.ask(reader, &session)?;
    query::print_answer(reader, result, &arguments.answer, progress).await
}

/// The questions of the user and the shipped ones.
fn questions(global: &Global) -> Result<Questions, Failure> {
    Ok(core_reading::questions(Some(&opened::folder(global)))?)
}
