//! `ask`: saved questions.

use std::collections::BTreeMap;

use core_query::questions::{Question, QuestionError, Questions};
use core_store::{Generation, TenantStore};
use serde_json::Value;

use super::query::{self, Opening, Past, Progress, add_history, j1ql};
use super::software;
use crate::cli::{self, AskArguments, Global, RowFormat};
use crate::exit::{Exit, Failure};
use crate::{config, output};

/// The folder of the user's own questions, beside the configuration.
const FOLDER: &str = "questions";

/// Lists the questions, group by group.
pub(super) fn list(global: &Global, arguments: &AskArguments) -> Result<Exit, Failure> {
    let questions = questions(global)?;
    let tag = arguments.tag.as_deref();
    let mut found: Vec<&Question> = questions.list(tag).collect();
    if let Some(tag) = tag.filter(|_| found.is_empty()) {
        let tags: Vec<&str> = questions.tags().into_iter().collect();
        return Err(Failure::usage(format!(
            "there is no question with the tag {tag}: the tags are {}",
            tags.join(", ")
        )));
    }
    found.sort_by(|one, two| (one.tags.first(), &one.id).cmp(&(two.tags.first(), &two.id)));
    let format = query::list_format(&arguments.answer)?;
    if format != RowFormat::Table {
        let rows: Result<Vec<Value>, _> = found.iter().map(serde_json::to_value).collect();
        let rows = rows.map_err(|error| Failure::new(Exit::Internal, error))?;
        return super::show::rows(&rows, format);
    }
    let rows = found.iter().map(|question| {
        let parameters = question.parameters.iter().map(|parameter| match &parameter.default {
            Some(default) => format!("{}={default}", parameter.name),
            None => parameter.name.clone(),
        });
        [
            question.tags.first().cloned().unwrap_or_default(),
            question.id.clone(),
            question.title.clone(),
            parameters.collect::<Vec<_>>().join(", "),
        ]
    });
    output::result(&output::table(["about", "question", "answers", "parameters"], rows, 4));
    Ok(Exit::Complete)
}

/// Asks one question.
pub(super) async fn ask(global: &Global, arguments: &AskArguments) -> Result<Exit, Failure> {
    let questions = questions(global)?;
    let id = arguments.question.as_deref().unwrap_or_default();
    let question = questions.find(id).map_err(failure)?;
    let given = cli::values(&arguments.parameters).map_err(Failure::usage)?;
    // Before anything is opened, which takes longer.
    question.values(&given).map_err(failure)?;
    query::check_output(&arguments.answer)?;
    let tenant = super::tenant(global)?;
    let progress = Progress::default();
    let answered = || answered(global, arguments, question, &given, &tenant, &progress);
    query::retried(&tenant, &progress, answered).await
}

async fn answered(
    global: &Global,
    arguments: &AskArguments,
    question: &Question,
    given: &BTreeMap<String, String>,
    tenant: &TenantStore,
    progress: &Progress,
) -> Result<Exit, Failure> {
    let opening = Opening {
        as_of: arguments.as_of.as_deref(),
        without_personal: arguments.without_personal,
        memory_limit_bytes: arguments.limits.memory_limit_bytes(),
    };
    let (generation, mut session) = opening.open(global, tenant).await?;
    let last = generation.as_ref().map(Generation::id);
    software::tables::add_named(global, &mut session, &question.query).await?;
    let now_ms = j1ql::now_ms();
    // What cannot be understood is explained when it is asked.
    let types = session.question_history(question, given, now_ms).unwrap_or_default();
    add_history(global, &mut session, &Past { tenant, last, since: None }, types).await?;
    if arguments.explain {
        let sql = session.question_sql(question, given, now_ms).map_err(failure)?;
        output::result(&sql);
        return Ok(Exit::Complete);
    }
    progress.record(global, tenant, last, &question.query);
    if let Ok(Some(compiled)) = session.compiled_question(question, given, now_ms) {
        j1ql::note_warnings(global, &compiled, &question.query);
    }
    let result = session.ask(question, given, now_ms).map_err(failure)?;
    query::print_answer(global, result, &arguments.answer, progress).await
}

/// The questions of the user and the shipped ones.
pub(super) fn questions(global: &Global) -> Result<Questions, Failure> {
    match config::find(global.config.as_deref()) {
        Some(source) => {
            Questions::load(&source.folder(config::ENVIRONMENT).join(FOLDER)).map_err(failure)
        }
        None => Questions::shipped().map_err(failure),
    }
}

pub(super) fn failure(error: QuestionError) -> Failure {
    match error {
        QuestionError::Query(error) => query::failure(error, Exit::Configuration),
        error => Failure::new(Exit::Configuration, error),
    }
}
