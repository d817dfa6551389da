//! Whole evaluations, with queries that run in this process.

use std::cell::Cell;
use std::fs;

use core_rules::outbox::Outbox;
use core_store::Outcome as Published;
use serde_json::json;

use super::*;
use crate::channels::ChannelList;
use crate::load_rules;
use crate::testing::{InProcess, Scene, keys};

fn basis(tenant: &TenantStore) -> Basis {
    Basis::read(tenant).expect("it can be read")
}

#[test]
fn answers_do_not_outlive_the_generation_nor_the_people_that_they_were_asked_of() {
    let scene = Scene::new("");
    let tenant = &scene.tenant;
    let before = basis(tenant);
    assert_eq!(basis(tenant), before, "nothing has happened");
    scene.publish(Published::Complete);
    let published = basis(tenant);
    assert_ne!(published, before, "another generation is published");
    let lock = tenant.lock("a test").expect("the lock is free");
    lock.set_erasures(&["e-1".to_owned()].into()).expect("there is room");
    // The generation must not be read before it has been through the erasure.
    let erased = Basis::read(tenant);
    assert!(erased.is_err() || erased.is_ok_and(|now| now != published), "people were erased");
}

#[tokio::test]
async fn findings_open_with_their_rows_and_are_resolved_without() {
    let scene = Scene::new("");
    // A day after the last complete run, `value` is 1.
    let recent = "select subject as _key from program_status where check = 'last-complete-run' and value < 1";
    scene.add_rule("fan", &format!("{recent} union all {}", keys(&["b"])));
    scene.publish(Published::Complete);
    let report = scene.evaluate().await;
    assert_eq!(
        report.summary().as_deref(),
        Some("1 rule: 2 findings open (2 high), 2 opened, 0 resolved")
    );
    assert_eq!(scene.in_state("open"), ["b is found", "run is found"]);

    scene.pass(24);
    scene.publish(Published::Partial);
    let report = scene.evaluate().await;
    assert_eq!(
        report.summary().as_deref(),
        Some("1 rule: 1 finding open (1 high), 0 opened, 1 resolved")
    );
    assert_eq!(scene.in_state("open"), ["b is found"]);
    assert_eq!(scene.in_state("resolved"), ["run is found"]);
}

#[tokio::test]
async fn without_a_rule_and_without_findings_nothing_is_written() {
    let scene = Scene::new("");
    scene.publish(Published::Complete);
    let report = scene.evaluate().await;
    assert!(report.is_empty() && report.summary().is_none());
    assert_eq!(Book::read(&scene.tenant).expect("it is whole"), None);
}

#[tokio::test]
async fn a_rule_that_fails_keeps_its_findings_and_says_why() {
    let scene = Scene::new("");
    // A day after the last complete run, `value` is 1.
    let fails_later = "select subject as _key, 1 / cast(1 - value as bigint) as part from program_status \
                       where check = 'last-complete-run'";
    scene.add_rule("fan", fails_later);
    scene.publish(Published::Complete);
    assert_eq!(scene.evaluate().await.remarks(), [""; 0]);
    scene.add_rule("disk", &keys(&["d"]));
    scene.pass(24);
    scene.publish(Published::Partial);
    let remarks = scene.evaluate().await.remarks();
    assert_eq!(scene.in_state("open"), ["d is found", "run is found"]);
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(remarks[0].starts_with("rule fan: failed: "), "{remarks:?}");
    assert!(remarks[0].contains("zero"), "{remarks:?}");
}

#[tokio::test]
async fn only_the_rules_that_are_named_and_on_are_evaluated() {
    let scene = Scene::new("");
    for id in ["disk", "fan", "noise"] {
        scene.add_rule(id, &keys(&[id]));
    }
    scene.write("rules/switches.toml", "off = ['noise']\n");
    scene.publish(Published::Complete);
    let library = load_rules(Some(scene.folder.path()));
    let evaluator =
        Evaluator { reader: scene.reader(), library: &library, source: InProcess(&scene) };
    let named = ["fan", "noise"].map(str::to_owned);
    evaluator.evaluate(&named).await.expect("it can be written");
    assert_eq!(scene.in_state("open"), ["fan is found"]);
}

#[tokio::test]
async fn the_findings_of_a_rule_that_is_gone_are_closed_but_not_while_a_file_has_a_mistake() {
    let scene = Scene::new("");
    scene.add_rule("disk", &keys(&["d"]));
    scene.add_rule("fan", &keys(&["a"]));
    scene.publish(Published::Complete);
    scene.evaluate().await;
    let broken = scene.write("rules/fan.toml", "id = ");
    let report = scene.evaluate().await;
    assert_eq!(scene.in_state("open"), ["a is found", "d is found"]);
    assert!(report.remarks()[0].starts_with("not valid: "), "{:?}", report.remarks());
    fs::remove_file(broken).expect("it is there");
    scene.evaluate().await;
    assert_eq!(scene.in_state("open"), ["d is found"]);
}

#[tokio::test]
async fn without_knowing_which_rules_are_on_none_is_evaluated_and_nothing_ends() {
    let scene = Scene::new("");
    scene.add_rule("disk", &keys(&["d"]));
    scene.add_rule("fan", &keys(&["a"]));
    scene.write("rules/switches.toml", "off = ['fan']\n");
    scene.publish(Published::Complete);
    scene.evaluate().await;
    let conflict = "<<<<<<< HEAD\noff = ['fan']\n=======\noff = []\n>>>>>>> other\n";
    scene.write("rules/switches.toml", conflict);
    scene.add_rule("disk", &keys(&["e"]));
    scene.pass(1);
    scene.publish(Published::Complete);
    let library = load_rules(Some(scene.folder.path()));
    let evaluator =
        Evaluator { reader: scene.reader(), library: &library, source: InProcess(&scene) };
    let refused = [
        evaluator.evaluate(&[]).await.map(drop),
        evaluator.dry_run(&[]).await.map(drop),
        crate::check_on(&library, &["disk".to_owned()], "graph"),
    ];
    for refused in refused {
        let failure = refused.expect_err("the file has a mistake");
        assert_eq!(failure.kind, core_engine::FailureKind::Configuration);
        let text = failure.error.to_string();
        assert!(text.starts_with("it is not known which rules are enabled"), "{text}");
        assert!(text.contains("switches.toml:1:"), "{text}");
    }
    assert_eq!(scene.in_state("open"), ["d is found"]);
    let tried = evaluator.dry_run(&["fan".to_owned()]).await.expect("it is named");
    assert_eq!(tried.len(), 1);
}

/// Answers in this process, and publishes another generation during the first query.
struct Overtaken<'a> {
    scene: &'a Scene,
    asked: &'a Cell<u32>,
}

impl RuleAnswers for Overtaken<'_> {
    async fn ask(&self, rules: &[&Rule], fingerprints: &Fingerprints) -> Answers {
        let answers = InProcess(self.scene).ask(rules, fingerprints).await;
        if self.asked.replace(self.asked.get() + 1) == 0 {
            self.scene.pass(1);
            self.scene.publish(Published::Complete);
        }
        answers
    }
}

#[tokio::test]
async fn rules_are_asked_again_if_another_generation_is_published_meanwhile() {
    let scene = Scene::new("");
    scene.add_rule("fan", &keys(&["a"]));
    scene.publish(Published::Complete);
    let (library, asked) = (load_rules(Some(scene.folder.path())), Cell::new(0));
    let source = Overtaken { scene: &scene, asked: &asked };
    let evaluator = Evaluator { reader: scene.reader(), library: &library, source };
    for expected in [2, 3] {
        evaluator.evaluate(&[]).await.expect("it can be written");
        assert_eq!(asked.get(), expected);
    }
    let book = Book::read(&scene.tenant).expect("it is whole").expect("it was evaluated");
    let newest = scene.tenant.current().expect("it is whole").expect("it is published");
    let record = book.rule("fan").expect("it was evaluated");
    assert_eq!(record.generation.as_deref(), Some(newest.id().as_str()));
}

#[tokio::test]
async fn all_generations_are_fetched_before_a_rule_that_reads_history_is_asked() {
    let scene = Scene::new("");
    scene.publish(Published::Complete);
    let current = scene.tenant.current().expect("it is whole").expect("it is published");
    fs::write(current.folder().join("not-fetched"), "").expect("there is room");
    scene.add_rule("fan", &keys(&["a"]));
    scene.evaluate().await;
    scene.add_rule("disk", "select _key from nexthink_device_history");
    let library = load_rules(Some(scene.folder.path()));
    let source = InProcess(&scene);
    let evaluator = Evaluator { reader: scene.reader(), library: &library, source };
    let failure = evaluator.evaluate(&[]).await.expect_err("nothing can fetch them");
    assert!(format!("{:#}", failure.error).contains("only in the bucket"), "{:#}", failure.error);
}

#[tokio::test]
async fn a_mistake_in_the_file_of_channels_tells_nothing_and_is_a_problem_of_the_report() {
    let scene = Scene::new("");
    scene.add_rule("fan", &keys(&["a"]));
    scene.publish(Published::Complete);
    let path = scene.write("notify.toml", "[channels.ops]\nkind = 'pigeon'\n");
    let report = scene.evaluate().await;
    let remark = report.remarks().join("\n");
    assert!(remark.contains("not valid: the channels are not valid:\n"), "{remark}");
    assert!(remark.contains("pigeon"), "{remark}");
    let waiting = |scene: &Scene| {
        let book = Book::read(&scene.tenant).expect("it is whole").unwrap_or_default();
        book.outbox().messages().len()
    };
    assert_eq!((scene.in_state("open").len(), waiting(&scene)), (1, 0));
    let text = "[channels.ops]\nkind = 'exec'\ncommand = ['true']\n[[routes]]\nto = ['ops']\n";
    fs::write(path, text).expect("there is room");
    assert_eq!(scene.evaluate().await.remarks(), [""; 0]);
    assert_eq!(waiting(&scene), 1, "what was missed is told");
}

const OPS: &str = "[channels.ops]\nkind = 'exec'\ncommand = ['true']\n[[routes]]\nto = ['ops']\n";

fn outbox(scene: &Scene) -> Outbox {
    let book = Book::read(&scene.tenant).expect("it is whole").expect("it was evaluated");
    book.outbox().clone()
}

#[tokio::test]
async fn without_the_file_of_channels_everything_waits_and_the_report_says_so() {
    let scene = Scene::new("");
    // A day after the last complete run, `value` is 1.
    let recent = "select subject as _key from program_status where check = 'last-complete-run' and value < 1";
    scene.add_rule("fan", &format!("{recent} union all {}", keys(&["b"])));
    scene.publish(Published::Complete);
    let path = scene.write("notify.toml", OPS);
    assert_eq!(scene.evaluate().await.remarks(), [""; 0]);
    let before = outbox(&scene);
    assert_eq!(before.messages().len(), 2);
    fs::remove_file(&path).expect("it is there");
    let report = scene.evaluate().await;
    let [remark] = &report.remarks()[..] else { panic!("{:?}", report.remarks()) };
    assert!(remark.starts_with("2 changes were not sent, since there is no "), "{remark}");
    assert!(remark.contains("notify.toml: put the file back"), "{remark}");
    let object = serde_json::to_value(&report).expect("it is JSON");
    assert_eq!(object["notices"], json!([remark]));
    assert_eq!(outbox(&scene), before, "nothing is touched");
    // An end that is in no message yet is told later too.
    scene.pass(24);
    scene.publish(Published::Partial);
    scene.evaluate().await;
    assert_eq!(scene.in_state("resolved"), ["run is found"]);
    scene.write("notify.toml", OPS);
    assert_eq!(scene.evaluate().await.remarks(), [""; 0]);
    let transitions = |outbox: &Outbox| {
        let items = outbox.messages().iter().flat_map(|message| &message.items);
        items.map(|item| item.transition.name()).collect::<Vec<_>>()
    };
    assert_eq!(transitions(&outbox(&scene)), ["opened", "opened", "resolved"]);
}

#[tokio::test]
async fn what_opened_without_the_file_of_channels_is_told_with_it_while_it_is_open() {
    let scene = Scene::new("");
    scene.add_rule("fan", &keys(&["a", "b"]));
    scene.publish(Published::Complete);
    assert_eq!(scene.evaluate().await.remarks(), [""; 0], "nothing was to be sent anywhere");
    scene.add_rule("fan", &keys(&["a"]));
    scene.pass(1);
    scene.publish(Published::Complete);
    scene.evaluate().await;
    scene.write("notify.toml", OPS);
    scene.evaluate().await;
    let outbox = outbox(&scene);
    let [message] = outbox.messages() else { panic!("{outbox:?}") };
    let [item] = &message.items[..] else { panic!("{message:?}") };
    assert_eq!((item.transition.name(), item.text.as_str()), ("opened", "a is found"));
}

#[tokio::test]
async fn messages_to_a_renamed_channel_are_given_up_and_reported() {
    let scene = Scene::new("");
    scene.add_rule("fan", &keys(&["a", "b"]));
    scene.publish(Published::Complete);
    scene.write("notify.toml", OPS);
    scene.evaluate().await;
    scene.write("notify.toml", &OPS.replace("ops", "desk"));
    let remarks = scene.evaluate().await.remarks();
    let expected = "gave up 2 messages to ops, since notify.toml has no such channel any more";
    assert_eq!(remarks, [expected]);
    assert_eq!(outbox(&scene).given_up(), 2);
    assert_eq!(scene.evaluate().await.remarks(), [""; 0], "it is said once");
    let listed = ChannelList::read(&scene.reader()).expect("it can be read");
    let listed = listed.objects();
    let given_up: Vec<_> =
        listed.iter().map(|channel| [&channel["channel"], &channel["givenUp"]]).collect();
    let expected = json!([["desk", 0], ["ops", 2]]);
    assert_eq!(json!(given_up), expected);
    scene.add_rule(
        "given-up",
        "select subject as _key from program_status where check = 'message-given-up'",
    );
    scene.evaluate().await;
    assert!(scene.in_state("open").contains(&"ops is found".to_owned()));
}

#[tokio::test]
async fn a_dry_run_shows_any_rule_and_changes_nothing() {
    let scene = Scene::new("");
    scene.add_rule("disk", "select _key from no_such_table");
    scene.add_rule("fan", &keys(&["b", "a"]));
    scene.write("rules/switches.toml", "off = ['disk']\n");
    scene.publish(Published::Complete);
    let library = load_rules(Some(scene.folder.path()));
    let evaluator =
        Evaluator { reader: scene.reader(), library: &library, source: InProcess(&scene) };
    let shown = async |ids: &[&str]| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let trials = evaluator.dry_run(&ids).await.expect("it can be read");
        trials.iter().flat_map(Trial::lines).collect::<Vec<_>>()
    };
    let fan = ["fan: 2 rows", "  a is found", "  b is found"];
    assert_eq!(shown(&[]).await, fan);
    assert_eq!(shown(&["fan"]).await, fan);
    let disk = shown(&["disk"]).await;
    assert!(disk.len() == 1 && disk[0].starts_with("disk: failed: "), "{disk:?}");
    assert_eq!(Book::read(&scene.tenant).expect("it is whole"), None);
}

#[test]
fn a_trial_that_reads_partial_types_says_that_a_run_would_change_nothing() {
    let trial = |not_complete: &[&str]| Trial::Rows {
        rule: "fan".to_owned(),
        rows: 0,
        reads: vec!["device".to_owned(), "user".to_owned()],
        not_complete: not_complete.iter().map(|&name| name.to_owned()).collect(),
        findings: Vec::new(),
    };
    assert_eq!(trial(&[]).remark(), None);
    let expected =
        "fan reads types that are not complete (device, user), so that a run would change nothing";
    assert_eq!(trial(&["device", "user"]).remark().as_deref(), Some(expected));
    let failed = Trial::Failed { rule: "fan".to_owned(), failed: "no".to_owned() };
    assert_eq!(failed.remark(), None);
    let value = serde_json::to_value(trial(&["device"])).expect("it is JSON");
    assert_eq!(value["notComplete"], serde_json::json!(["device"]));
    assert_eq!(serde_json::to_value(failed).expect("it is JSON")["failed"], "no");
}
