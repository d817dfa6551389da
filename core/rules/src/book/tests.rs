//! The book against an independent model, and the table of outcomes and states.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::Document;
use crate::fingerprint::Fingerprints;
use crate::lifecycle::Phase;
use crate::observation::observe;
use crate::outbox::{Item, Message};
use crate::questions::NoQuestions;
use crate::rule_file;
use crate::silence::Matcher;

fn rule(extra: &str) -> Rule {
    let text = format!(
        "id = 'r'\ntitle = 'R'\nseverity = 'high'\nquery = 'select 1'\nidentity = ['key']\n\
         entity = 'key'\nmessage = '{{{{ key }}}} holds'\n{extra}"
    );
    rule_file::read(Document { file: "r.toml", text: &text }, &NoQuestions).expect("valid")
}

fn prints() -> Fingerprints {
    Fingerprints::new("acme.eu", None)
}

fn id(rule: &Rule, key: &str) -> FindingId {
    prints().of(&rule.id, [&json!(key)])
}

/// The answer of a query, and how far it can be trusted.
#[derive(Debug, Clone)]
enum Answer {
    Complete(Vec<&'static str>),
    /// A type that it reads is partial, skipped, carried over or shrunken: the manifest says the same.
    Partial(Vec<&'static str>),
    Failed,
}

impl Answer {
    fn outcome(&self, rule: &Rule) -> Outcome {
        let (keys, partial) = match self {
            Self::Complete(keys) => (keys, vec![]),
            Self::Partial(keys) => (keys, vec!["nexthink_device".to_owned()]),
            Self::Failed => return Outcome::Failed { reason: "no such table".to_owned() },
        };
        let rows = keys.iter().map(|key| json!({ "key": key }).as_object().cloned().expect("one"));
        let observed =
            observe(rule, &prints(), &rows.collect::<Vec<_>>()).expect("rows with identities");
        Outcome::Rows { observed, reads: vec!["nexthink_device".to_owned()], partial }
    }
}

/// A book with one rule, all of whose findings are sent to one channel.
struct Scene {
    book: Book,
    rule: Rule,
    number: u64,
    told: Vec<(FindingId, Transition)>,
}

impl Scene {
    fn new(extra: &str) -> Self {
        let rule = rule(&format!("first_run = 'all'\n{extra}"));
        Self { book: Book::new("full", BTreeSet::new()), rule, number: 0, told: Vec::new() }
    }

    /// Evaluates on a new generation, and tells.
    fn run(&mut self, answer: &Answer) -> RuleReport {
        self.number += 1;
        self.again(answer)
    }

    /// Evaluates again on the same generation.
    fn again(&mut self, answer: &Answer) -> RuleReport {
        let generation = format!("g{}", self.number);
        let when = When { at: self.number, generation: Some(&generation), run: "run" };
        let outcome = answer.outcome(&self.rule);
        let report = self.book.evaluate(&self.rule, outcome, &prints(), &when);
        let told = &mut self.told;
        self.book.tell(self.number, |id, _, _, transition| {
            told.push((id, transition));
            Some(vec!["ops".to_owned()])
        });
        // A restart: what is read is what was written.
        let read: Book = serde_json::from_slice(&self.book.to_bytes()).expect("whole");
        assert_eq!(read, self.book);
        report
    }

    fn state(&self, key: &str) -> Option<State> {
        self.book.finding(id(&self.rule, key)).map(Finding::state)
    }

    fn told(&self, key: &str) -> Vec<Transition> {
        let id = id(&self.rule, key);
        self.told.iter().filter(|(of, _)| *of == id).map(|(_, transition)| *transition).collect()
    }
}

use Answer::{Complete, Failed, Partial};
use Transition::{Closed, Opened, Reopened, Resolved};

#[test]
fn a_finding_is_told_once_for_each_change() {
    let mut scene = Scene::new("clear_after = 2\n");
    for answer in [
        Complete(vec!["a"]),
        Complete(vec!["a"]),
        Complete(vec![]),
        Complete(vec!["a"]),
        Complete(vec![]),
        Complete(vec![]),
        Complete(vec![]),
        Complete(vec!["a"]),
    ] {
        scene.run(&answer);
    }
    assert_eq!(scene.told("a"), [Opened, Resolved, Reopened]);
    assert_eq!(scene.state("a"), Some(State::Open));
}

#[test]
fn nothing_resolves_and_nothing_is_told_on_what_is_not_proven() {
    // Every state that a finding may be in, by the runs that lead to it.
    let (here, gone) = (Complete(vec!["a"]), Complete(vec![]));
    let states: [(State, &[&Answer]); 4] = [
        (State::Pending, &[&here]),
        (State::Open, &[&here, &here]),
        (State::Clearing, &[&here, &here, &gone]),
        (State::Resolved, &[&here, &here, &gone, &gone]),
    ];
    let doubtful = [Partial(vec![]), Partial(vec!["b"]), Failed];
    for (state, runs) in states {
        for answer in &doubtful {
            let mut scene = Scene::new("for = 2\nclear_after = 2\n");
            for answer in runs {
                scene.run(answer);
            }
            assert_eq!(scene.state("a"), Some(state));
            let told = scene.told.clone();
            (0..5).for_each(|_| _ = scene.run(answer));
            assert_eq!(scene.state("a"), Some(state), "{answer:?}");
            assert_eq!(scene.told, told, "{state:?} {answer:?}");
            assert_eq!(scene.state("b"), None);
            let finding = scene.book.finding(id(&scene.rule, "a")).expect("there");
            assert_eq!(finding.life.is_unknown, state != State::Resolved, "{state:?} {answer:?}");
        }
    }
}

#[test]
fn one_generation_counts_once_however_often_it_is_evaluated() {
    let mut scene = Scene::new("for = 2\nclear_after = 2\n");
    scene.run(&Complete(vec!["a"]));
    (0..3).for_each(|_| _ = scene.again(&Complete(vec!["a"])));
    assert_eq!(scene.state("a"), Some(State::Pending));
    scene.run(&Complete(vec!["a"]));
    scene.run(&Complete(vec![]));
    (0..3).for_each(|_| _ = scene.again(&Complete(vec![])));
    assert_eq!(scene.state("a"), Some(State::Clearing));
}

#[test]
fn a_first_run_is_a_baseline_a_summary_or_news() {
    for (first_run, opened) in [("baseline", 0), ("summary", 1), ("all", 3)] {
        let mut scene = Scene::new("");
        scene.rule = rule(&format!("first_run = '{first_run}'\n"));
        // Until everything is complete it is no first run.
        scene.run(&Partial(vec!["x"]));
        let report = scene.run(&Complete(vec!["a", "b", "c"]));
        let baseline = if first_run == "baseline" { 3 } else { 0 };
        assert_eq!(report.baseline, baseline, "{first_run}");
        assert_eq!(scene.told.len(), opened, "{first_run}");
        assert!(scene.told.iter().all(|(_, transition)| *transition == Opened));
        scene.run(&Complete(vec!["b", "c", "d"]));
        assert_eq!(scene.told("d"), [Opened], "{first_run}");
        let of_a: &[Transition] = if first_run == "all" { &[Opened, Resolved] } else { &[] };
        assert_eq!(scene.told("a"), of_a, "{first_run}");
        scene.run(&Complete(vec!["a"]));
        assert!(scene.told("a").last().is_some(), "what comes back is news");
    }
}

#[test]
fn a_changed_rule_sends_no_message_and_keeps_what_still_holds() {
    let mut scene = Scene::new("");
    scene.run(&Complete(vec!["a", "b"]));
    let (before, told) = (scene.rule.clone(), scene.told.len());
    scene.rule.query = crate::rule::RuleQuery::Text {
        language: crate::rule::Language::Sql,
        text: "select 2".to_owned(),
    };
    assert_ne!(scene.rule.version(), before.version());
    scene.rule.first_run = crate::rule::FirstRun::Baseline;
    scene.run(&Complete(vec!["a"]));
    assert_eq!(scene.told[told..], [(id(&scene.rule, "b"), Closed)], "only who keeps a state");
    assert_eq!((scene.state("a"), scene.state("b")), (Some(State::Open), Some(State::Resolved)));
    let b = scene.book.finding(id(&scene.rule, "b")).expect("there");
    assert_eq!(b.life.reason, Some(Reason::RuleChanged));
    scene.run(&Complete(vec![]));
    assert_eq!(scene.told("a"), [Opened, Resolved]);
}

#[test]
fn rules_that_are_off_or_gone_close_without_a_notice() {
    for (is_known, reason) in [(true, Reason::RuleDisabled), (false, Reason::RuleRemoved)] {
        let mut scene = Scene::new("");
        scene.run(&Complete(vec!["a"]));
        let when = When { at: 9, generation: Some("g9"), run: "run" };
        scene.book.close_rules(|_| is_known, |_| false, &when);
        let a = scene.book.finding(id(&scene.rule, "a")).expect("there");
        assert_eq!((a.state(), a.life.reason), (State::Resolved, Some(reason)));
        scene.book.tell(9, |_, _, _, transition| {
            assert!(!transition.is_for_people());
            Some(Vec::new())
        });
    }
}

#[test]
fn another_way_to_show_people_closes_everything_and_takes_the_texts() {
    let mut scene = Scene::new("");
    scene.run(&Complete(vec!["jane.doe"]));
    scene.run(&Complete(vec!["jane.doe", "b"]));
    let when = When { at: 9, generation: Some("g9"), run: "run" };
    scene.book.show_people_as("pseudonymous", &when);
    let text = String::from_utf8(scene.book.to_bytes()).expect("text");
    assert!(!text.contains("jane.doe"), "{text}");
    assert!(scene.book.outbox().is_empty());
    let all = scene.book.findings().values();
    assert!(all.clone().all(|finding| finding.life.reason == Some(Reason::PrivacyChanged)));
    // Nothing is compared with earlier findings, and the next findings are a baseline.
    scene.rule = rule("");
    scene.told.clear();
    scene.run(&Complete(vec!["p1-x"]));
    assert!(scene.told.iter().all(|(_, transition)| *transition == Closed), "{:?}", scene.told);
}

#[test]
fn a_silence_delays_what_is_still_true_at_its_end() {
    let mut scene = Scene::new("");
    let matcher = crate::silence::Matcher { rule: Some("r".to_owned()), ..Default::default() };
    scene.book.silence(Silence {
        id: "s1".to_owned(),
        matcher,
        until: 4,
        at: 0,
        by: "op".to_owned(),
        why: "maintenance".to_owned(),
    });
    scene.run(&Complete(vec!["stays", "goes"]));
    scene.run(&Complete(vec!["stays"]));
    scene.run(&Complete(vec!["stays"]));
    assert_eq!(scene.told, []);
    scene.run(&Complete(vec!["stays"]));
    assert_eq!(scene.told, [(id(&scene.rule, "stays"), Opened)]);
}

#[test]
fn who_takes_a_finding_on_is_forgotten_when_it_comes_back() {
    let mut scene = Scene::new("");
    scene.run(&Complete(vec!["a"]));
    let of_a = id(&scene.rule, "a");
    let ack = Acknowledgement { by: "op".to_owned(), at: 2, note: None };
    assert!(scene.book.acknowledge(of_a, ack.clone()));
    assert_eq!(
        (scene.state("a"), scene.book.highest_severity(2)),
        (Some(State::Acknowledged), None)
    );
    scene.run(&Complete(vec![]));
    assert!(!scene.book.acknowledge(of_a, ack));
    scene.run(&Complete(vec!["a"]));
    assert_eq!(
        (scene.state("a"), scene.book.highest_severity(4)),
        (Some(State::Open), Some(Severity::High))
    );
    assert_eq!(scene.told("a"), [Opened, Resolved, Reopened]);
}

#[test]
fn above_its_maximum_a_rule_has_one_finding_more_and_loses_none() {
    let mut scene = Scene::new("max_findings = 2\n");
    scene.run(&Complete(vec!["a", "b"]));
    scene.run(&Complete(vec!["a", "c", "d"]));
    assert_eq!(scene.state("a"), Some(State::Open));
    assert_eq!((scene.state("b"), scene.state("c")), (Some(State::Resolved), None));
    assert_eq!(scene.book.findings().len(), 3);
    scene.run(&Complete(vec!["a", "c"]));
    assert_eq!(scene.state("c"), Some(State::Open));
    let last = scene.told.last().map(|(_, transition)| *transition);
    assert!(scene.told.iter().filter(|(_, it)| *it == Resolved).count() == 2, "{last:?}");
}

#[test]
fn an_event_is_told_once_and_never_again() {
    let mut scene = Scene::new("");
    scene.rule = rule("kind = 'event'\n");
    scene.run(&Partial(vec!["old"]));
    scene.run(&Partial(vec!["old", "new"]));
    scene.run(&Failed);
    scene.run(&Complete(vec!["new"]));
    // Both are too long ago for the query, and then the clock goes back.
    scene.run(&Complete(vec![]));
    scene.run(&Complete(vec!["old", "new"]));
    let people: Vec<_> = scene.told.iter().filter(|(_, it)| it.is_for_people()).collect();
    assert_eq!(people, [&(id(&scene.rule, "new"), Opened)]);
}

#[test]
fn an_erased_finding_takes_its_text_and_what_was_to_be_told_along() {
    let mut scene = Scene::new("");
    scene.run(&Complete(vec!["jane", "joe"]));
    let gone = scene.book.erase(&|text| text.contains("jane"), BTreeSet::new());
    assert_eq!(gone, 1);
    let text = |scene: &Scene| String::from_utf8(scene.book.to_bytes()).expect("text");
    assert!(!text(&scene).contains("jane"));
    assert_eq!(scene.book.outbox().waiting("ops"), 1);
    // Of one that receivers believe to be open, the ID stays until they are told.
    let of_jane = id(&scene.rule, "jane");
    assert!(text(&scene).contains(&of_jane.to_string()));
    scene.book.tell(3, |id, finding, _, transition| {
        assert_eq!((id, transition, finding.entity.as_deref()), (of_jane, Closed, None));
        Some(Vec::new())
    });
    scene.book.forget(0, 3);
    assert!(!text(&scene).contains(&of_jane.to_string()));
    assert_eq!(scene.state("joe"), Some(State::Open));
}

#[test]
fn an_erased_person_is_in_no_message_and_no_silence_and_has_changed_nothing() {
    let mut scene = Scene::new("");
    scene.run(&Complete(vec!["a", "b"]));
    let [first, second] = ["a", "b"].map(|key| id(&scene.rule, key));
    // The findings have other texts by now.
    let item = |finding, text: &str, transition| Item {
        finding,
        transition,
        at: 1,
        rule: "r".to_owned(),
        title: "a rule".to_owned(),
        severity: Severity::High,
        text: text.to_owned(),
        entity: None,
        labels: BTreeMap::new(),
        opened: 1,
    };
    let message = |items: Vec<Item>| Message {
        id: "m".to_owned(),
        channel: "ops".to_owned(),
        tenant: "acme".to_owned(),
        at: 1,
        total: items.len() + 1,
        opened: items.len(),
        severities: BTreeMap::from([(Severity::High, items.len())]),
        items,
        keeps_state: false,
        overview: None,
        attempts: 0,
        next: 0,
        error: None,
    };
    let items = vec![item(first, "of jane", Opened), item(second, "of joe", Reopened)];
    let outbox = scene.book.outbox_mut();
    outbox.messages.push(message(items));
    let mut last = message(vec![item(first, "of jane", Opened)]);
    last.total = 1;
    outbox.dead.push(last);
    let by = |by: &str| Acknowledgement { by: by.to_owned(), at: 2, note: None };
    assert!(scene.book.acknowledge(first, by("jane")) && scene.book.acknowledge(second, by("joe")));
    for (entity, by, why) in
        [(Some("user:jane"), "joe", ""), (None, "jane", ""), (None, "joe", "jane is on leave")]
    {
        let matcher = Matcher { entity: entity.map(str::to_owned), ..Matcher::default() };
        let (by, why) = (by.to_owned(), why.to_owned());
        scene.book.silence(Silence { id: "s".to_owned(), matcher, until: 9, at: 1, by, why });
    }
    assert_eq!(scene.book.erase(&|text| text.contains("jane"), BTreeSet::new()), 0);
    let text = String::from_utf8(scene.book.to_bytes()).expect("text");
    assert!(!text.contains("jane"), "{text}");
    let [left] = &scene.book.outbox().messages[..] else { panic!("one is left") };
    assert_eq!((left.total, left.opened, left.severities[&Severity::High]), (2, 1, 1));
    assert!(scene.book.outbox().dead.is_empty(), "it said nothing else");
    assert_eq!(scene.book.silences().len(), 1);
    let acknowledged_by = |id| {
        let finding = scene.book.finding(id).expect("it is left");
        finding.acknowledged.as_ref().map(|acknowledgement| acknowledgement.by.as_str())
    };
    assert_eq!([first, second].map(acknowledged_by), [Some("erased"), Some("joe")]);
}

/// The rule as a person would tell it, over the whole past of one key: no counters that are kept.
mod twin {
    use super::*;

    /// Returns whether the key's finding is open after the past: it is opened by so many proofs in a row that it is
    /// there, and resolved by so many in a row that it is not. What proves nothing is skipped, but for one
    /// thing: a row that is there in an incomplete generation begins the count of absences anew.
    pub(super) fn is_open(past: &[Answer], key: &str, hold: usize, clear: usize) -> bool {
        let mut is_open = false;
        for end in 1..=past.len() {
            let mut proofs: Vec<bool> = Vec::new();
            for answer in past[..end].iter().rev() {
                let proof = match answer {
                    Complete(keys) => keys.contains(&key),
                    Partial(keys) if keys.contains(&key) && proofs.last() != Some(&true) => break,
                    Partial(_) | Failed => continue,
                };
                if proofs.last().is_some_and(|last| *last != proof) {
                    break;
                }
                proofs.push(proof);
            }
            match proofs.first() {
                Some(true) if proofs.len() >= hold => is_open = true,
                Some(false) if proofs.len() >= clear => is_open = false,
                _ => {}
            }
        }
        is_open
    }
}

fn answers() -> impl Strategy<Value = Answer> {
    let keys = || proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3);
    prop_oneof![
        4 => keys().prop_map(Complete),
        1 => keys().prop_map(Partial),
        1 => Just(Failed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_book_and_its_twin_agree(
        past in proptest::collection::vec(answers(), 1..14),
        hold in 1_usize..4,
        clear in 1_usize..4,
    ) {
        let mut scene = Scene::new(&format!("for = {hold}\nclear_after = {clear}\n"));
        let mut so_far: Vec<Answer> = Vec::new();
        for answer in past {
            scene.run(&answer);
            so_far.push(answer);
            for key in ["a", "b", "c"] {
                let finding = scene.book.finding(id(&scene.rule, key));
                let is_open = finding.is_some_and(|finding| finding.life.is_active());
                prop_assert_eq!(is_open, twin::is_open(&so_far, key, hold, clear), "{} {:?}", key, so_far);
                let told = scene.told(key);
                // Opened, resolved, reopened, resolved, and so on, and the last is what is true.
                for (place, transition) in told.iter().enumerate() {
                    let expected = match place { 0 => Opened, n if n % 2 == 1 => Resolved, _ => Reopened };
                    prop_assert_eq!(*transition, expected);
                }
                let is_unknown = finding.is_some_and(|finding| finding.life.is_unknown);
                if !is_unknown {
                    prop_assert_eq!(told.last().is_some_and(|transition| transition.is_open()), is_open);
                }
            }
        }
    }
}

#[test]
fn counts_are_by_severity() {
    let mut scene = Scene::new("");
    scene.run(&Complete(vec!["a", "b"]));
    let counts: BTreeMap<_, _> = scene.book.counts();
    assert_eq!((counts[&Severity::High], counts[&Severity::Low]), (2, 0));
    let a = scene.book.finding(id(&scene.rule, "a")).expect("there");
    assert_eq!((a.life.phase, a.entity.as_deref()), (Phase::Open, Some("a")));
}
