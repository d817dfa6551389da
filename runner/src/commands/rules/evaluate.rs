//! Evaluating rules: rows from another process, findings into the store.

use std::collections::BTreeSet;

use core_engine::Moment;
use core_engine::privacy::{load_keys, tenant_name};
use core_privacy::pseudonym::ledger_token;
use core_rules::book::{Book, FILE, Outcome, When};
use core_rules::fingerprint::Fingerprints;
use core_rules::library::{KnownRule, Library};
use core_rules::rule::Rule;
use core_store::{Generation, GenerationId, PrivacyMark, TenantStore};
use core_terminal::count;
use serde_json::{Value, json};

use super::report::RuleLine;
use super::worker::Answers;
use super::{RulesReport, worker};
use crate::cli::{Global, ReportFormat, RulesRunArguments};
use crate::commands::notify;
use crate::config;
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::output;
use crate::system;

/// The time for which a finding that is over is kept, milliseconds.
const KEPT_MS: u64 = 90 * 24 * 3_600 * 1_000;
/// The context that the key of the IDs is derived with.
const ID_PURPOSE: &str = "the ids of findings";

/// Evaluates the rules that are on, or some of them, and keeps what they find.
pub(in crate::commands) async fn evaluate(
    global: &Global,
    tenant: &TenantStore,
    only: &[String],
) -> Result<RulesReport, Failure> {
    let library = super::library(global);
    let mut report = RulesReport::new(&library);
    let on: Vec<&KnownRule> = library.rules.iter().filter(|known| known.is_on).collect();
    if on.is_empty() && tenant.state(FILE)?.is_none() {
        return Ok(report);
    }
    let chosen: Vec<&Rule> = on
        .iter()
        .map(|known| &known.rule)
        .filter(|rule| only.is_empty() || only.contains(&rule.id))
        .collect();
    let mut asked = Asked::ask(global, tenant, &chosen).await?;
    let lock = super::lock_findings(tenant).await?;
    if asked.basis != Basis::read(tenant)? {
        asked = Asked::ask(global, tenant, &chosen).await?;
    }
    let Asked { generation, mark, fingerprints, mut answers, .. } = asked;
    let privacy = serde_json::to_string(&mark).map_err(anyhow::Error::new)?;
    let book = super::read_book(tenant)?;
    let mut book = match book {
        Some(book) => book,
        None => Book::new(&privacy, tenant.erasures()?),
    };
    let now = system::now();
    let run = host().new_id(now)?;
    let id = generation.as_ref().map(|generation| generation.id().to_string());
    let when = When { at: now.0, generation: id.as_deref(), run: &run };
    if generation.is_some() {
        book.show_people_as(&privacy, &when);
    }
    if library.problems.is_empty() {
        let ids: BTreeSet<&str> = on.iter().map(|known| known.rule.id.as_str()).collect();
        book.close_rules(|id| library.find(id).is_some(), |id| ids.contains(id), &when);
    }
    for rule in chosen {
        let outcome = answers.take(&rule.id);
        let counts = book.evaluate(rule, outcome, &fingerprints, &when);
        report.rules.push(RuleLine::new(rule, &book, counts));
    }
    tell(global, tenant, &mut book, now, &mut report)?;
    book.forget(now.0.saturating_sub(KEPT_MS), now.0);
    super::save(&lock, &book)?;
    report.sum_up(&book, now.0);
    Ok(report)
}

/// The answers of rules.
///
/// They are asked before the findings are locked: that may take minutes, in which people acknowledge findings and
/// somebody may be erased, which both wait for the lock for seconds only.
struct Asked {
    basis: Basis,
    generation: Option<Generation>,
    mark: PrivacyMark,
    fingerprints: Fingerprints,
    answers: Answers,
}

/// The state that answers depend on. Of another generation there may be newer findings, and who was erased since may be in them.
#[derive(Debug, PartialEq, Eq)]
struct Basis {
    generation: Option<GenerationId>,
    erasures: BTreeSet<String>,
}

impl Asked {
    async fn ask(global: &Global, tenant: &TenantStore, rules: &[&Rule]) -> Result<Self, Failure> {
        let basis = Basis::read(tenant)?;
        let generation = tenant.current()?;
        let mark = privacy_mark(generation.as_ref());
        let fingerprints = fingerprints(global, tenant, &mark)?;
        let answers = worker::ask(global, rules, &fingerprints).await;
        Ok(Self { basis, generation, mark, fingerprints, answers })
    }
}

impl Basis {
    fn read(tenant: &TenantStore) -> Result<Self, Failure> {
        let generation = tenant.current()?.map(|generation| generation.id().clone());
        Ok(Self { generation, erasures: tenant.erasures()? })
    }
}

/// Puts what people do not know yet into the outbox. While the file of channels has a mistake, they are told
/// nothing and miss nothing.
fn tell(
    global: &Global,
    tenant: &TenantStore,
    book: &mut Book,
    now: Moment,
    report: &mut RulesReport,
) -> Result<(), Failure> {
    let settings = match notify::settings(global) {
        Ok(settings) => settings.unwrap_or_default(),
        Err(failure) => {
            report.add_problem(format!("{:#}", failure.error));
            return Ok(());
        }
    };
    book.tell(now.0, |_, finding, rule, transition| {
        settings.channels_for(finding, rule, transition)
    });
    notify::compose(book, &settings, tenant, now)?;
    Ok(())
}

/// The failure of an evaluation after a run that has published.
pub(in crate::commands) fn failure_of(failure: Failure) -> Failure {
    let program = system::own_command();
    let error = failure.error.context(format!(
        "the rules could not be evaluated, and what they have found stays as it was; `{program} rules run` \
         evaluates them"
    ));
    Failure { error, ..failure }
}

/// Evaluates rules as they are, and changes nothing.
pub(super) async fn dry_run(
    global: &Global,
    tenant: &TenantStore,
    library: &Library,
    arguments: &RulesRunArguments,
) -> Result<Exit, Failure> {
    let mark = privacy_mark(tenant.current()?.as_ref());
    let fingerprints = fingerprints(global, tenant, &mark)?;
    let is_chosen = |known: &&KnownRule| match &arguments.ids[..] {
        [] => known.is_on,
        ids => ids.contains(&known.rule.id),
    };
    let chosen: Vec<&Rule> =
        library.rules.iter().filter(is_chosen).map(|known| &known.rule).collect();
    let mut answers: Answers = worker::ask(global, &chosen, &fingerprints).await;
    let mut results = Vec::new();
    for rule in chosen {
        let value = match answers.take(&rule.id) {
            Outcome::Failed { reason } => json!({ "rule": rule.id, "failed": reason }),
            Outcome::Rows { observed, reads, partial } => {
                let mut texts: Vec<&str> =
                    observed.findings.values().flatten().map(|row| row.text.as_str()).collect();
                texts.sort_unstable();
                json!({
                    "rule": rule.id,
                    "rows": observed.too_many.unwrap_or(observed.findings.len()),
                    "reads": reads,
                    "notComplete": partial,
                    "findings": texts,
                })
            }
        };
        results.push(value);
    }
    if arguments.output == ReportFormat::Json {
        let text = serde_json::to_string_pretty(&Value::from(results));
        output::result(&text.map_err(anyhow::Error::new)?);
        return Ok(Exit::Complete);
    }
    for result in &results {
        print_dry(result);
    }
    Ok(Exit::Complete)
}

fn print_dry(result: &Value) {
    let rule = result["rule"].as_str().unwrap_or_default();
    if let Some(reason) = result["failed"].as_str() {
        output::result(&format!("{rule}: failed: {reason}"));
        return;
    }
    let rows = count(result["rows"].as_u64().unwrap_or(0), "row");
    output::result(&format!("{rule}: {rows}"));
    for text in result["findings"].as_array().into_iter().flatten() {
        output::result(&format!("  {}", text.as_str().unwrap_or_default()));
    }
    let partial: Vec<&str> =
        result["notComplete"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !partial.is_empty() {
        output::note(&format!(
            "{rule} reads types that are not complete ({}), so that a run would change nothing",
            partial.join(", ")
        ));
    }
}

/// Returns the way in which a generation shows people.
fn privacy_mark(generation: Option<&Generation>) -> PrivacyMark {
    generation.and_then(|generation| generation.manifest().privacy.clone()).unwrap_or_default()
}

/// The ids of findings: keyed where people are shown by pseudonyms, since the identity of a finding may be
/// guessed.
fn fingerprints(
    global: &Global,
    tenant: &TenantStore,
    mark: &PrivacyMark,
) -> Result<Fingerprints, Failure> {
    let source = config::find(global.config.as_deref());
    let Some(source) = source.filter(|_| mark.key.is_some()) else {
        return Ok(Fingerprints::new(tenant.name(), None));
    };
    let config = config::load(&source)?;
    let keys = load_keys(engine(&config))?;
    let token = ledger_token(&keys, &tenant_name(engine(&config)), ID_PURPOSE);
    Ok(Fingerprints::new(tenant.name(), Some(core_rules::fingerprint::key_from(&token))))
}

#[cfg(test)]
mod tests {
    use core_store::{Draft, Location, Outcome, Store};
    use tempfile::TempDir;

    use super::*;

    fn basis(tenant: &TenantStore) -> Basis {
        Basis::read(tenant).expect("it can be read")
    }

    #[test]
    fn answers_do_not_outlive_the_generation_nor_the_people_that_they_were_asked_of() {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().join("store"))).expect("it is new");
        let tenant = store.tenant("acme").expect("it is a name");
        let lock = tenant.lock("a test").expect("the lock is free");
        let before = basis(&tenant);
        assert_eq!(basis(&tenant), before, "nothing has happened");

        let id = "01JN7Z1M80000000000000000A".parse().expect("it is an ID");
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2026-03-01T08:00:00Z".to_owned(),
            outcome: Outcome::Complete,
            privacy: None,
            tables: Vec::new(),
        };
        lock.stage(id).expect("there is room").publish(draft, &[]).expect("there is room");
        let published = basis(&tenant);
        assert_ne!(published, before, "another generation is published");

        lock.set_erasures(&["e-1".to_owned()].into()).expect("there is room");
        // The generation may not be read before it has been through the erasure.
        let erased = Basis::read(&tenant);
        assert!(erased.is_err() || erased.is_ok_and(|now| now != published), "somebody was erased");
    }
}
