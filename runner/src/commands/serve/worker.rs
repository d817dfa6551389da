//! The process that answers one query of the explorer: reads the query from standard input and writes the answer
//! to standard output. Its parent limits its time, and the system its memory.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write};

use core_engine::ledger::Event;
use core_explorer::{AnswerFormat, AnswerHead, Asked, WorkerRequest};
use core_query::questions::Question;
use core_query::{
    ColumnInfo, Format, QueryError, QueryResult, QuerySession, QuerySettings, ResultWriter,
};
use core_store::{Generation, Store, TenantStore};
use serde_json::{Value, json};

use super::session;
use crate::cli::{Global, ServeArguments};
use crate::commands::{as_of, ask, demo, diff, kept, query, software};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::host;
use crate::output;
use crate::system;

/// The longest request. Bytes.
const MAX_REQUEST_BYTES: u64 = 1024 * 1024;

/// The most bytes of rows in an answer in JSON.
const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

/// Answers the query on standard input.
pub(in crate::commands) async fn answer(
    global: &Global,
    arguments: &ServeArguments,
) -> Result<Exit, Failure> {
    let mut text = String::new();
    let input = io::stdin().lock().take(MAX_REQUEST_BYTES).read_to_string(&mut text);
    input.map_err(anyhow::Error::new)?;
    let request: WorkerRequest = serde_json::from_str(&text).map_err(anyhow::Error::new)?;
    let mut out = output::writer();
    let terms =
        Terms { memory_limit_bytes: arguments.memory_limit_bytes(), remedy: session::REMEDY };
    if let Err(failure) = answered(global, terms, &request, &mut out).await {
        // The parent shows the error on the page; the exit code only says that this process has ended as it
        // should.
        let written = head(&mut out, false).and_then(|()| write!(out, "{:#}", failure.error));
        written.and_then(|()| out.flush()).map_err(anyhow::Error::new)?;
    }
    Ok(Exit::Complete)
}

/// How a query is answered.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Terms {
    pub(in crate::commands) memory_limit_bytes: usize,
    /// What to do for personal columns, where they are left out.
    pub(in crate::commands) remedy: &'static str,
}

/// Writes the head and the answer to a query.
pub(in crate::commands) async fn answered(
    global: &Global,
    terms: Terms,
    request: &WorkerRequest,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let questions;
    let (question, text) = match &request.query {
        Asked::Query(text) => (None, text),
        Asked::Question(id) => {
            questions = ask::questions(global)?;
            let question = questions.find(id).map_err(ask::failure)?;
            (Some(question), &question.query)
        }
    };
    let tenant = tenant(global, &request.tenant)?;
    let generation = generation(&tenant, request.as_of.as_deref())?;
    let Terms { memory_limit_bytes, remedy } = terms;
    let settings = QuerySettings { memory_limit_bytes };
    let (role, generation_read) = (request.role, generation.as_ref());
    let mut session =
        session::open(global, &tenant, generation_read, role, remedy, settings).await?;
    if let Some(generation) = &generation {
        software::tables::add_named(global, &mut session, text).await?;
        let types = types_with_history(&session, question, text, request);
        add_history(&mut session, &tenant, generation, types).await?;
        if let Some(before) = &request.compare_with {
            let names = [before.clone(), generation.id().to_string()];
            diff::add_tables(&mut session, &tenant, &names)?;
        }
    }
    let id = generation.as_ref().map(|generation| generation.id().as_str());
    let event = Event::ExplorerQuery {
        generation: id.unwrap_or("none"),
        query: crate::commands::ledger_token(global, text),
        user: &request.user,
    };
    let refused = |error| query::failure(error, Exit::Configuration);
    let record = || host::record_read(&tenant, &event);
    let (sql, warnings, result) = started(&session, question, text, request, record)?;
    let facts = Facts { sql, warnings, generation: id.map(str::to_owned) };
    match request.format {
        AnswerFormat::Csv => csv(result, out).await,
        AnswerFormat::Json { limit } => rows(result, limit, facts, out).await,
    }
    .map_err(refused)
}

/// Starts a question or query, and records it once it is understood. Returns its SQL and what may not be meant.
fn started(
    session: &QuerySession,
    question: Option<&Question>,
    text: &str,
    request: &WorkerRequest,
    record: impl FnOnce(),
) -> Result<(String, Vec<String>, QueryResult), Failure> {
    let refused = |error| query::failure(error, Exit::Configuration);
    let now_ms = system::now_ms();
    let parameters = &request.parameters;
    if let Some(question) = question {
        let sql = session.question_sql(question, parameters, now_ms).map_err(ask::failure)?;
        record();
        let result = session.ask(question, parameters, now_ms).map_err(ask::failure)?;
        return Ok((sql, Vec::new(), result));
    }
    if !core_query::is_j1ql(text) {
        record();
        return Ok((text.to_owned(), Vec::new(), session.sql(text).map_err(refused)?));
    }
    let environment = core_query::Environment { now_ms, parameters };
    let compiled = session
        .compile_j1ql(text, environment)
        .map_err(|error| Failure::usage(error.render(text)))?;
    let warnings = compiled.warnings.iter().map(|warning| warning.render(text)).collect();
    record();
    let result = session.j1ql(&compiled).map_err(refused)?;
    Ok((compiled.sql, warnings, result))
}

/// The types whose history is asked for. What cannot be understood is explained when it is asked.
fn types_with_history(
    session: &QuerySession,
    question: Option<&Question>,
    text: &str,
    request: &WorkerRequest,
) -> Vec<String> {
    let (now_ms, parameters) = (system::now_ms(), &request.parameters);
    if let Some(question) = question {
        return session.question_history(question, parameters, now_ms).unwrap_or_default();
    }
    if !core_query::is_j1ql(text) {
        return session.types_with_history(text).unwrap_or_default();
    }
    let compiled = session.compile_j1ql(text, core_query::Environment { now_ms, parameters });
    compiled.map(|compiled| compiled.history.into_iter().collect()).unwrap_or_default()
}

/// Adds the tables of history of some types.
async fn add_history(
    session: &mut QuerySession,
    tenant: &TenantStore,
    generation: &Generation,
    types: Vec<String>,
) -> Result<(), Failure> {
    if types.is_empty() {
        return Ok(());
    }
    let generations = kept::up_to(tenant, generation.id(), None, true)?;
    for type_name in types {
        let added = session.add_history(&type_name, &generations).await;
        added.map_err(|error| query::failure(error, Exit::Internal))?;
    }
    Ok(())
}

/// What an answer says besides its rows.
struct Facts {
    sql: String,
    warnings: Vec<String>,
    generation: Option<String>,
}

fn head(out: &mut impl Write, ok: bool) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &AnswerHead { ok })?;
    out.write_all(b"\n")
}

async fn csv(mut result: QueryResult, out: &mut impl Write) -> Result<(), QueryError> {
    // The first rows show most errors, before the answer has begun.
    let first = result.next().await?;
    head(out, true)?;
    let mut writer = ResultWriter::new(Format::Csv, &result.schema(), &mut *out)?;
    let mut next = first;
    while let Some(batch) = next {
        writer.write(&batch)?;
        next = result.next().await?;
    }
    writer.finish()?;
    Ok(())
}

/// Writes the first rows and counts the others.
async fn rows(
    mut result: QueryResult,
    limit: usize,
    facts: Facts,
    out: &mut impl Write,
) -> Result<(), QueryError> {
    let schema = result.schema();
    let mut writer = ResultWriter::new(Format::Ndjson, &schema, Vec::new())?;
    let (mut written, mut total, mut bytes) = (0, 0_u64, 0);
    while let Some(batch) = result.next().await? {
        total += batch.num_rows() as u64;
        let room = if bytes < MAX_ROW_BYTES { limit - written } else { 0 };
        let batch = batch.slice(0, room.min(batch.num_rows()));
        if batch.num_rows() > 0 {
            bytes += batch.get_array_memory_size();
            writer.write(&batch)?;
            written += batch.num_rows();
        }
    }
    let rows = writer.finish()?;
    let rows: Vec<&[u8]> =
        rows.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let columns = core_query::columns(&schema);
    let columns = columns
        .iter()
        .map(|ColumnInfo { name, data_type }| json!({ "name": name, "type": data_type }));
    let facts = BTreeMap::from([
        ("columns", Value::Array(columns.collect())),
        ("generation", json!(facts.generation)),
        ("partialTables", json!(result.partial_tables())),
        ("sql", json!(facts.sql)),
        ("total", json!(total)),
        ("warnings", json!(facts.warnings)),
    ]);
    head(out, true)?;
    out.write_all(b"{")?;
    for (name, value) in facts {
        write!(out, "\"{name}\":{value},")?;
    }
    out.write_all(b"\"rows\":[")?;
    out.write_all(&rows.join(&b','))?;
    out.write_all(b"]}\n")?;
    out.flush()?;
    Ok(())
}

/// A tenant of the store by its name. The parent has checked that it may be shown.
fn tenant(global: &Global, name: &str) -> Result<TenantStore, Failure> {
    let location = match config::find(global.config.as_deref()) {
        Some(source) => config::load(&source)?.settings.store,
        None => core_store::Location::Folder(demo::STORE.into()),
    };
    Ok(Store::open(location)?.tenant(name)?)
}

/// The generation to ask; none if there is none yet, but events.
fn generation(tenant: &TenantStore, as_of: Option<&str>) -> Result<Option<Generation>, Failure> {
    match as_of {
        Some(as_of) => as_of::open(tenant, as_of).map(Some),
        None => Ok(tenant.current()?),
    }
}
