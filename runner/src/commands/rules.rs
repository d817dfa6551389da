//! `rules`: what is looked for in each generation, and evaluating it.

use std::io;
use std::process::{Child, Stdio};

use core_cli::{Global, ReportFormat, RowFormat, RulesCommand, RulesRunArguments, SeverityName};
use core_evaluation::listing::{self, TestResults};
use core_evaluation::{
    Evaluator, RuleAnswers, RulesReport, WorkerProcess, check_known, check_on, check_problems,
    check_switches, load_rules, rules_folder, send_what_waits, switch_failure,
};
use core_reading::Reader;
use core_rules::book::Book;
use core_rules::library::{KnownRule, Library};
use core_rules::rule::Rule;
use core_terminal::count;

use super::notify;
use super::opened::{self, Opened};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::{output, system, typed};

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

/// The rules that there are, if it is known which are enabled.
fn library(global: &Global) -> Result<Library, Failure> {
    let library = load_rules(Some(&opened::folder(global)));
    check_switches(&library)?;
    Ok(library)
}

/// The findings of the tenant; none if there is no tenant yet, or no rule was ever evaluated.
fn book(global: &Global) -> Result<Option<Book>, Failure> {
    let Ok(tenant) = super::tenant(global) else { return Ok(None) };
    Ok(Book::read(&tenant).map_err(core_engine::Failure::from)?)
}

/// Evaluates the rules of a tenant that are on at the end of a run, in a process of their own, and sends what waits.
pub(super) async fn after_run(
    global: &Global,
    reader: &Reader<'_>,
) -> Result<RulesReport, core_engine::Failure> {
    let library = load_rules(reader.folder);
    let read_secret = notify::read_secret(reader);
    core_evaluation::after_run(&evaluator(global, *reader, &library), &read_secret).await
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

/// Tells what rules have changed, beside the report of a run.
pub(super) fn note(report: &RulesReport) {
    if let Some(summary) = report.summary() {
        output::note(&summary);
    }
    output::notes(&report.remarks());
}

/// Tells of a finding that has the severity that the user names, or a higher one. Returns true if there is one.
pub(super) fn tell_fired(report: &RulesReport, fail_on: Option<SeverityName>) -> bool {
    let level = fail_on.map(typed::severity);
    let text = level.and_then(|level| report.fired_text(level, system::own_command()));
    if let Some(text) = &text {
        output::error_text(text);
    }
    text.is_some()
}

fn list(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let library = library(global)?;
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
        output::note(&format!("no rule is enabled: `{program} rules enable ID` enables one"));
    }
    Ok(Exit::Complete)
}

fn explain(global: &Global, id: &str, file: bool, format: ReportFormat) -> Result<Exit, Failure> {
    let library = library(global)?;
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
    let folder = rules_folder(Some(&opened::folder(global)));
    let changed = library(global)?.switch(&folder, ids, on).map_err(switch_failure)?;
    let word = if on { "enabled" } else { "disabled" };
    let program = system::own_command();
    if changed.is_empty() {
        output::note(&format!("nothing to do: {word} already"));
    } else {
        output::result(&format!("{word}: {}", changed.join(", ")));
        output::note(&format!(
            "the next run evaluates the enabled rules; `{program} rules run` does it now"
        ));
    }
    Ok(Exit::Complete)
}

/// Runs the tests of rule files.
fn test(global: &Global, ids: &[String], format: ReportFormat) -> Result<Exit, Failure> {
    let library = library(global)?;
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
    if arguments.dry_run {
        check_known(&library, &arguments.ids)?;
    } else {
        check_on(&library, &arguments.ids, system::own_command())?;
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
    send_what_waits(&reader, &notify::read_secret(&reader)).await?;
    let has_fired = tell_fired(&report, arguments.fail_on);
    Ok(if has_fired { Exit::RuleFired } else { Exit::Complete })
}

fn print(report: &RulesReport, format: ReportFormat) -> Result<(), Failure> {
    if format == ReportFormat::Json {
        output::json(report)?;
        return Ok(());
    }
    if report.has_no_rules() {
        let program = system::own_command();
        output::note(&format!("no rule is enabled: `{program} rules list` shows all"));
    } else {
        output::result(&report.table(output::terminal_columns()));
    }
    output::notes(&report.remarks());
    Ok(())
}
