//! Findings as people read and change them.

use core_rules::finding::State;
use core_rules::silence::Matcher;
use core_store::Outcome;

use super::*;
use crate::testing::{HOUR_MS, Scene, keys};

/// A tenant with the open findings `a`, `b` and `c` of a rule.
async fn scene() -> Scene {
    let scene = Scene::new("");
    scene.add_rule("fan", &keys(&["a", "b", "c"]));
    scene.publish(Outcome::Complete);
    scene.evaluate().await;
    scene
}

fn failure<T>(result: Result<T, Failure>) -> String {
    result.err().map_or_else(String::new, |failure| failure.error.to_string())
}

/// The ID of the finding with a text.
fn id(findings: &Findings<'_>, text: &str) -> String {
    let all = &mut findings.book.findings().iter();
    let found = all.find(|(_, finding)| finding.text == format!("{text} is found"));
    found.expect("it was found").0.to_string()
}

/// The texts of a list.
fn texts(list: &List<'_>) -> Vec<String> {
    list.objects().map(|row| row["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn an_id_is_named_by_its_beginning_in_any_case_with_or_without_its_type() {
    let scene = scene().await;
    let reader = scene.reader();
    let findings = Findings::read(&reader).expect("there are some");
    let whole = id(&findings, "b");
    let named = findings.named(&whole).expect("it is whole");
    for text in [
        whole[..SHORT_ID].to_owned(),
        whole.to_uppercase(),
        format!(" {whole}\n"),
        format!("nexthink_finding:{whole}"),
    ] {
        assert_eq!(findings.named(&text).expect("it is one"), named, "{text:?}");
    }
    for (text, expected) in [
        ("abc", "`abc` is too short for an ID: write at least 4 of its characters"),
        (
            "zzzz",
            "there is no finding whose ID begins with `zzzz`; `nexthink-graph findings list` shows them",
        ),
    ] {
        assert_eq!(failure(findings.named(text)), expected);
    }
}

#[test]
fn without_an_evaluation_there_is_nothing_to_read() {
    let scene = Scene::new("");
    let reader = scene.reader();
    let text = failure(Findings::read(&reader));
    assert!(text.starts_with("no rule was evaluated yet: `nexthink-graph rules enable"), "{text}");
}

#[tokio::test]
async fn a_list_shows_what_is_wanted_and_counts_the_rest() {
    let scene = scene().await;
    let reader = scene.reader();
    let findings = Findings::read(&reader).expect("there are some");
    let list = |wanted: Wanted, lines| {
        let list = findings.list(&wanted, lines);
        (texts(&list), list.remark())
    };
    let all = ["a is found", "b is found", "c is found"].map(str::to_owned).to_vec();
    assert_eq!(list(Wanted::default(), None), (all.clone(), "3 findings".to_owned()));
    let remark = "3 findings, of which the first 2 are shown: --lines or --output csv shows more";
    assert_eq!(list(Wanted::default(), Some(2)), (all[..2].to_vec(), remark.to_owned()));
    assert_eq!(list(Wanted::default(), Some(3)).1, "3 findings");
    let resolved = Wanted { states: vec![State::Resolved], ..Wanted::default() };
    assert_eq!(list(resolved, None), (Vec::new(), "0 findings".to_owned()));
    let rule = Some("disk".to_owned());
    let other = Wanted { matcher: Matcher { rule, ..Matcher::default() }, ..Wanted::default() };
    assert_eq!(list(other, None).0, [""; 0]);
    let entries = scene.tenant.ledger().entries().expect("it is whole");
    let reads = entries.iter().filter(|entry| entry.record.event == "findings_read");
    assert_eq!(reads.count(), 1, "lists that are equal in the ledger have one entry");
}

#[tokio::test]
async fn an_acknowledgement_is_shown_and_can_be_withdrawn() {
    let scene = scene().await;
    let reader = scene.reader();
    let id = id(&Findings::read(&reader).expect("there are some"), "a");
    let ids = [id[..SHORT_ID].to_owned()];
    let note = Some("ordered\na fan");
    let done = acknowledge(&reader, &ids, Acknowledging::Acknowledge { note }).await;
    assert_eq!(done.expect("it is open"), [format!("acknowledged: {}", ids[0])]);
    let findings = Findings::read(&reader).expect("there are some");
    let page = findings.one(&id).expect("it is there").page(None);
    let expected = "acknowledged by uid 1000 (tester) at 2026-03-02T06:01:00Z: ordered a fan";
    assert!(page.lines().any(|line| line == expected), "{page}");
    let table = findings.list(&Wanted::default(), None).table(None);
    assert_eq!(table.matches("acknowledged").count(), 1, "{table}");

    let undone = acknowledge(&reader, &ids, Acknowledging::Withdraw).await;
    assert_eq!(undone.expect("it is taken"), [format!("acknowledgement withdrawn: {}", ids[0])]);
    let again = failure(acknowledge(&reader, &ids, Acknowledging::Withdraw).await);
    assert_eq!(again, format!("finding {} stays as it is: it is not acknowledged", ids[0]));
}

#[tokio::test]
async fn one_finding_that_cannot_be_acknowledged_leaves_all_as_they_are() {
    let scene = scene().await;
    let reader = scene.reader();
    let findings = Findings::read(&reader).expect("there are some");
    let mut ids = vec![id(&findings, "a"), id(&findings, "b")];
    let acknowledging = Acknowledging::Acknowledge { note: None };
    ids.push("ffffffff".to_owned());
    let failed = failure(acknowledge(&reader, &ids, acknowledging).await);
    assert!(failed.starts_with("there is no finding"), "{failed}");
    assert_eq!(scene.in_state("open").len(), 3);
    scene.add_rule("fan", &keys(&["b", "c"]));
    scene.pass(1);
    scene.publish(Outcome::Complete);
    scene.evaluate().await;
    ids.pop();
    ids.reverse();
    let failed = failure(acknowledge(&reader, &ids, acknowledging).await);
    assert!(failed.ends_with("stays as it is: it is resolved"), "{failed}");
    assert_eq!(scene.in_state("open").len(), 2);
}

#[tokio::test]
async fn a_silence_has_an_end_and_a_reason_and_names_what_it_is_about() {
    let scene = scene().await;
    let reader = scene.reader();
    let request = |rule: Option<&str>, label: Option<&str>, why: Option<&str>| SilenceRequest {
        rule: rule.map(str::to_owned),
        label: label.map(str::to_owned),
        length_ms: Some(2 * HOUR_MS),
        why: why.map(str::to_owned),
        ..SilenceRequest::default()
    };
    assert!(request(None, None, Some("a move")).names_nothing());
    assert!(!request(None, Some("wrong"), None).names_nothing());
    for (wrong, expected) in [
        (
            request(Some("fan"), None, None),
            "a silence needs its end and a reason: add --for 7d --why TEXT",
        ),
        (request(None, Some("team"), Some("a move")), "write a label as NAME=VALUE"),
    ] {
        assert_eq!(failure(silence(&reader, wrong).await), expected);
    }
    let line = silence(&reader, request(Some("f*"), None, Some("a\nmove"))).await;
    let line = line.expect("it is whole");
    assert!(line.starts_with("silenced until 2026-03-02T08:01:00Z: s-"), "{line}");
    assert!(line.ends_with("(3 open findings now)"), "{line}");

    let findings = Findings::read(&reader).expect("there are some");
    let table = findings.list(&Wanted::default(), None).table(None);
    assert_eq!(table.matches("open, silenced").count(), 3, "{table}");
    let [silence] = &findings.silence_objects()[..] else { panic!("there is one") };
    assert_eq!(silence["why"], "a move");
    let silenced = silence["id"].as_str().expect("it has one").to_owned();
    let page = findings.one(&id(&findings, "a")).expect("it is there").page(None);
    assert!(page.contains("silenced until 2026-03-02T08:01:00Z: a move"), "{page}");

    let ended = end_silence(&reader, &silenced).await.expect("it is in force");
    assert_eq!(ended, format!("ended: {silenced}"));
    let again = failure(end_silence(&reader, &silenced).await);
    assert_eq!(again, format!("there is no silence `{silenced}` in force"));
    let findings = Findings::read(&reader).expect("there are some");
    assert!(findings.silences_table(None).contains("(over)"));
}

#[tokio::test]
async fn changes_are_listed_the_newest_first_of_all_findings_or_of_one() {
    let scene = scene().await;
    let reader = scene.reader();
    let id = id(&Findings::read(&reader).expect("there are some"), "b");
    scene.pass(1);
    let acknowledging = Acknowledging::Acknowledge { note: None };
    acknowledge(&reader, std::slice::from_ref(&id), acknowledging).await.expect("it is open");
    let findings = Findings::read(&reader).expect("there are some");
    let happened = |only: Option<&str>, lines| {
        let history = findings.history(only, Some(lines)).expect("it is there");
        let objects = history.objects().map(|entry| {
            let [what, text] =
                ["what", "text"].map(|name| entry[name].as_str().unwrap_or_default().to_owned());
            format!("{what}: {text}")
        });
        objects.collect::<Vec<_>>()
    };
    let newest = "acknowledged: b is found";
    assert_eq!(happened(None, 1), [newest]);
    assert_eq!(happened(Some(&id), 9), [newest, "opened: b is found"]);
    assert_eq!(happened(None, 9).len(), 4);
    let remark = |lines| findings.history(None, lines).expect("it is there").remark();
    assert!(remark(Some(3)).is_some_and(|remark| remark.starts_with("the last 3 of 4 changes")));
    assert_eq!((remark(Some(4)), remark(None)), (None, None));
    let table = findings.history(None, Some(9)).expect("it is there").table(None);
    let first = table.lines().nth(2).unwrap_or_default();
    assert!(first.contains("2026-03-02T07:01:00Z") && first.contains("acknowledged"), "{table}");
}
