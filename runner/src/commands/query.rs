//! `query`: SQL and J1QL over a generation.

pub(super) mod j1ql;
mod sink;
pub(super) mod worker;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;

use arrow_schema::Schema;
use core_engine::audit::LOG;
use core_engine::ledger::Event;
use core_model::step::Step;
use core_query::{
    Compiled, Format, ParameterValue, QueryError, QueryResult, QuerySession, QuerySettings,
    ResultWriter,
};
use core_store::{Generation, GenerationId, StoreError, TenantStore};
use serde_json::json;

use self::sink::Sink;
use super::{kept, software};
use crate::cli::{self, AnswerOutput, Global, QueryArguments, QueryLanguage, RowFormat};
use crate::exit::{Exit, Failure};
use crate::{host, output, system, withheld};

/// The memory of a worker that planning needs, most of it for the stack, and the answer does not.
const PLANNING_BYTES: u64 = 96 * 1024 * 1024;

/// How many names of columns stand in one line of the list of tables.
const COLUMNS_A_LINE: usize = 6;

/// The progress of an answer: rows that were printed, and the entry of the ledger.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// True if a part of the answer may be printed, so that it cannot be asked for again.
    is_printed: Cell<bool>,
    /// True if the ledger has its entry.
    pub(super) is_recorded: Cell<bool>,
}

impl Progress {
    /// Records in the ledger, once, that a text was asked of a generation.
    pub(super) fn record(
        &self,
        global: &Global,
        tenant: &TenantStore,
        generation: Option<&GenerationId>,
        text: &str,
    ) {
        if !self.is_recorded.replace(true) {
            let generation = generation.map_or("none", GenerationId::as_str);
            let query = super::ledger_token(global, text);
            host::record_read(tenant, &Event::Query { generation, query });
        }
    }
}

/// Answers a query, or lists what can be asked.
pub(super) async fn query(global: &Global, arguments: QueryArguments) -> Result<Exit, Failure> {
    check_output(&arguments.answer)?;
    let tenant = super::tenant(global)?;
    let progress = Progress::default();
    retried(&tenant, &progress, || ask(global, &arguments, &tenant, &progress)).await
}

/// Asks, and asks again if a run has replaced files of events meanwhile.
pub(super) async fn retried<T, F>(
    tenant: &TenantStore,
    progress: &Progress,
    ask: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    core_query::after_compaction(tenant, LOG, &progress.is_printed, ask).await
}

async fn ask(
    global: &Global,
    arguments: &QueryArguments,
    tenant: &TenantStore,
    progress: &Progress,
) -> Result<Exit, Failure> {
    let opening = Opening {
        as_of: arguments.as_of.as_deref(),
        without_personal: arguments.without_personal,
        memory_limit_bytes: arguments.limits.memory_limit_bytes(),
    };
    let (generation, mut session) = opening.open(global, tenant).await?;
    super::diff::add_tables(&mut session, tenant, &arguments.diff)?;
    if let Some(book) = super::rules::read_book(tenant)? {
        let added = session.add_table(super::rules::findings_table::table(&book)?);
        added.map_err(|error| failure(error, Exit::Internal))?;
    }
    let last = generation.as_ref().map(Generation::id);
    let past = Past { tenant, last, since: arguments.since.as_deref() };
    match &arguments.query {
        Some(text) => {
            software::tables::add_named(global, &mut session, text).await?;
            let is_j1ql = match arguments.language {
                Some(language) => language == QueryLanguage::J1ql,
                None => core_query::is_j1ql(text),
            };
            let parameters = cli::values(&arguments.parameters).map_err(Failure::usage)?;
            let question = if is_j1ql {
                Question::J1ql(j1ql::translated(global, &session, text, &parameters)?)
            } else {
                let written = |(name, value)| (name, ParameterValue::Written(value));
                Question::Sql(text, parameters.into_iter().map(written).collect())
            };
            let types = question.types_with_history(&session);
            let has_history = add_history(global, &mut session, &past, types).await?;
            if arguments.since.is_some() && !has_history {
                return Err(Failure::usage(
                    "--since is for history: tables such as nexthink_device_history in SQL, _createdOn in J1QL",
                ));
            }
            if arguments.explain {
                output::result(question.sql());
                return Ok(Exit::Complete);
            }
            progress.record(global, tenant, last, text);
            answered(global, &session, &question, &arguments.answer, progress).await
        }
        None => tables(&session, list_format(&arguments.answer)?),
    }
}

/// Refuses an answer that cannot be written, before anything is opened.
pub(super) fn check_output(output: &AnswerOutput) -> Result<(), Failure> {
    sink::check(output)
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

/// What is asked, and how.
pub(super) struct Opening<'a> {
    pub(super) as_of: Option<&'a str>,
    pub(super) without_personal: bool,
    pub(super) memory_limit_bytes: usize,
}

impl Opening<'_> {
    /// Opens the tables of a generation and the events. There may be events before the first generation.
    pub(super) async fn open(
        &self,
        global: &Global,
        tenant: &TenantStore,
    ) -> Result<(Option<Generation>, QuerySession), Failure> {
        let has_events_alone = self.as_of.is_none()
            && tenant.current()?.is_none()
            && !tenant.events(LOG)?.files().is_empty();
        let generation =
            if has_events_alone { None } else { Some(super::generation(tenant, self.as_of)?) };
        let settings = QuerySettings { memory_limit_bytes: self.memory_limit_bytes };
        let internal = |error| failure(error, Exit::Internal);
        let mut session = QuerySession::empty(settings).map_err(internal)?;
        if self.without_personal {
            session = session.withholding(withheld::personal_columns(withheld::REMEDY));
        }
        if let Some(generation) = &generation {
            session.add_generation(generation).await.map_err(internal)?;
        }
        super::audit::add_events(global, &mut session, tenant).await?;
        Ok((generation, session))
    }
}

/// The generations that tables of history are made from.
pub(super) struct Past<'a> {
    pub(super) tenant: &'a TenantStore,
    /// The last of them; none before the first is published.
    pub(super) last: Option<&'a GenerationId>,
    pub(super) since: Option<&'a str>,
}

/// Adds the tables of history of some types. Returns whether there are any.
pub(super) async fn add_history(
    global: &Global,
    session: &mut QuerySession,
    past: &Past<'_>,
    types: Vec<String>,
) -> Result<bool, Failure> {
    let Some(last) = past.last else { return Ok(false) };
    if types.is_empty() {
        return Ok(false);
    }
    let since = past.since.map(kept::since).transpose()?;
    let generations = kept::up_to(past.tenant, last, since, global.quiet)?;
    let mut has_history = false;
    for type_name in types {
        let added = session.add_history(&type_name, &generations).await;
        has_history |= added.map_err(|error| failure(error, Exit::Internal))?;
    }
    if !has_history && let Some(since) = past.since {
        return Err(Failure::usage(format!(
            "there is no generation since {since}: `history` lists those that are kept"
        )));
    }
    Ok(has_history)
}

/// What a session is asked.
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
    global: &Global,
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
    printed(global, answer(asked, output, progress).await)
}

/// Prints the answer that a question has, or tells why it has none.
pub(super) async fn print_answer(
    global: &Global,
    result: QueryResult,
    output: &AnswerOutput,
    progress: &Progress,
) -> Result<Exit, Failure> {
    printed(global, answer(Ok(result), output, progress).await)
}

fn printed(global: &Global, answered: Result<Vec<String>, QueryError>) -> Result<Exit, Failure> {
    match answered {
        Err(QueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Exit::Complete)
        }
        Err(error) => Err(failure(error, Exit::Configuration)),
        Ok(partial_tables) => {
            if !partial_tables.is_empty() && !global.quiet {
                output::note(&format!(
                    "the answer is made from partial tables, which may lack rows or hold older ones: {}",
                    partial_tables.join(", ")
                ));
            }
            Ok(Exit::Complete)
        }
    }
}

/// A failure with the exit code of damage, or else another.
pub(super) fn failure(error: QueryError, otherwise: Exit) -> Failure {
    match error {
        QueryError::Store(error @ StoreError::Damaged { .. }) => error.into(),
        error => match missing_type(&error) {
            Some(message) => Failure::new(otherwise, anyhow::Error::msg(message)),
            None => Failure::new(otherwise, error),
        },
    }
}

/// Returns the message about a table that a step would make; none for other errors.
fn missing_type(error: &QueryError) -> Option<String> {
    let QueryError::UnknownTable { name, .. } = error else { return None };
    let steps = Step::all().into_iter();
    let mut makers = steps.filter(|step| step.type_names().any(|made| made == name));
    let setting = makers.find_map(Step::query)?.config_field;
    Some(format!(
        "there is no table {name} yet: it is made once `queries.{setting}` names a query and a run has read it"
    ))
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
    let mut sink = Sink::open(output, &result.schema())?;
    while let Some(rows) = batch {
        sink.write(&rows)?;
        batch = result.next().await?;
    }
    sink.finish()?;
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
        return super::show::rows(&tables.collect::<Vec<_>>(), format);
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
