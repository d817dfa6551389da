//! Answers one query of the explorer, for the process that does nothing else: its parent limits its time, and the system
//! its memory.

use std::collections::BTreeMap;
use std::io::{self, Write};

use core_engine::ledger::Event;
use core_engine::{Failure, FailureKind};
use core_explorer::{AnswerFormat, AnswerHead, Asked, Role, WorkerRequest};
use core_query::questions::Question;
use core_query::{
    ColumnInfo, Format, QueryError, QueryResult, QuerySession, QuerySettings, ResultWriter,
};
use core_store::Generation;
use serde_json::{Value, json};

use crate::changes::volatile;
use crate::failure::{internal, of_query, of_question};
use crate::reader::{Reader, left_out};
use crate::withheld::personal_columns;

/// The most bytes of rows in an answer in JSON.
const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

/// The terms on which a query is answered.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The memory that the query may use.
    pub memory_limit_bytes: usize,
    /// The advice how to see personal columns, where they are left out.
    pub remedy: &'static str,
}

/// Opens a generation and what is beside it, as far as there is any. A viewer sees no personal columns; `remedy` says
/// how to see them.
///
/// # Errors
///
/// A file cannot be read.
pub async fn open_session(
    reader: &Reader<'_>,
    generation: Option<&Generation>,
    role: Role,
    remedy: &str,
    settings: QuerySettings,
) -> Result<QuerySession, Failure> {
    let session = QuerySession::empty(settings).map_err(internal)?.with_volatile(volatile());
    let withholding = (role == Role::Viewer).then(|| personal_columns(remedy));
    let mut session = reader.open_on(session, withholding, generation).await?;
    reader.add_findings(&mut session)?;
    Ok(session)
}

/// Writes the head and the answer to a query.
///
/// # Errors
///
/// The query cannot be answered.
pub async fn answered(
    reader: &Reader<'_>,
    terms: Terms,
    request: &WorkerRequest,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let questions;
    let (question, text) = match &request.query {
        Asked::Query(text) => (None, text),
        Asked::Question(id) => {
            questions = reader.questions()?;
            let question = questions.find(id).map_err(of_question)?;
            (Some(question), &question.query)
        }
    };
    // There may be events before the first generation.
    let generation = match request.as_of.as_deref() {
        Some(as_of) => Some(reader.generation(Some(as_of))?),
        None => reader.tenant.current()?,
    };
    let Terms { memory_limit_bytes, remedy } = terms;
    let settings = QuerySettings { memory_limit_bytes };
    let opened = open_session(reader, generation.as_ref(), request.role, remedy, settings);
    let mut session = opened.await?;
    let now_ms = reader.host.now_ms();
    let parameters = &request.parameters;
    let asked = AskedQuery { question, text, parameters, now_ms };
    if let Some(generation) = &generation {
        reader.add_named(&mut session, text).await?;
        let types = asked.types_with_history(&session);
        reader.add_history(&mut session, Some(generation.id()), None, types).await?;
        if let Some(before) = &request.compare_with {
            reader.add_changes(&mut session, &[before.clone(), generation.id().to_string()])?;
        }
    }
    let id = generation.as_ref().map(|generation| generation.id().as_str());
    let event = Event::ExplorerQuery {
        generation: id.unwrap_or("none"),
        query: reader.ledger_token(text),
        user: &request.user,
    };
    let (sql, warnings, result) = asked.start(&session, || reader.record(&event))?;
    let facts = Facts { sql, warnings, generation: id.map(str::to_owned) };
    match request.format {
        AnswerFormat::Csv => csv(result, out).await,
        AnswerFormat::Json { limit } => rows(result, limit, facts, out).await,
    }
    .map_err(refused)
}

/// Writes the head of an answer that there is none of, and why.
///
/// # Errors
///
/// It cannot be written.
pub fn refuse(error: &anyhow::Error, out: &mut impl Write) -> io::Result<()> {
    head(out, false)?;
    write!(out, "{error:#}")?;
    out.flush()
}

fn refused(error: QueryError) -> Failure {
    of_query(error, FailureKind::Configuration)
}

/// A query or saved question, and the values of its parameters.
#[derive(Clone, Copy)]
struct AskedQuery<'a> {
    question: Option<&'a Question>,
    text: &'a str,
    parameters: &'a BTreeMap<String, String>,
    now_ms: i64,
}

impl AskedQuery<'_> {
    /// Starts it, and records it once it is understood. Returns its SQL and what may not be meant.
    fn start(
        self,
        session: &QuerySession,
        record: impl FnOnce(),
    ) -> Result<(String, Vec<String>, QueryResult), Failure> {
        let Self { question, text, parameters, now_ms } = self;
        if let Some(question) = question {
            let sql = session.question_sql(question, parameters, now_ms).map_err(of_question)?;
            let compiled = session.compiled_question(question, parameters, now_ms);
            let compiled = compiled.map_err(of_question)?;
            record();
            let result = session.ask(question, parameters, now_ms).map_err(of_question)?;
            let warnings = compiled.iter().flat_map(|compiled| &compiled.warnings);
            let warnings = warnings.map(|warning| warning.render(&question.query));
            return Ok((sql, warnings.chain(left_out(&result)).collect(), result));
        }
        if !core_query::is_j1ql(text) {
            record();
            return Ok((text.to_owned(), Vec::new(), session.sql(text).map_err(refused)?));
        }
        let environment = core_query::Environment { now_ms, parameters };
        let compiled = session
            .compile_j1ql(text, environment)
            .map_err(|error| Failure::configuration(error.render(text)))?;
        let warnings = compiled.warnings.iter().map(|warning| warning.render(text)).collect();
        record();
        let result = session.j1ql(&compiled).map_err(refused)?;
        Ok((compiled.sql, warnings, result))
    }

    /// Returns the types whose history is asked for. What cannot be understood is explained when it is asked.
    fn types_with_history(self, session: &QuerySession) -> Vec<String> {
        let Self { question, text, parameters, now_ms } = self;
        if let Some(question) = question {
            return session.question_history(question, parameters, now_ms).unwrap_or_default();
        }
        if !core_query::is_j1ql(text) {
            return session.types_with_history(text).unwrap_or_default();
        }
        let compiled = session.compile_j1ql(text, core_query::Environment { now_ms, parameters });
        compiled.map(|compiled| compiled.history.into_iter().collect()).unwrap_or_default()
    }
}

/// The facts of an answer besides its rows.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, IDS};

    fn request(query: &str, format: AnswerFormat) -> WorkerRequest {
        WorkerRequest {
            tenant: "acme".to_owned(),
            query: Asked::Query(query.to_owned()),
            parameters: BTreeMap::new(),
            as_of: None,
            compare_with: None,
            format,
            user: "helpdesk".to_owned(),
            role: Role::Viewer,
        }
    }

    async fn answer_to(fixture: &Fixture, request: &WorkerRequest) -> Result<String, String> {
        let terms = Terms { memory_limit_bytes: 64 << 20, remedy: "ask the operator" };
        let mut out = Vec::new();
        let reader = fixture.reader(None);
        let answering = answered(&reader, terms, request, &mut out);
        answering.await.map_err(|failure| format!("{:#}", failure.error))?;
        Ok(String::from_utf8(out).expect("it is text"))
    }

    #[tokio::test]
    async fn an_answer_has_a_head_its_first_rows_and_the_number_of_all() {
        let fixture = Fixture::new(2);
        let sql = "select column1 as n from (values (1), (2), (3)) order by n";
        let answer = answer_to(&fixture, &request(sql, AnswerFormat::Json { limit: 2 })).await;
        let answer = answer.expect("it can be asked");
        let (head, body) = answer.split_once('\n').expect("it has a head");
        assert_eq!(head, r#"{"ok":true}"#);
        let body: Value = serde_json::from_str(body).expect("it is one object");
        assert_eq!(body["rows"], json!([{ "n": 1 }, { "n": 2 }]));
        assert_eq!(body["total"], json!(3));
        assert_eq!(body["generation"], json!(IDS[1]));
        assert_eq!(body["columns"][0]["name"], json!("n"));
        let answer = answer_to(&fixture, &request(sql, AnswerFormat::Csv)).await;
        assert_eq!(answer.as_deref(), Ok("{\"ok\":true}\nn\r\n1\r\n2\r\n3\r\n"));
        let entries = fixture.tenant.ledger().entries().expect("it can be read");
        let asked = entries.iter().filter(|entry| entry.record.event == "explorer_query");
        assert_eq!(asked.count(), 1, "the same query has one entry");
    }

    #[tokio::test]
    async fn a_saved_question_is_answered_with_the_warnings_of_its_query() {
        let fixture = Fixture::estate();
        let question = "[[question]]\nid = 'own'\ntitle = 'Which?'\nlanguage = 'j1ql'\n\
            query = \"FIND nexthink_device WITH nme = 'LAP-1' AS d RETURN d._key\"\n";
        let own = fixture.folder.path().join("questions");
        core_files::create_folder(&own).expect("it is ours");
        core_files::replace_file(&own.join("own.toml"), question.as_bytes()).expect("it is ours");
        let request = WorkerRequest {
            query: Asked::Question("own".to_owned()),
            ..request("", AnswerFormat::Json { limit: 2 })
        };
        let terms = Terms { memory_limit_bytes: 64 << 20, remedy: "ask the operator" };
        let (reader, mut out) = (fixture.reader(Some(fixture.folder.path())), Vec::new());
        let answered = answered(&reader, terms, &request, &mut out).await;
        answered.map_err(|failure| failure.error).expect("it can be asked");
        let text = String::from_utf8(out).expect("it is text");
        let (_, body) = text.split_once('\n').expect("it has a head");
        let body: Value = serde_json::from_str(body).expect("it is one object");
        let warning = body["warnings"][0].as_str().unwrap_or_default();
        assert!(warning.starts_with("nothing here has the property nme"), "{body}");
    }

    #[tokio::test]
    async fn what_cannot_be_asked_has_no_head_and_is_not_in_the_ledger() {
        let fixture = Fixture::new(1);
        let json = AnswerFormat::Json { limit: 2 };
        for query in ["FIND", "FIND nexthink_nothing WITH"] {
            let refused = answer_to(&fixture, &request(query, json)).await;
            assert!(refused.is_err(), "{query}: {refused:?}");
        }
        let other = WorkerRequest {
            query: Asked::Question("no-such-question".to_owned()),
            ..request("", json)
        };
        let refused = answer_to(&fixture, &other).await.expect_err("there is none");
        assert!(refused.contains("no-such-question"), "{refused}");
        let early =
            WorkerRequest { as_of: Some("2026-01-01".to_owned()), ..request("select 1", json) };
        let refused = answer_to(&fixture, &early).await.expect_err("nothing is that old");
        assert!(refused.contains("there is no generation"), "{refused}");
        assert!(fixture.tenant.ledger().entries().expect("it can be read").is_empty());
    }

    #[test]
    fn a_refusal_is_told_after_a_head_of_its_own() {
        let mut out = Vec::new();
        let error = anyhow::anyhow!("the cause").context("it failed");
        refuse(&error, &mut out).expect("there is room");
        assert_eq!(String::from_utf8_lossy(&out), "{\"ok\":false}\nit failed: the cause");
    }
}
