//! Evaluates rules: reads rows from another process, and writes findings to the store.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use core_engine::privacy::{load_keys, tenant_name};
use core_engine::{Engine, Failure, Moment};
use core_privacy::pseudonym::ledger_token;
use core_reading::Reader;
use core_rules::book::{Book, FILE, Outcome, When};
use core_rules::fingerprint::Fingerprints;
use core_rules::library::{KnownRule, Library};
use core_rules::outbox::NO_CHANNEL;
use core_rules::rule::Rule;
use core_store::{Generation, GenerationId, PrivacyMark, TenantStore};
use core_terminal::count;
use serde::Serialize;

use crate::answers::Answers;
use crate::report::{RuleLine, RulesReport};
use crate::rule_files::check_switches;
use crate::{channels, sending};

/// The time for which a resolved finding is kept. Milliseconds.
const KEPT_MS: u64 = 90 * 24 * 3_600 * 1_000;
/// The purpose of the key of the findings' IDs.
const ID_PURPOSE: &str = "the ids of findings";

/// The source of the rows of rules.
pub trait RuleAnswers {
    /// Runs the queries of rules. The answers identify rows only by their fingerprints.
    fn ask(&self, rules: &[&Rule], fingerprints: &Fingerprints) -> impl Future<Output = Answers>;
}

/// Evaluates the rules of one tenant.
pub struct Evaluator<'a, Source> {
    /// The tenant, its settings, and its host.
    pub reader: Reader<'a>,
    /// All rules.
    pub library: &'a Library,
    /// Runs the queries.
    pub source: Source,
}

impl<Source: RuleAnswers> Evaluator<'_, Source> {
    /// Evaluates the enabled rules, or those of them that are named, and stores their findings.
    ///
    /// # Errors
    ///
    /// It is not known which rules are enabled, the findings or the published generation cannot be read, or the findings
    /// cannot be written. A rule whose query fails is a line of the report.
    pub async fn evaluate(&self, only: &[String]) -> Result<RulesReport, Failure> {
        let Self { reader, library, .. } = self;
        check_switches(library)?;
        let mut report = RulesReport::new(library);
        let on: Vec<&KnownRule> = library.rules.iter().filter(|known| known.is_on).collect();
        if on.is_empty() && reader.tenant.state(FILE)?.is_none() {
            return Ok(report);
        }
        let chosen: Vec<&Rule> = on
            .iter()
            .map(|known| &known.rule)
            .filter(|rule| only.is_empty() || only.contains(&rule.id))
            .collect();
        let mut asked = self.ask(&chosen).await?;
        let lock = Book::lock(reader.tenant, &reader.host.lock_owner()).await?;
        if asked.basis != Basis::read(reader.tenant)? {
            asked = self.ask(&chosen).await?;
        }
        let Asked { generation, mark, fingerprints, mut answers, .. } = asked;
        let privacy = serde_json::to_string(&mark).map_err(anyhow::Error::new)?;
        let mut book = match Book::read(reader.tenant)? {
            Some(book) => book,
            None => Book::new(&privacy, reader.tenant.erasures()?),
        };
        if !book.has_keyed_ids() {
            let mut secret = [0; 32];
            reader.host.fill_random(&mut secret)?;
            book.key_ids(secret);
        }
        let now = reader.host.now();
        let run = reader.host.new_id(now)?;
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
        tell(reader, &mut book, now, &mut report)?;
        book.forget(now.0.saturating_sub(KEPT_MS), now.0);
        book.write(&lock)?;
        report.sum_up(&book, now.0);
        Ok(report)
    }

    /// Evaluates the enabled rules, or the named ones, enabled or not. Changes nothing.
    ///
    /// # Errors
    ///
    /// The published generation cannot be read, or no rule is named and it is not known which are enabled.
    pub async fn dry_run(&self, ids: &[String]) -> Result<Vec<Trial>, Failure> {
        if ids.is_empty() {
            check_switches(self.library)?;
        }
        let is_chosen = |known: &&KnownRule| match ids {
            [] => known.is_on,
            ids => ids.contains(&known.rule.id),
        };
        let chosen: Vec<&Rule> =
            self.library.rules.iter().filter(is_chosen).map(|known| &known.rule).collect();
        let Asked { mut answers, .. } = self.ask(&chosen).await?;
        Ok(chosen.into_iter().map(|rule| Trial::new(rule, answers.take(&rule.id))).collect())
    }

    async fn ask(&self, rules: &[&Rule]) -> Result<Asked, Failure> {
        let basis = Basis::read(self.reader.tenant)?;
        let generation = self.reader.tenant.current()?;
        let privacy = generation.as_ref().and_then(|found| found.manifest().privacy.clone());
        let mark = privacy.unwrap_or_default();
        let fingerprints = fingerprints(&self.reader, &mark)?;
        if rules.iter().any(|rule| core_query::may_read_history(rule.query.text())) {
            // The queries run in a process that cannot fetch anything.
            self.reader.tenant.fetch_all()?;
        }
        let answers = self.source.ask(rules, &fingerprints).await;
        Ok(Asked { basis, generation, mark, fingerprints, answers })
    }
}

/// The answers of rules.
///
/// The queries run before the findings are locked. They may take minutes, while people acknowledge findings or are
/// erased; both wait for the lock for seconds only.
struct Asked {
    basis: Basis,
    generation: Option<Generation>,
    /// The privacy settings of the generation.
    mark: PrivacyMark,
    fingerprints: Fingerprints,
    answers: Answers,
}

/// The state that the answers depend on. A newer generation may have other findings, and people who were erased since
/// may be in the answers.
#[derive(Debug, PartialEq, Eq)]
struct Basis {
    generation: Option<GenerationId>,
    erasures: BTreeSet<String>,
}

impl Basis {
    fn read(tenant: &TenantStore) -> Result<Self, Failure> {
        let generation = tenant.current()?.map(|generation| generation.id().clone());
        Ok(Self { generation, erasures: tenant.erasures()? })
    }
}

/// Puts the changes that receivers have not been told of into the outbox. While the file of channels is missing or has a
/// mistake, nothing is sent, and nothing is lost.
fn tell(
    reader: &Reader<'_>,
    book: &mut Book,
    now: Moment,
    report: &mut RulesReport,
) -> Result<(), Failure> {
    let settings = match channels::read(reader.folder) {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            let changes = book.outbox().n_changes();
            if changes > 0 {
                report.add_notice(channels::missing(reader.folder, changes));
            }
            return Ok(());
        }
        Err(failure) => {
            report.add_problem(format!("{:#}", failure.error));
            return Ok(());
        }
    };
    sending::tell(book, &settings, now);
    for (channel, messages) in sending::compose(book, &settings, reader, now)? {
        let messages = count(messages, "message");
        report.add_notice(format!("gave up {messages} to {channel}, since {NO_CHANNEL}"));
    }
    Ok(())
}

/// Returns the fingerprints that IDs of findings are made of. They are keyed if the generation has pseudonyms, since
/// the identity of a finding could be guessed.
fn fingerprints(reader: &Reader<'_>, mark: &PrivacyMark) -> Result<Fingerprints, Failure> {
    let name = reader.tenant.name();
    let Some(settings) = reader.settings.filter(|_| mark.key.is_some()) else {
        return Ok(Fingerprints::new(name, None));
    };
    let engine = Engine { settings, host: reader.host };
    let keys = load_keys(engine)?;
    let token = ledger_token(&keys, &tenant_name(engine), ID_PURPOSE);
    Ok(Fingerprints::new(name, Some(core_rules::fingerprint::key_from(&token))))
}

/// The result of a rule in a dry run.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Trial {
    /// The query fails.
    #[serde(rename_all = "camelCase")]
    Failed {
        /// The ID of the rule.
        rule: String,
        /// The reason.
        failed: String,
    },
    /// The query returns rows.
    #[serde(rename_all = "camelCase")]
    Rows {
        /// The ID of the rule.
        rule: String,
        /// The number of findings.
        rows: usize,
        /// The tables that the query reads.
        reads: Vec<String>,
        /// Those of them that are partial.
        not_complete: Vec<String>,
        /// The texts of the findings, in order.
        findings: Vec<String>,
    },
}

impl Trial {
    fn new(rule: &Rule, outcome: Outcome) -> Self {
        let rule = rule.id.clone();
        match outcome {
            Outcome::Failed { reason } => Self::Failed { rule, failed: reason },
            Outcome::Rows { observed, reads, partial } => {
                let texts = observed.findings.values().flatten().map(|row| row.text.clone());
                let mut findings: Vec<String> = texts.collect();
                findings.sort_unstable();
                let rows = observed.too_many.unwrap_or(observed.findings.len());
                Self::Rows { rule, rows, reads, not_complete: partial, findings }
            }
        }
    }

    /// Returns the lines for people.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Failed { rule, failed } => vec![format!("{rule}: failed: {failed}")],
            Self::Rows { rule, rows, findings, .. } => {
                let head = format!("{rule}: {}", count(*rows, "row"));
                let findings = findings.iter().map(|text| format!("  {text}"));
                std::iter::once(head).chain(findings).collect()
            }
        }
    }

    /// Returns the reason, other than a failure, why a run would change nothing.
    pub fn remark(&self) -> Option<String> {
        match self {
            Self::Rows { rule, not_complete, .. } if !not_complete.is_empty() => Some(format!(
                "{rule} reads types that are not complete ({}), so that a run would change nothing",
                not_complete.join(", ")
            )),
            _ => None,
        }
    }
}
