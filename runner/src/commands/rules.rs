//! `rules`: what is looked for in each generation, and evaluating it.

use std::io;
use std::process::{Child, Stdio};

use core_evaluation::listing::{self, TestResults};
use core_evaluation::{
    Evaluator, RuleAnswers, RulesReport, WorkerProcess, check_problems, load_rules, rules_folder,
    switch_failure,
};
use core_reading::Reader;
use core_rules::book::Book;
use core_rules::library::{KnownRule, Library};
use core_rules::rule::Rule;
use core_terminal::count;

use super::opened::{self, Opened};
use crate::cli::{Global, ReportFormat, RowFormat, RulesCommand, RulesRunArguments, SeverityName};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::system;

/// Does what the command line says.
pub(super) async fn dispatch(global: &Global, command: RulesCommand) -> Result<Exit, Failure> {
    match command {
        RulesCommand::List { output } => list(global, output.output),
        RulesCommand::Explain { id, file, output } => explain(global, &id, file, output),
        RulesCommand::Enable { ids } => switch(global, &ids, true),
        RulesCommand::Disable { ids } => switch(global, &ids, false),
        RulesCommand::Test { ids, output } => test(global, &ids, output),
        RulesCommand::Run(arguments) => run_now(global, &arguments).await,
        RulesCommand::Evaluate { ids } => {
            let opened = Opened::new(global)?;
            let schedule = opened.config.as_ref().map(|config| &config.schedule);
            let mut out = output::writer();
            core_evaluation::answer_rules(&opened.reader(), schedule, &ids, &mut out).await?;
            Ok(Exit::Complete)
        }
    }
}

/// The rules that there are.
fn library(global: &Global) -> Library {
    load_rules(opened::folder(global).as_deref())
}

/// The findings of the tenant; none if there is no tenant yet, or no rule was ever evaluated.
fn book(global: &Global) -> Result<Option<Book>, Failure> {
    let Ok(tenant) = super::tenant(global) else { return Ok(None) };
    Ok(Book::read(&tenant).map_err(core_engine::Failure::from)?)
}

/// Evaluates the rules of a tenant that are on, or some of them, in a process of their own.
pub(super) async fn evaluate(
    global: &Global,
    reader: &Reader<'_>,
    only: &[String],
) -> Result<RulesReport, Failure> {
    Ok(evaluator(global, *reader, &load_rules(reader.folder)).evaluate(only).await?)
}

fn evaluator<'a>(
    global: &Global,
    reader: Reader<'a>,
    library: &'a Library,
) -> Evaluator<'a, impl RuleAnswers> {
    Evaluator {
        reader,
        library,
        source: WorkerProcess { start: |rules: &[&Rule]| start(global, rules) },
    }
}

/// Starts the process that asks the queries of rules.
fn start(global: &Global, rules: &[&Rule]) -> io::Result<Child> {
    let mut command = system::own_program()?;
    command.args(["--worker", "--quiet"]);
    command.args(config::own_words(global.config.as_deref()));
    command.args(["rules", "evaluate"]).args(rules.iter().map(|rule| &rule.id));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

/// The failure of an evaluation after a run that has published.
pub(super) fn failure_of(failure: Failure) -> Failure {
    let program = system::own_command();
    let error = failure.error.context(format!(
        "the rules could not be evaluated, and what they have found stays as it was; `{program} rules run` \
         evaluates them"
    ));
    Failure { error, ..failure }
}

/// Tells what rules have changed, beside the report of a run.
pub(super) fn note(report: &RulesReport) {
    if let Some(summary) = report.summary() {
        output::note(&summary);
    }
    output::notes(&report.remarks());
}

/// The exit and the reason, if a finding has the severity that the user names or a higher one.
pub(super) fn fired(report: &RulesReport, fail_on: Option<SeverityName>) -> Option<(Exit, String)> {
    let SeverityName(level) = fail_on?;
    let highest = report.fired(level)?;
    let program = system::own_command();
    let message = format!(
        "a finding of severity {highest} is open (--fail-on {level}): `{program} findings list` shows it"
    );
    Some((Exit::RuleFired, message))
}

fn list(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let library = library(global);
    let book = book(global)?;
    for problem in &library.problems {
        output::note(&format!("not valid: {problem}"));
    }
    if format != RowFormat::Table {
        return super::show::rows(listing::rule_objects(&library, book.as_ref()), format);
    }
    output::result(&listing::rules_table(&library, book.as_ref(), output::terminal_columns()));
    if !global.quiet && library.rules.iter().all(|known| !known.is_on) {
        let program = system::own_command();
        output::note(&format!("no rule is on: `{program} rules enable ID` switches one on"));
    }
    Ok(Exit::Complete)
}

fn explain(global: &Global, id: &str, file: bool, format: ReportFormat) -> Result<Exit, Failure> {
    let library = library(global);
    let known = library.named(id).map_err(switch_failure)?;
    if file {
        output::result(known.text.trim_end());
        return Ok(Exit::Complete);
    }
    let book = book(global)?;
    match format {
        ReportFormat::Json => output::json(&listing::rule_object(known, book.as_ref()))?,
        ReportFormat::Table => output::result(&listing::rule_page(known, book.as_ref())),
    }
    Ok(Exit::Complete)
}

fn switch(global: &Global, ids: &[String], on: bool) -> Result<Exit, Failure> {
    let folder = rules_folder(opened::folder(global).as_deref());
    let changed = library(global).switch(&folder, ids, on).map_err(switch_failure)?;
    let word = if on { "on" } else { "off" };
    let program = system::own_command();
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

/// Runs the tests of rule files.
fn test(global: &Global, ids: &[String], format: ReportFormat) -> Result<Exit, Failure> {
    let library = library(global);
    let chosen: Vec<&KnownRule> = if ids.is_empty() {
        check_problems(&library)?;
        library.rules.iter().collect()
    } else {
        let named = ids.iter().map(|id| library.named(id).map_err(switch_failure));
        named.collect::<Result<_, _>>()?
    };
    let results = TestResults::of(chosen);
    match format {
        ReportFormat::Json => output::json(&results.objects())?,
        ReportFormat::Table => output::lines(&results.lines()),
    }
    match results.failed() {
        0 => Ok(Exit::Complete),
        failed => Err(Failure::usage(format!("{} failed", count(failed, "test")))),
    }
}

/// Evaluates rules on what is published.
async fn run_now(global: &Global, arguments: &RulesRunArguments) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let library = load_rules(reader.folder);
    for id in &arguments.ids {
        let known = library.named(id).map_err(switch_failure)?;
        if !known.is_on && !arguments.dry_run {
            let program = system::own_command();
            return Err(Failure::usage(format!(
                "rule `{id}` is off: `{program} rules enable {id}` switches it on, and --dry-run tries it \
                 as it is"
            )));
        }
    }
    let evaluator = evaluator(global, reader, &library);
    if arguments.dry_run {
        let trials = evaluator.dry_run(&arguments.ids).await?;
        if arguments.output == ReportFormat::Json {
            // By way of a value, whose members are in alphabetical order.
            output::json(&serde_json::to_value(trials).map_err(anyhow::Error::new)?)?;
            return Ok(Exit::Complete);
        }
        for trial in &trials {
            output::lines(&trial.lines());
            if let Some(remark) = trial.remark() {
                output::note(&remark);
            }
        }
        return Ok(Exit::Complete);
    }
    let report = evaluator.evaluate(&arguments.ids).await?;
    print(&report, arguments.output)?;
    super::notify::send(&reader, super::notify::AFTER_RUN).await?;
    match fired(&report, arguments.fail_on) {
        Some((exit, message)) => {
            output::error_text(&message);
            Ok(exit)
        }
        None => Ok(Exit::Complete),
    }
}

fn print(report: &RulesReport, format: ReportFormat) -> Result<(), Failure> {
    if format == ReportFormat::Json {
        output::json(report)?;
        return Ok(());
    }
    if report.has_no_rules() {
        let program = system::own_command();
        output::note(&format!("no rule is on: `{program} rules list` shows all"));
    } else {
        output::result(&report.table(output::terminal_columns()));
    }
    output::notes(&report.remarks());
    Ok(())
}
