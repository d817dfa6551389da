//! Facts about the program's own work, and the rule about complete runs as time passes: when it fires, how often
//! people are notified, and when it is resolved.

use std::collections::BTreeSet;

use core_query::{Format, QuerySession, QuerySettings, ResultWriter};
use core_rules::book::{Outcome as Answer, When};
use core_rules::fingerprint::Fingerprints;
use core_rules::library::Library;
use core_rules::observation::observe;
use core_rules::outbox::Transition;
use core_rules::questions::NoQuestions;
use core_rules::rule::{Rule, RuleQuery};
use core_store::Outcome;
use serde_json::Map;

use super::*;
use crate::testing::{HOUR_MS, Scene};

/// A tenant, the findings of one rule about the program, and those that people were told of.
struct Watched {
    scene: Scene,
    rule: Rule,
    book: Book,
    told: Vec<(Transition, String)>,
}

impl Watched {
    fn new(rule: &str, settings: &str) -> Self {
        let scene = Scene::new(settings);
        let library = Library::load(&scene.folder.path().join("rules"), &NoQuestions);
        let rule = library.find(rule).expect("it is shipped").rule.clone();
        let book = Book::new("full", BTreeSet::new());
        Self { scene, rule, book, told: Vec::new() }
    }

    /// Evaluates the rule some time later, and collects the messages to people.
    async fn evaluate_after(&mut self, hours: u64) {
        self.scene.pass(hours);
        let mut session = QuerySession::empty(QuerySettings::default()).expect("an engine");
        let schedule = Some(&self.scene.config.schedule);
        session.add_table(table(&self.scene.reader(), schedule)).expect("it is new");
        let RuleQuery::Text { text, .. } = &self.rule.query else { panic!("it has a query") };
        let mut result = session.sql(text).expect("it can be asked");
        let mut lines =
            ResultWriter::new(Format::Ndjson, &result.schema(), Vec::new()).expect("lines");
        while let Some(batch) = result.next().await.expect("rows") {
            lines.write(&batch).expect("lines");
        }
        let lines = lines.finish().expect("lines");
        let rows = serde_json::Deserializer::from_slice(&lines)
            .into_iter()
            .map(|row| row.expect("an object"));
        let rows: Vec<Map<String, Value>> = rows.collect();
        let fingerprints = Fingerprints::new("acme", None);
        let observed = observe(&self.rule, &fingerprints, &rows).expect("rows with identities");
        let answer = Answer::Rows { observed, reads: Vec::new(), partial: Vec::new() };
        let now_ms = self.scene.now_ms();
        let run = now_ms.to_string();
        let when = When { at: now_ms, generation: None, run: &run };
        self.book.evaluate(&self.rule, answer, &fingerprints, &when);
        let told = &mut self.told;
        self.book.tell(now_ms, |_, finding, _, transition| {
            told.push((transition, finding.text.clone()));
            Some(vec!["ops".to_owned()])
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_complete_run_for_three_intervals_is_told_once_and_ends_with_the_next_complete_one() {
    // A timetable, the hours after which three runs are not due yet, and those after which they are. The times of an
    // interval depend on the tenant's name.
    let table = [
        ("[schedule]\ninterval = \"6 hours\"\n", 12, 18, "(the timetable is every 6 hours)"),
        ("[schedule]\ninterval = \"1 hour\"\n", 4, 5, "(the timetable is every 1 hour)"),
        (
            "[schedule]\ninterval = \"7 days\"\n",
            14 * 24,
            21 * 24,
            "(the timetable is every 7 days)",
        ),
        (
            "[schedule]\ncron = \"0 6 * * 1-5\"\n",
            71,
            72,
            "(the timetable is cron 0 6 * * 1-5 in UTC)",
        ),
        ("", 71, 72, "(without a timetable, one is due each day)"),
    ];
    for (timetable, early, late, basis) in table {
        let mut watched = Watched::new("program-no-complete-run", timetable);
        watched.scene.publish(Outcome::Complete);
        watched.evaluate_after(early).await;
        assert_eq!(watched.told, [], "{timetable}");
        watched.scene.publish(Outcome::Partial);
        watched.evaluate_after(late - early).await;
        let [(Transition::Opened, text)] = &watched.told[..] else {
            panic!("{timetable}: {:?}", watched.told)
        };
        let expected =
            "the last complete run was at 2026-03-02T06:01:00Z, and 3 runs were due since ";
        assert_eq!(text.strip_prefix(expected), Some(basis));
        for _ in 0..3 {
            watched.evaluate_after(30).await;
        }
        assert_eq!(watched.told.len(), 1, "{timetable}: {:?}", watched.told);
        watched.scene.publish(Outcome::Complete);
        watched.evaluate_after(0).await;
        let transitions = watched.told.iter().map(|(transition, _)| *transition);
        assert_eq!(transitions.collect::<Vec<_>>(), [Transition::Opened, Transition::Resolved]);
    }
}

/// The facts of one check: subject, detail and number of each.
fn facts_of(scene: &Scene, check: &str) -> Vec<(String, String, f64)> {
    let facts = facts(&scene.reader(), Some(&scene.config.schedule)).into_iter();
    let found = facts.filter(|fact| fact.check == check);
    found.map(|fact| (fact.subject, fact.detail, fact.value)).collect()
}

#[test]
fn days_without_a_complete_run_are_whole_days_and_very_many_if_there_was_none() {
    let scene = Scene::new("");
    let days = |scene: &Scene| facts_of(scene, "last-complete-run")[0].2;
    assert_eq!(days(&scene).to_string(), "99999");
    scene.publish(Outcome::Complete);
    for (hours, expected) in [(0, "0"), (23, "0"), (1, "1"), (47, "2"), (1, "3")] {
        scene.pass(hours);
        assert_eq!(days(&scene).to_string(), expected, "after {hours} hours more");
    }
    scene.publish(Outcome::Partial);
    assert_eq!(days(&scene).to_string(), "3", "a partial one changes nothing");
}

#[test]
fn a_destination_without_the_published_generation_is_a_fact() {
    let scene = Scene::new("[destinations.delta]\nfolder = \"lake\"\nafter_run = true\n");
    let by_hand = Scene::new("[destinations.delta]\nfolder = \"lake\"\nafter_run = false\n");
    assert_eq!(facts_of(&scene, "not-delivered"), [], "nothing is published");
    for scene in [&scene, &by_hand] {
        scene.publish(Outcome::Complete);
    }
    let fact = |detail: &str| vec![("delta".to_owned(), detail.to_owned(), 1.0)];
    assert_eq!(facts_of(&scene, "not-delivered"), fact("delta has got no generation yet"));
    assert_eq!(facts_of(&by_hand, "not-delivered"), [], "its first delivery has time");
    let current = scene.tenant.current().expect("it is whole").expect("it is published");
    let deliver = |scene: &Scene, state: &str| {
        let lock = scene.tenant.lock("a test").expect("the lock is free");
        lock.set_state("delivered-delta", state.as_bytes()).expect("there is room");
    };
    let id = current.id();
    let late = fact("delta does not have the published generation");
    let table = [
        (format!("{{\"generation\":\"{id}\",\"whole\":true}}"), Vec::new()),
        (format!("{{\"generation\":\"{id}\",\"whole\":false}}"), late.clone()),
        (format!("{{\"generation\":\"{id}\"}}"), late.clone()),
        ("{\"generation\":\"another\",\"whole\":true}".to_owned(), late.clone()),
        ("no JSON".to_owned(), late.clone()),
    ];
    for (state, expected) in table {
        deliver(&scene, &state);
        assert_eq!(facts_of(&scene, "not-delivered"), expected, "{state}");
    }
    deliver(&by_hand, "{\"generation\":\"another\",\"whole\":true}");
    assert_eq!(facts_of(&by_hand, "not-delivered"), late, "it was delivered to before");
}

#[test]
fn facts_about_settings_need_settings_and_the_others_do_not() {
    let scene = Scene::new("");
    let checks = |reader: &Reader<'_>| {
        facts(reader, None).into_iter().map(|fact| fact.check).collect::<BTreeSet<_>>()
    };
    let all = BTreeSet::from(["exports-used", "last-complete-run"]);
    assert_eq!(checks(&scene.reader()), all);
    let without = Reader { settings: None, ..scene.reader() };
    assert_eq!(checks(&without), BTreeSet::from(["last-complete-run"]));
}

#[test]
fn runs_that_are_due_are_counted_from_the_first_run_while_none_was_complete() {
    let scene = Scene::new("");
    assert_eq!(facts_of(&scene, "runs-due-since-complete"), [], "nothing ran yet");
    let event = core_engine::ledger::Event::RunStarted { steps: &[] };
    core_engine::ledger::record(&scene.host, &scene.tenant, &event).expect("there is room");
    for (hours, due) in [(23, "0 runs were"), (1, "1 run was"), (24, "2 runs were")] {
        scene.pass(hours);
        let detail = format!(
            "no run has been complete since the first one at 2026-03-02T06:01:00Z, and {due} due since \
             (without a timetable, one is due each day)"
        );
        assert_eq!(facts_of(&scene, "runs-due-since-complete")[0].1, detail);
    }
    scene.pass(24 * 2_000);
    let many = &facts_of(&scene, "runs-due-since-complete")[0];
    assert!(many.1.contains("1000 or more runs were due"), "{}", many.1);
    assert_eq!(scene.now_ms() % HOUR_MS, 60_000, "the clock goes by hours");
}

#[test]
fn runs_in_a_row_that_published_nothing_are_counted_and_those_that_say_nothing_are_passed_over() {
    let scene = Scene::new("");
    let record = |event: core_engine::ledger::Event<'_>| {
        core_engine::ledger::record(&scene.host, &scene.tenant, &event).expect("there is room");
    };
    let start = || record(core_engine::ledger::Event::RunStarted { steps: &[] });
    let run = |exit_code: u8| {
        start();
        scene.pass(1);
        let (run, generation) = (None, None);
        record(core_engine::ledger::Event::RunEnded { run, generation, exports: 0, exit_code });
    };
    let fact = |runs: &str, end: &str, value: f64| {
        let detail = format!("the last {runs} published nothing, {end}");
        vec![("run".to_owned(), detail, value)]
    };
    let found = || facts_of(&scene, "runs-failed");
    assert_eq!(found(), [], "nothing ran yet");
    let at_seven = "ending at 2026-03-02T07:01:00Z with exit code 1";
    run(1);
    assert_eq!(found(), fact("run", at_seven, 1.0));
    // Deferred, stopped.
    run(75);
    run(2);
    assert_eq!(found(), fact("run", at_seven, 1.0));
    run(1);
    let at_ten = "ending at 2026-03-02T10:01:00Z with exit code 1";
    assert_eq!(found(), fact("2 runs", at_ten, 2.0));
    // Partial, not delivered, and one that reads the audit trail alone, which makes no generation.
    for exit_code in [7, 6, 0] {
        run(exit_code);
        assert_eq!(found(), [], "{exit_code}");
        run(1);
        assert_eq!(found().len(), 1);
    }
    run(0);
    start();
    let lock = scene.tenant.lock("a test").expect("the lock is free");
    assert_eq!(found(), [], "it is going on");
    drop(lock);
    let killed = "starting at 2026-03-02T17:01:00Z and killed before its end";
    assert_eq!(found(), fact("run", killed, 1.0));
}
