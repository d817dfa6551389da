//! The rows of rules, from a process of its own.
//!
//! A query can take the memory or the stack of its process (`commands/query/worker.rs`). A rule must not do
//! that to the run that evaluates it, so another process asks, under the same limits. It prints for each
//! rule a line with its columns and tables, a line for each row, and a line for its end; lines that are no
//! rows begin with `#`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use core_engine::FailureKind;
use core_query::{
    Environment, Format, QueryError, QueryResult, QuerySession, QuerySettings, ResultWriter,
};
use core_reading::{Reader, of_query};
use core_rules::book::Outcome;
use core_rules::fingerprint::Fingerprints;
use core_rules::library::KnownRule;
use core_rules::observation::Observer;
use core_rules::rule::{Language, Rule, RuleQuery};
use serde::{Deserialize, Serialize};

use super::asked::AskedQuestions;
use super::status_table;
use crate::cli::Global;
use crate::commands::opened::Opened;
use crate::exit::{Exit, Failure};
use crate::system::{self, now_ms};
use crate::{config, output};

/// The memory that the queries of rules may hold together.
pub(crate) const MEMORY_BYTES: usize = 512 * 1024 * 1024;
/// The time that one rule may take.
const RULE_DEADLINE: Duration = Duration::from_mins(2);
/// The time that all rules may take.
const DEADLINE: Duration = Duration::from_mins(10);
/// The longest line that is read. Bytes.
const MAX_LINE: u64 = 4 * 1024 * 1024;

/// A line that is no row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    /// The rows of a rule follow.
    Rows { rule: String, columns: Vec<String>, reads: Vec<String>, partial: Vec<String> },
    /// All rows of the rule were printed.
    End { rule: String },
    /// The rule has no rows, or not all of them.
    Failed { rule: String, reason: String },
}

/// The answers to rules' queries, by rule.
pub(super) struct Answers {
    outcomes: BTreeMap<String, Outcome>,
    /// The reason for which there is none for the others.
    otherwise: String,
}

impl Answers {
    /// The answer for a rule.
    pub(super) fn take(&mut self, rule: &str) -> Outcome {
        let outcome = self.outcomes.remove(rule);
        outcome.unwrap_or_else(|| Outcome::Failed { reason: self.otherwise.clone() })
    }
}

/// Asks the queries of rules in a process of its own.
pub(super) async fn ask(global: &Global, rules: &[&Rule], fingerprints: &Fingerprints) -> Answers {
    if rules.is_empty() {
        return Answers { outcomes: BTreeMap::new(), otherwise: String::new() };
    }
    let failed = |otherwise: String| Answers { outcomes: BTreeMap::new(), otherwise };
    let mut child = match start(global, rules) {
        Ok(child) => child,
        Err(error) => return failed(format!("no process can be started for it: {error}")),
    };
    let (Some(out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
        return failed("no process can be started for it".to_owned());
    };
    let child = Arc::new(Mutex::new(Worker(child)));
    let owned: Vec<Rule> = rules.iter().map(|rule| (*rule).clone()).collect();
    let fingerprints = fingerprints.clone();
    let reading = tokio::task::spawn_blocking(move || read(out, &owned, &fingerprints));
    let complaints = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        let _ = err.by_ref().take(64 * 1024).read_to_string(&mut text);
        text
    });
    let ended = tokio::time::timeout(DEADLINE, reading).await;
    let otherwise = match &ended {
        Err(_) => {
            format!("the rules took longer than {} minutes together", DEADLINE.as_secs() / 60)
        }
        Ok(_) => {
            "its process ended early: its query needs too much memory, or is too deep".to_owned()
        }
    };
    child.lock().unwrap_or_else(PoisonError::into_inner).end();
    let complaints = complaints.await.unwrap_or_default();
    let complaint = complaints.lines().find_map(|line| line.strip_prefix("error: "));
    let otherwise = complaint.map_or(otherwise, str::to_owned);
    let outcomes = ended.ok().and_then(Result::ok).unwrap_or_default();
    Answers { outcomes, otherwise }
}

/// The process while it runs. Dropped, it is killed.
struct Worker(Child);

impl Worker {
    fn end(&mut self) {
        // Both fail only for one that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

fn start(global: &Global, rules: &[&Rule]) -> std::io::Result<Child> {
    let mut command = system::own_program()?;
    command.args(["--worker", "--quiet"]);
    command.args(config::own_words(global.config.as_deref()));
    command.args(["rules", "evaluate"]).args(rules.iter().map(|rule| &rule.id));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

/// Reads what the process prints. Rules that have no end are not among the answers.
fn read(
    out: impl std::io::Read,
    rules: &[Rule],
    fingerprints: &Fingerprints,
) -> BTreeMap<String, Outcome> {
    let mut outcomes = BTreeMap::new();
    let mut lines = BufReader::new(out);
    let mut current: Option<(&Rule, Reading<'_>)> = None;
    let mut text = String::new();
    loop {
        text.clear();
        match lines.by_ref().take(MAX_LINE).read_line(&mut text) {
            Ok(0) | Err(_) => return outcomes,
            Ok(_) => {}
        }
        let Some(line) = text.strip_prefix('#') else {
            if let Some((_, reading)) = &mut current {
                reading.take(&text);
            }
            continue;
        };
        match serde_json::from_str(line) {
            Ok(Line::Rows { rule, columns, reads, partial }) => {
                let found = rules.iter().find(|known| known.id == rule);
                current = found
                    .map(|rule| (rule, Reading::new(rule, fingerprints, &columns, reads, partial)));
            }
            Ok(Line::End { .. }) => {
                if let Some((rule, reading)) = current.take() {
                    outcomes.insert(rule.id.clone(), reading.finish());
                }
            }
            Ok(Line::Failed { rule, reason }) => {
                current = None;
                outcomes.insert(rule, Outcome::Failed { reason });
            }
            Err(_) => return outcomes,
        }
    }
}

/// The rows of one rule as they come.
struct Reading<'a> {
    observer: Result<Observer<'a>, String>,
    reads: Vec<String>,
    partial: Vec<String>,
}

impl<'a> Reading<'a> {
    fn new(
        rule: &'a Rule,
        fingerprints: &'a Fingerprints,
        columns: &[String],
        reads: Vec<String>,
        partial: Vec<String>,
    ) -> Self {
        let observer = Observer::new(rule, fingerprints, columns);
        Self { observer: observer.map_err(|error| error.to_string()), reads, partial }
    }

    fn take(&mut self, line: &str) {
        let Ok(observer) = &mut self.observer else { return };
        let row = serde_json::from_str(line).map_err(|_| "a row cannot be read".to_owned());
        let taken = row.and_then(|row| observer.take(&row).map_err(|error| error.to_string()));
        if let Err(reason) = taken {
            self.observer = Err(reason);
        }
    }

    fn finish(self) -> Outcome {
        match self.observer {
            Ok(observer) => Outcome::Rows {
                observed: observer.finish(),
                reads: self.reads,
                partial: self.partial,
            },
            Err(reason) => Outcome::Failed { reason },
        }
    }
}

/// Prints the rows of rules; this is the other process.
pub(super) async fn work(global: &Global, ids: &[String]) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let mut session = session(global, &reader).await?;
    let library = super::library(global);
    let is_asked = |known: &&KnownRule| ids.contains(&known.rule.id);
    let rules: Vec<&Rule> =
        library.rules.iter().filter(is_asked).map(|known| &known.rule).collect();
    let queries: Vec<&RuleQuery> = rules.iter().map(|rule| &rule.query).collect();
    let questions = AskedQuestions::load(global);
    // Without history only the rules that read it fail, and say that the table is not there.
    let _ = questions.add_history(&reader, &mut session, &queries).await;
    let mut out = output::writer();
    for rule in rules {
        let answering = async {
            // Without the user's files only the rules that read them fail.
            let added = reader.add_named(&mut session, text(rule)).await;
            added.map_err(|failure| format!("{:#}", Failure::from(failure).error))?;
            answer(&session, &questions, rule, &mut out).await
        };
        let answered = match tokio::time::timeout(RULE_DEADLINE, answering).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("its query took longer than {} s", RULE_DEADLINE.as_secs())),
        };
        let line = match answered {
            Ok(()) => Line::End { rule: rule.id.clone() },
            Err(reason) => Line::Failed { rule: rule.id.clone(), reason },
        };
        print(&mut out, &line).map_err(anyhow::Error::new)?;
    }
    out.flush().map_err(anyhow::Error::new)?;
    Ok(Exit::Complete)
}

/// The query of a rule, or what its question asks.
fn text(rule: &Rule) -> &str {
    match &rule.query {
        RuleQuery::Text { text, .. } => text,
        RuleQuery::Question { asked, .. } => asked,
    }
}

fn print(out: &mut impl Write, line: &Line) -> std::io::Result<()> {
    writeln!(out, "#{}", serde_json::to_string(line).map_err(std::io::Error::other)?)
}

/// A session on what is published, the events and the state of the program's own work.
async fn session(global: &Global, reader: &Reader<'_>) -> Result<QuerySession, Failure> {
    let settings = QuerySettings { memory_limit_bytes: MEMORY_BYTES };
    let session = match reader.tenant.current()? {
        Some(generation) => QuerySession::open(&generation, settings).await,
        None => QuerySession::empty(settings),
    };
    let failed = |error| Failure::from(of_query(error, FailureKind::Internal));
    let mut session = session.map_err(failed)?;
    reader.add_events(&mut session).await?;
    session.add_table(status_table::table(global, reader.tenant)).map_err(failed)?;
    Ok(session)
}

/// Prints the rows of a rule, without its end.
async fn answer(
    session: &QuerySession,
    questions: &AskedQuestions,
    rule: &Rule,
    out: &mut impl Write,
) -> Result<(), String> {
    let said = |error: QueryError| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let mut result = start_query(session, questions, rule)?;
    let schema = result.schema();
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let line = Line::Rows {
        rule: rule.id.clone(),
        columns,
        reads: result.tables().to_vec(),
        partial: result.partial_tables().to_vec(),
    };
    print(out, &line).map_err(|error| error.to_string())?;
    let writer = ResultWriter::new(Format::Ndjson, &schema, &mut *out);
    let mut writer = writer.map_err(said)?;
    while let Some(batch) = result.next().await.map_err(said)? {
        writer.write(&batch).map_err(said)?;
    }
    writer.finish().map_err(said)?;
    Ok(())
}

fn start_query(
    session: &QuerySession,
    questions: &AskedQuestions,
    rule: &Rule,
) -> Result<QueryResult, String> {
    // A table that a step would make is named with the setting that lacks.
    let said = |error: QueryError| {
        format!("{:#}", Failure::from(of_query(error, FailureKind::Internal)).error)
    };
    match &rule.query {
        RuleQuery::Text { language: Language::Sql, text } => session.sql(text).map_err(said),
        RuleQuery::Text { language: Language::J1ql, text } => {
            let parameters = BTreeMap::new();
            let environment = Environment { now_ms: now_ms(), parameters: &parameters };
            let compiled = session.compile_j1ql(text, environment);
            let compiled = compiled.map_err(|error| error.render(text))?;
            session.j1ql(&compiled).map_err(said)
        }
        RuleQuery::Question { name, parameters, .. } => questions.ask(session, name, parameters),
    }
}
