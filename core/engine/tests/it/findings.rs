//! Findings about alerts, evaluated after each run as the program does it, and what they must be.

use std::collections::BTreeSet;

use core_rules::book::{Book, Outcome, When};
use core_rules::document::Document;
use core_rules::fingerprint::Fingerprints;
use core_rules::lifecycle::Phase;
use core_rules::observation::observe;
use core_rules::questions::NoQuestions;
use core_rules::rule::Rule;
use core_rules::rule_file;
use core_store::{TableKind, TenantStore};
use serde_json::json;

use super::estate::{Objects, objects_in};

const ALERTS: &str = "nexthink_alert";

/// A rule that finds every alert, and what its findings must be.
pub(crate) struct Findings {
    rule: Rule,
    fingerprints: Fingerprints,
    evaluations: u32,
    /// The alerts of the last complete table, each of which had an open finding.
    open: BTreeSet<String>,
}

impl Findings {
    pub(crate) fn new(tenant: &str) -> Self {
        let text = "id = 'alerts'\ntitle = 'Alerts'\nseverity = 'high'\nquery = 'select 1'\n\
                    identity = ['key']\nentity = 'key'\nfirst_run = 'all'\nmessage = 'an alert'\n";
        let document = Document { file: "alerts.toml", text };
        let rule = rule_file::read(document, &NoQuestions).expect("it is valid");
        Self {
            rule,
            fingerprints: Fingerprints::new(tenant, None),
            evaluations: 0,
            open: BTreeSet::new(),
        }
    }

    /// Evaluates the rule on what is published. No finding is over as long as its alert is there, whatever a run did not
    /// see; on a complete table the open ones are exactly the alerts that are there.
    pub(crate) async fn evaluate(
        &mut self,
        case: &str,
        store: &TenantStore,
        now: u64,
        truth: &Objects,
    ) {
        let Some(generation) = store.current().expect("it can be read") else { return };
        let objects = objects_in(&generation);
        let none = BTreeSet::new();
        let alerts: Vec<&String> = objects.get(ALERTS).unwrap_or(&none).iter().flatten().collect();
        let rows: Vec<_> =
            alerts.iter().filter_map(|id| json!({ "key": id }).as_object().cloned()).collect();
        let observed =
            observe(&self.rule, &self.fingerprints, &rows).expect("rows have identities");
        let table = generation.manifest().table(TableKind::Entity, ALERTS);
        let is_partial = table.is_none_or(|table| table.partial);
        let partial = if is_partial { vec![ALERTS.to_owned()] } else { Vec::new() };
        let outcome = Outcome::Rows { observed, reads: vec![ALERTS.to_owned()], partial };
        let lock = Book::lock(store, "a test").await.expect("the lock is free");
        let book = Book::read(store).expect("it is whole");
        let mut book =
            book.unwrap_or_else(|| Book::new("full", store.erasures().expect("they can be read")));
        self.evaluations += 1;
        let (id, run) = (generation.id().to_string(), format!("evaluation {}", self.evaluations));
        let when = When { at: now, generation: Some(&id), run: &run };
        book.evaluate(&self.rule, outcome, &self.fingerprints, &when);
        book.forget(now.saturating_sub(30 * 24 * 3_600_000), now);
        book.write(&lock).expect("there is room");
        let of = |phase: fn(Phase) -> bool| -> BTreeSet<String> {
            let findings = book.findings().values().filter(|finding| phase(finding.life.phase));
            findings.filter_map(|finding| finding.entity.clone()).collect()
        };
        let active = of(|phase| phase != Phase::Resolved);
        let is_there = |id: &&String| {
            truth.get(ALERTS).is_some_and(|alerts| alerts.contains(std::slice::from_ref(*id)))
        };
        let over: Vec<_> = self.open.difference(&active).filter(is_there).collect();
        assert!(over.is_empty(), "{case}: {over:?} are over though they are there");
        if !is_partial {
            let open = of(|phase| phase == Phase::Open);
            self.open = alerts.into_iter().cloned().collect();
            assert_eq!(open, self.open, "{case}: findings on a complete table");
        }
    }
}
