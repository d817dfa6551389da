//! `rules`: what is looked for in each generation, and evaluating it.

mod asked;
mod evaluate;
mod report;
mod status_table;
pub(super) mod worker;

use std::path::PathBuf;

use core_rules::book::{Book, BookError};
use core_rules::library::{KnownRule, Library, Origin, SwitchError};
use core_rules::rule::RuleQuery;
use core_store::{DeliveryLock, TenantStore};
use core_terminal::count;
use serde_json::{Value, json};

use self::asked::AskedQuestions;
pub(super) use self::evaluate::{evaluate, failure_of};
pub(super) use self::report::RulesReport;
use crate::cli::{Global, ReportFormat, RowFormat, RulesCommand, RulesRunArguments};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::host;
use crate::output;

/// The folder with rules, beside the configuration.
const FOLDER: &str = "rules";

/// Does what the command line says.
pub(super) async fn dispatch(global: &Global, command: RulesCommand) -> Result<Exit, Failure> {
    match command {
        RulesCommand::List { output } => list(global, output.output),
        RulesCommand::Explain { id, file, output } => explain(global, &id, file, output),
        RulesCommand::Enable { ids } => switch(global, &ids, true),
        RulesCommand::Disable { ids } => switch(global, &ids, false),
        RulesCommand::Test { ids, output } => test(global, &ids, output),
        RulesCommand::Run(arguments) => run_now(global, &arguments).await,
        RulesCommand::Evaluate { ids } => worker::work(global, &ids).await,
    }
}

/// The folder of the rules that are files.
pub(super) fn folder(global: &Global) -> PathBuf {
    let source = config::find(global.config.as_deref());
    source.map_or_else(PathBuf::new, |source| source.folder(config::ENVIRONMENT)).join(FOLDER)
}

/// The rules that there are.
pub(super) fn library(global: &Global) -> Library {
    Library::load(&folder(global), &AskedQuestions::load(global))
}

/// The failure for files with mistakes.
pub(super) fn refuse_problems(library: &Library) -> Result<(), Failure> {
    if library.problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        library.problems.iter().map(|problem| format!("  {problem}")).collect();
    Err(Failure::usage(format!("rule files are not valid:\n{}", lines.join("\n"))))
}

/// The findings of a tenant; nothing if no rule was ever evaluated.
pub(super) fn read_book(tenant: &TenantStore) -> Result<Option<Book>, Failure> {
    Book::read(tenant).map_err(book_failure)
}

/// The failure for a book that cannot be used.
pub(super) fn book_failure(error: BookError) -> Failure {
    core_engine::Failure::from(error).into()
}

/// Takes the right to change the findings. Another command has it for moments only, so this waits.
pub(super) async fn lock_findings(tenant: &TenantStore) -> Result<DeliveryLock, Failure> {
    Book::lock(tenant, &host::host().lock_owner()).await.map_err(book_failure)
}

/// Writes the findings, in one step.
pub(super) fn save(lock: &DeliveryLock, book: &Book) -> Result<(), Failure> {
    book.write(lock).map_err(book_failure)
}

fn list(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let library = library(global);
    let book = super::tenant(global).ok().map(|tenant| read_book(&tenant)).transpose()?.flatten();
    let open = |id: &str| {
        let findings = book.iter().flat_map(|book| book.findings().values());
        findings.filter(|finding| finding.rule == id && finding.life.is_active()).count()
    };
    for problem in &library.problems {
        output::note(&format!("not valid: {problem}"));
    }
    if format == RowFormat::Table {
        let rows = library.rules.iter().map(|known| {
            let rule = &known.rule;
            let record = book.as_ref().and_then(|book| book.rule(&rule.id));
            [
                rule.id.clone(),
                if known.is_on { "on" } else { "off" }.to_owned(),
                rule.severity.name().to_owned(),
                record
                    .filter(|_| known.is_on)
                    .map_or("", |record| report::word(&record.result))
                    .to_owned(),
                rule.title.clone(),
                open(&rule.id).to_string(),
            ]
        });
        let header = ["rule", "is", "severity", "last result", "finds", "open"];
        output::result(&output::table(header, rows, header.len()));
        if !global.quiet && library.rules.iter().all(|known| !known.is_on) {
            let program = crate::system::own_command();
            output::note(&format!("no rule is on: `{program} rules enable ID` switches one on"));
        }
        return Ok(Exit::Complete);
    }
    let rows: Vec<Value> = library
        .rules
        .iter()
        .map(|known| {
            let record = book.as_ref().and_then(|book| book.rule(&known.rule.id));
            json!({
                "id": known.rule.id,
                "on": known.is_on,
                "severity": known.rule.severity,
                "title": known.rule.title,
                "kind": known.rule.kind,
                "origin": known.origin.name(),
                "open": open(&known.rule.id),
                "lastResult": record.map(|record| report::word(&record.result)),
            })
        })
        .collect();
    super::show::rows(rows, format)
}

fn explain(global: &Global, id: &str, file: bool, format: ReportFormat) -> Result<Exit, Failure> {
    let library = library(global);
    let known = library.named(id).map_err(switch_failure)?;
    if file {
        output::result(known.text.trim_end());
        return Ok(Exit::Complete);
    }
    let book = super::tenant(global).ok().map(|tenant| read_book(&tenant)).transpose()?.flatten();
    let record = book.as_ref().and_then(|book| book.rule(id));
    if format == ReportFormat::Json {
        let value = json!({
            "id": id,
            "on": known.is_on,
            "origin": known.origin.name(),
            "severity": known.rule.severity,
            "kind": known.rule.kind,
            "title": known.rule.title,
            "description": known.rule.description,
            "query": query_text(known),
            "identity": known.rule.identity,
            "for": known.rule.hold,
            "clearAfter": known.rule.clear_after,
            "firstRun": known.rule.first_run,
            "maxFindings": known.rule.max_findings,
            "labels": known.rule.labels,
            "last": record,
        });
        output::result(&serde_json::to_string_pretty(&value).map_err(anyhow::Error::new)?);
        return Ok(Exit::Complete);
    }
    let rule = &known.rule;
    let state = if known.is_on { "on" } else { "off" };
    let mut text = format!(
        "{} ({}, {state}, {})\n{}\n{}\n\n{}\n\n",
        rule.id,
        rule.severity,
        known.origin.name(),
        rule.title,
        rule.description,
        query_text(known)
    );
    text.push_str(&report::life_text(rule));
    match record {
        Some(record) => text.push_str(&report::record_text(record)),
        None => text.push_str("It was not evaluated yet.\n"),
    }
    output::result(&text);
    Ok(Exit::Complete)
}

fn query_text(known: &KnownRule) -> String {
    match &known.rule.query {
        RuleQuery::Text { text, .. } => text.clone(),
        RuleQuery::Question { name, parameters, .. } => {
            let parameters: Vec<String> = parameters
                .iter()
                .map(|(name, value)| format!(" --param \"{name}={value}\""))
                .collect();
            format!("ask {name}{}", parameters.concat())
        }
    }
}

fn switch(global: &Global, ids: &[String], on: bool) -> Result<Exit, Failure> {
    let library = library(global);
    let folder = folder(global);
    let changed = library.switch(&folder, ids, on).map_err(switch_failure)?;
    let word = if on { "on" } else { "off" };
    let program = crate::system::own_command();
    if changed.is_empty() {
        output::note(&format!("nothing to do: switched {word} already"));
    } else {
        output::result(&format!("switched {word}: {}", changed.join(", ")));
        output::note(&format!(
            "the next run evaluates the rules that are on; `{program} rules run` does it now"
        ));
    }
    Ok(Exit::Complete)
}

fn switch_failure(error: SwitchError) -> Failure {
    Failure::new(Exit::Configuration, error)
}

/// Runs the tests of rule files.
fn test(global: &Global, ids: &[String], format: ReportFormat) -> Result<Exit, Failure> {
    let library = library(global);
    if ids.is_empty() {
        refuse_problems(&library)?;
    }
    let chosen: Vec<&KnownRule> = if ids.is_empty() {
        library.rules.iter().collect()
    } else {
        let named = ids.iter().map(|id| library.named(id).map_err(switch_failure));
        named.collect::<Result<_, _>>()?
    };
    let mut results = Vec::new();
    for known in chosen {
        for (place, test) in known.rule.tests.iter().enumerate() {
            let name = if test.name.is_empty() {
                format!("test {}", place + 1)
            } else {
                test.name.clone()
            };
            let failed = core_rules::rule_test::check(&known.rule, test).err();
            results.push((known, name, failed));
        }
    }
    let failed = results.iter().filter(|(.., failed)| failed.is_some()).count();
    if format == ReportFormat::Json {
        let rows = results.iter().map(|(known, name, failed)| {
            json!({ "rule": known.rule.id, "test": name, "passed": failed.is_none(), "reason": failed })
        });
        let value = Value::from(rows.collect::<Vec<_>>());
        output::result(&serde_json::to_string_pretty(&value).map_err(anyhow::Error::new)?);
    } else {
        for (known, name, failed) in &results {
            if let Some(reason) = failed {
                let file = match &known.origin {
                    Origin::Shipped => known.rule.id.clone(),
                    Origin::File(path) => path.display().to_string(),
                };
                output::result(&format!("{file}: {name}: {reason}"));
            }
        }
        let passed = count(results.len() - failed, "test");
        output::result(&format!("{passed} passed, {failed} failed"));
    }
    if failed > 0 {
        return Err(Failure::usage(format!("{} failed", count(failed, "test"))));
    }
    Ok(Exit::Complete)
}

/// Evaluates rules on what is published.
async fn run_now(global: &Global, arguments: &RulesRunArguments) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let library = library(global);
    for id in &arguments.ids {
        let known = library.named(id).map_err(switch_failure)?;
        if !known.is_on && !arguments.dry_run {
            let program = crate::system::own_command();
            return Err(Failure::usage(format!(
                "rule `{id}` is off: `{program} rules enable {id}` switches it on, and --dry-run tries it \
                 as it is"
            )));
        }
    }
    if arguments.dry_run {
        return evaluate::dry_run(global, &tenant, &library, arguments).await;
    }
    let report = evaluate(global, &tenant, &arguments.ids).await?;
    report.print(arguments.output)?;
    super::notify::send(global, &tenant, super::notify::AFTER_RUN).await?.note_failures();
    match report.exit_code(arguments.fail_on) {
        Some((exit, message)) => {
            output::error_text(&message);
            Ok(exit)
        }
        None => Ok(Exit::Complete),
    }
}
