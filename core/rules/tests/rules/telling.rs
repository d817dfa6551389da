//! Who hears of a change, when, and how many changes one message has.

use core_rules::book::When;
use core_rules::document::Document;
use core_rules::notify::settings::NotifySettings;
use core_rules::outbox::Message;
use core_rules::rule::{FirstRun, Language, RuleQuery, Severity};
use core_rules::silence::{Matcher, Silence};
use serde_json::json;

use crate::kit::{DAY_MS, Scene, rule};

const HOUR_MS: u64 = DAY_MS / 24;

/// A channel with further settings, and a route to it.
fn channel(kind: &str, settings: &str) -> String {
    format!(
        "[channels.ops]\nkind = \"{kind}\"\nurl = \"https://hooks.example/x\"\n{settings}\n\
         [[routes]]\nto = [\"ops\"]\n"
    )
}

/// The messages that wait, which count as delivered then.
fn taken(scene: &mut Scene) -> Vec<Message> {
    let messages = scene.book.outbox().messages().to_vec();
    for message in &messages {
        let delivered = core_rules::outbox::Attempt::Delivered;
        scene.book.outbox_mut().note(&message.id, &delivered, scene.now);
    }
    messages
}

#[test]
fn findings_of_a_group_share_a_message_and_others_do_not() {
    let mut scene = Scene::new(&channel("slack", "digest_above = 4"));
    scene.rule = rule("group_by = ['site']\n");
    let row = |key: &str, site: &str| json!({ "key": key, "name": key, "site": site });
    let rows = [row("a", "Bern"), row("b", "Genf"), row("c", "Bern"), row("d", "Genf")];
    scene.run_rows(&rows);
    let totals =
        |messages: Vec<Message>| messages.iter().map(|message| message.total).collect::<Vec<_>>();
    assert_eq!(totals(taken(&mut scene)), [2, 2]);
    scene.run_rows(&[]);
    assert_eq!(totals(taken(&mut scene)), [2, 2]);
    scene.run_rows(&[&rows[..], &[row("e", "Basel")]].concat());
    assert_eq!(totals(taken(&mut scene)), [5], "above the limit all are one digest");
    // Without groups each has its own.
    let mut scene = Scene::new(&channel("slack", "digest_above = 4"));
    scene.run_rows(&rows);
    assert_eq!(totals(taken(&mut scene)), [1, 1, 1, 1]);
}

#[test]
fn a_route_is_for_a_severity_rules_labels_and_transitions() {
    let routes = [
        ("", "opened resolved"),
        ("severity = \"high\"", "opened resolved"),
        ("severity = \"critical\"", ""),
        ("rules = [\"x-*\", \"r*\"]", "opened resolved"),
        ("rules = [\"x-*\"]", ""),
        ("labels = { team = \"shops\" }", "opened resolved"),
        ("labels = { team = \"desk\" }", ""),
        ("labels = { team = \"shops\", city = \"Bern\" }", ""),
        ("on = [\"opened\"]", "opened"),
        ("on = [\"resolved\"]", "resolved"),
        ("severity = \"low\"\nrules = [\"x-*\"]", ""),
    ];
    for (route, expected) in routes {
        let mut scene = Scene::new(&(channel("slack", "") + route + "\n"));
        scene.rule = rule("labels = { team = 'shops' }\n");
        scene.run(&["a"]);
        scene.run(&[]);
        let told = taken(&mut scene);
        let told: Vec<&str> = told
            .iter()
            .flat_map(|message| &message.items)
            .map(|item| item.transition.name())
            .collect();
        assert_eq!(told.join(" "), expected, "{route}");
    }
}

#[test]
fn a_receiver_that_keeps_state_is_told_of_every_end() {
    for route in ["on = [\"opened\"]", "severity = \"high\"", "labels = { team = \"shops\" }"] {
        let pagerduty = "[channels.ops]\nkind = \"pagerduty\"\nrouting_key = { env = \"KEY\" }\n\
                         [[routes]]\nto = [\"ops\"]\n";
        let mut scene = Scene::new(&format!("{pagerduty}{route}\n"));
        scene.rule = rule("labels = { team = 'shops' }\n");
        scene.run(&["a"]);
        assert_eq!(taken(&mut scene).len(), 1, "{route}");
        // The rule is another team's, and less severe.
        scene.rule.labels.clear();
        scene.rule.severity = Severity::Low;
        scene.run(&[]);
        let told = taken(&mut scene);
        let ended: Vec<_> = told
            .iter()
            .flat_map(|message| &message.items)
            .map(|item| item.transition.name())
            .collect();
        assert_eq!(ended, ["resolved"], "{route}");
    }
}

#[test]
fn an_overview_comes_once_a_day_or_a_week_outside_quiet_hours_whatever_the_clock_does() {
    for (overview, days) in [("daily", 1), ("weekly", 7)] {
        let settings = format!("overview = \"{overview}\"\nquiet_hours = \"00:00-12:00\"");
        let mut scene = Scene::new(&channel("slack", &settings));
        let noon = 20_000 * DAY_MS + 12 * HOUR_MS;
        let mut came = Vec::new();
        let mut overviews = |scene: &mut Scene, now: u64| {
            scene.now = now;
            scene.compose();
            let messages = taken(scene);
            came.extend(
                messages
                    .iter()
                    .filter(|message| message.overview.is_some())
                    .map(|message| message.at),
            );
        };
        scene.run(&["a", "b"]);
        taken(&mut scene);
        for hour in 0..20 * 24 {
            overviews(&mut scene, noon - 12 * HOUR_MS + hour * HOUR_MS);
        }
        let expected: Vec<u64> =
            (0..=20 / days).map(|number| noon + number * days * DAY_MS).collect();
        let expected: Vec<u64> =
            expected.into_iter().filter(|at| *at < noon + 19 * DAY_MS + 12 * HOUR_MS).collect();
        assert_eq!(came, expected, "{overview}");
        // A clock that goes back a year sends one at once, and then they come as before.
        came.clear();
        let mut overviews = |scene: &mut Scene, now: u64| {
            scene.now = now;
            scene.compose();
            came.extend(
                taken(scene)
                    .iter()
                    .filter(|message| message.overview.is_some())
                    .map(|message| message.at),
            );
        };
        let past = noon - 365 * DAY_MS;
        for hour in 0..24 * days {
            overviews(&mut scene, past + hour * HOUR_MS);
        }
        assert_eq!(came, [past], "{overview}");
    }
}

#[test]
fn an_overview_says_how_many_findings_of_each_severity_are_open() {
    let mut scene = Scene::new(&channel("slack", "overview = \"daily\"\ndigest_above = 0"));
    scene.run(&["a", "b"]);
    let messages = taken(&mut scene);
    let counts = messages.iter().find_map(|message| message.overview.clone()).expect("an overview");
    assert_eq!((counts[&Severity::High], counts[&Severity::Low]), (2, 0));
}

#[test]
fn an_alertmanager_gets_open_findings_again_before_it_forgets_them_and_those_that_ended_never() {
    let mut scene = Scene::new(&channel("alertmanager", "expires_hours = 12"));
    scene.run(&["stays", "goes"]);
    taken(&mut scene);
    scene.run(&["stays"]);
    taken(&mut scene);
    let mut longest = 0;
    let mut last = scene.now;
    for _ in 0..72 {
        scene.now += HOUR_MS;
        scene.compose();
        for message in taken(&mut scene) {
            let names: Vec<&str> = message.items.iter().map(|item| item.text.as_str()).collect();
            assert_eq!(names, ["stays holds"]);
            longest = longest.max(scene.now - last);
            last = scene.now;
        }
    }
    assert!(longest > 0 && longest <= 6 * HOUR_MS, "{longest}");
    assert!(scene.now - last <= 6 * HOUR_MS);
}

#[test]
fn a_receiver_that_keeps_a_state_has_no_overview() {
    for kind in ["alertmanager", "pagerduty"] {
        let key = if kind == "pagerduty" { "routing_key = { env = \"UNUSED\" }\n" } else { "" };
        let text = channel(kind, &format!("{key}overview = \"daily\""));
        let read = NotifySettings::read(Document { file: "notify.toml", text: &text });
        let problems = read.expect_err(kind);
        let expected = format!("notify.toml:2:8: `overview` is not for channels of kind {kind}");
        assert!(problems[0].to_string().starts_with(&expected), "{}", problems[0]);
    }
}

#[test]
fn a_renamed_device_is_the_same_finding_under_its_new_name() {
    let mut scene = Scene::new(&channel("slack", ""));
    let row = |name: &str| json!({ "key": "nexthink_device:1", "name": name });
    scene.run_rows(&[row("PC-OLD")]);
    taken(&mut scene);
    scene.run_rows(&[row("PC-NEW")]);
    assert_eq!(taken(&mut scene), []);
    assert_eq!(scene.book.findings().len(), 1);
    scene.run_rows(&[]);
    let resolved = taken(&mut scene);
    let [item] = &resolved[0].items[..] else { panic!("{resolved:?}") };
    assert_eq!((item.transition.name(), item.text.as_str()), ("resolved", "PC-NEW holds"));
}

#[test]
fn a_clock_that_jumps_changes_no_transition_and_holds_no_message_for_ever() {
    // Each generation is made so many days after the one before, or before it.
    let jumps: [&[i64]; 4] =
        [&[1, 1, 1, 1, 1], &[400, -399, 1, 1, 1], &[-3_000, 1, 1, 3_000, 1], &[0; 5]];
    let runs: [&[&str]; 5] = [&["a"], &["a", "b"], &["b"], &["b", "a"], &[]];
    let mut told = Vec::new();
    for days in jumps {
        let mut scene = Scene::new(&channel("slack", ""));
        scene.rule = rule("clear_after = 1\n");
        let mut heard = Vec::new();
        for (names, days) in runs.iter().zip(days) {
            scene.now =
                scene.now.saturating_add_signed(days * i64::try_from(DAY_MS).expect("small"));
            scene.run(names);
            let due = scene.book.due(&scene.settings.channels["ops"], scene.now, 100);
            for message in taken(&mut scene) {
                assert!(due.contains(&message), "{days}: {message:?}");
                let items = message.items.iter();
                heard.extend(items.map(|item| format!("{} {}", item.transition.name(), item.text)));
            }
        }
        heard.sort();
        told.push(heard);
    }
    assert_eq!(told[0].len(), 6, "{:?}", told[0]);
    assert!(told.iter().all(|heard| *heard == told[0]), "{told:?}");
}

/// The transitions that wait, which count as delivered then.
fn transitions(scene: &mut Scene) -> Vec<&'static str> {
    let messages = taken(scene).into_iter();
    messages.flat_map(|message| message.items).map(|item| item.transition.name()).collect()
}

#[test]
fn events_beyond_the_maximum_are_told_of_each_time_there_are_too_many() {
    let mut scene = Scene::new(&channel("slack", ""));
    scene.rule = rule("kind = 'event'\nmax_findings = 2\n");
    scene.run(&["a"]);
    assert_eq!(transitions(&mut scene), ["opened"]);
    scene.run(&["a", "b", "c"]);
    assert_eq!(transitions(&mut scene), ["opened"], "one finding stands for them");
    scene.run(&["a", "b", "c"]);
    assert_eq!(transitions(&mut scene), [""; 0]);
    scene.run(&["a"]);
    assert_eq!(transitions(&mut scene), [""; 0]);
    scene.run(&["a", "d", "e", "f"]);
    assert_eq!(transitions(&mut scene), ["reopened"], "these are other events");
}

#[test]
fn a_changed_rule_sends_the_number_of_its_first_findings_again() {
    let mut scene = Scene::new(&channel("slack", ""));
    scene.rule.first_run = FirstRun::Summary;
    scene.run(&["a", "b"]);
    assert_eq!(transitions(&mut scene), ["opened"]);
    scene.run(&["a", "b"]);
    assert_eq!(transitions(&mut scene), [""; 0]);
    let text = "select 2".to_owned();
    scene.rule.query = RuleQuery::Text { language: Language::Sql, text };
    scene.run(&["c", "d", "e"]);
    assert_eq!(transitions(&mut scene), ["reopened"]);
}

#[test]
fn in_quiet_hours_an_alertmanager_gets_no_finding_that_waits() {
    let settings = "expires_hours = 12\nquiet_hours = \"00:00-12:00\"";
    let mut scene = Scene::new(&channel("alertmanager", settings));
    scene.now = 20_000 * DAY_MS;
    scene.run(&["a"]);
    assert_eq!(transitions(&mut scene), [""; 0]);
    scene.now += 12 * HOUR_MS + 1;
    scene.compose();
    assert!(transitions(&mut scene).contains(&"opened"));
}

#[test]
fn a_finding_that_is_silenced_before_it_was_told_waits_for_the_end_of_the_silence() {
    let mut scene = Scene::new(&channel("slack", "quiet_hours = \"00:00-12:00\""));
    scene.now = 20_000 * DAY_MS;
    scene.run(&["a", "b"]);
    let (&id, _) =
        scene.book.findings().iter().find(|(_, finding)| finding.text.contains('a')).expect("one");
    silence(&mut scene, Matcher { finding: Some(id), ..Matcher::default() }, 24);
    let told_after = |scene: &mut Scene, hours: u64| {
        scene.now += hours * HOUR_MS + 1;
        scene.compose();
        taken(scene).iter().map(|message| message.total).sum::<usize>()
    };
    assert_eq!(told_after(&mut scene, 12), 1, "the other one");
    assert_eq!(told_after(&mut scene, 1), 0);
    assert_eq!(told_after(&mut scene, 23), 1, "the silence is over");
}

#[test]
fn quiet_hours_hold_what_failed_before_them_too() {
    let settings = "quiet_hours = \"12:00-13:00\"\nurgent = \"critical\"";
    let mut scene = Scene::new(&channel("slack", settings));
    scene.now = 20_000 * DAY_MS;
    scene.run(&["a"]);
    let due = |scene: &Scene, hours: u64| {
        let now = scene.now + hours * HOUR_MS;
        scene.book.due(&scene.settings.channels["ops"], now, 100).len()
    };
    assert_eq!([due(&scene, 11), due(&scene, 12), due(&scene, 13)], [1, 0, 1]);
    scene.rule.severity = Severity::Critical;
    scene.run(&["a", "b"]);
    assert_eq!(due(&scene, 12), 1, "the one that is urgent");
}

fn of_rule() -> Matcher {
    Matcher { rule: Some("r".to_owned()), ..Matcher::default() }
}

/// Silences findings for some hours from now.
fn silence(scene: &mut Scene, matcher: Matcher, hours: u64) {
    scene.book.silence(Silence {
        id: "s".to_owned(),
        matcher,
        until: scene.now + hours * HOUR_MS,
        at: scene.now,
        by: "desk".to_owned(),
        why: "known".to_owned(),
    });
}

/// The number of messages that may be sent after some hours.
fn due_after(scene: &Scene, hours: u64) -> usize {
    let now = scene.now + hours * HOUR_MS;
    scene.book.due(&scene.settings.channels["ops"], now, 100).len()
}

#[test]
fn a_message_that_was_refused_before_a_silence_waits_for_its_end() {
    let pagerduty = channel("pagerduty", "routing_key = { env = \"K\" }");
    for channels in [channel("slack", ""), pagerduty] {
        let mut scene = Scene::new(&channels);
        scene.run(&["a"]);
        assert_eq!(due_after(&scene, 0), 1);
        silence(&mut scene, of_rule(), 5);
        assert_eq!([due_after(&scene, 4), due_after(&scene, 6)], [0, 1], "{channels}");
    }
}

#[test]
fn a_message_that_is_about_others_too_is_not_held_by_a_silence() {
    let mut scene = Scene::new(&channel("slack", "digest_above = 0"));
    scene.run(&["a", "b"]);
    let (&finding, _) = scene.book.findings().iter().next().expect("two");
    silence(&mut scene, Matcher { finding: Some(finding), ..Matcher::default() }, 5);
    assert_eq!(due_after(&scene, 1), 1);
    // Of many findings, a message does not name all.
    let mut scene = Scene::new(&channel("slack", "digest_above = 0"));
    let names: Vec<String> = (0..30).map(|number| format!("n{number}")).collect();
    scene.run(&names.iter().map(String::as_str).collect::<Vec<_>>());
    silence(&mut scene, of_rule(), 5);
    assert_eq!(due_after(&scene, 1), 1);
}

#[test]
fn the_end_of_a_silenced_finding_never_overtakes_its_beginning() {
    let pagerduty = channel("pagerduty", "routing_key = { env = \"K\" }");
    // The beginning is in a message that was refused, or is held back.
    for settings in ["", "quiet_hours = \"00:00-06:00\"\n"] {
        let channels = pagerduty.replace("[[routes]]", &format!("{settings}[[routes]]"));
        let mut scene = Scene::new(&channels);
        scene.now = 20_000 * DAY_MS;
        scene.run(&["a"]);
        silence(&mut scene, of_rule(), 10);
        scene.now += 7 * HOUR_MS;
        let when = When { at: scene.now, generation: Some("g9"), run: "g9" };
        scene.book.close_rules(|_| true, |_| false, &when);
        let sent = |scene: &mut Scene| -> Vec<&str> {
            let channels = scene.settings.channels.clone();
            let settings = &scene.settings;
            scene.book.tell(scene.now, |_, finding, rule, transition| {
                settings.channels_for(finding, rule, transition)
            });
            scene.compose();
            let due = scene.book.due(&channels["ops"], scene.now, 100);
            for message in &due {
                let delivered = core_rules::outbox::Attempt::Delivered;
                scene.book.outbox_mut().note(&message.id, &delivered, scene.now);
            }
            due.iter()
                .flat_map(|message| &message.items)
                .map(|item| item.transition.name())
                .collect()
        };
        assert_eq!(sent(&mut scene), [""; 0], "{settings}");
        scene.now += 4 * HOUR_MS;
        assert_eq!(sent(&mut scene), ["opened", "closed"], "{settings}");
    }
}

#[test]
fn a_silence_of_one_finding_holds_no_later_message_about_another_one() {
    let mut scene = Scene::new(&channel("slack", "digest_above = 0"));
    scene.run(&["a"]);
    let (&finding, _) = scene.book.findings().iter().next().expect("one");
    scene.run(&["b"]);
    assert_eq!(due_after(&scene, 0), 2, "neither was delivered");
    silence(&mut scene, Matcher { finding: Some(finding), ..Matcher::default() }, 5);
    assert_eq!([due_after(&scene, 1), due_after(&scene, 6)], [1, 2], "b is not silenced");
}

#[test]
fn a_silence_holds_a_message_from_before_ids_were_keyed() {
    let mut scene = Scene::new(&channel("slack", ""));
    scene.run(&["a"]);
    scene.book.key_ids([7; 32]);
    silence(&mut scene, of_rule(), 5);
    assert_eq!([due_after(&scene, 4), due_after(&scene, 6)], [0, 1]);
}

#[test]
fn a_finding_that_no_route_selects_is_told_once_one_does_and_its_end_only_then() {
    let route = |severity: &str| channel("slack", "") + &format!("severity = \"{severity}\"\n");
    let mut scene = Scene::new(&route("critical"));
    scene.run(&["goes", "stays"]);
    scene.run(&["stays"]);
    assert_eq!(
        transitions(&mut scene),
        [""; 0],
        "people do not hear of an end without a beginning"
    );
    scene.settings = crate::kit::settings(&route("high"));
    scene.run(&["stays"]);
    assert_eq!(transitions(&mut scene), ["opened"]);
    scene.run(&["stays"]);
    assert_eq!(transitions(&mut scene), [""; 0], "it is told once");
    // The route is for others when it ends and comes back.
    scene.run(&[]);
    assert_eq!(transitions(&mut scene), ["resolved"]);
    scene.settings = crate::kit::settings(&route("critical"));
    scene.run(&["stays"]);
    scene.run(&[]);
    assert_eq!(transitions(&mut scene), [""; 0]);
    scene.settings = crate::kit::settings(&route("high"));
    scene.run(&["stays"]);
    assert_eq!(transitions(&mut scene), ["reopened"]);
}

#[test]
fn a_first_route_sends_what_is_open_in_one_digest_but_not_the_baseline() {
    let mut scene = Scene::new("");
    scene.rule.first_run = FirstRun::Baseline;
    scene.run(&["old"]);
    let names: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("old");
    scene.run(&names);
    scene.settings = crate::kit::settings(&channel("slack", ""));
    scene.run(&names);
    let messages = taken(&mut scene);
    assert_eq!(messages.iter().map(|message| message.total).collect::<Vec<_>>(), [40]);
    scene.run(&names);
    assert_eq!(taken(&mut scene), []);
}

#[test]
fn what_waits_for_a_channel_that_is_gone_is_given_up_and_counted() {
    let quiet = "quiet_hours = \"00:00-06:00\"\nurgent = \"critical\"";
    for (settings, of_ops) in [("", 2), (quiet, 1)] {
        let mut scene = Scene::new(&channel("slack", settings));
        scene.now = 20_000 * DAY_MS;
        scene.run(&["a", "b"]);
        scene.settings = crate::kit::settings(&channel("slack", "").replace("ops", "desk"));
        let given_up = scene.book.compose(&scene.settings, "acme", scene.now, &mut String::new);
        assert_eq!(given_up.into_iter().collect::<Vec<_>>(), [("ops".to_owned(), of_ops)]);
        let outbox = scene.book.outbox();
        assert_eq!((outbox.given_up(), outbox.is_empty()), (of_ops as u64, true));
        let totals: usize = outbox.dead().iter().map(|message| message.total).sum();
        assert_eq!(totals, 2, "no change is lost from the count");
        assert!(outbox.dead().iter().all(|message| message.channel == "ops"));
        assert!(
            scene.book.compose(&scene.settings, "acme", scene.now, &mut String::new).is_empty()
        );
    }
}
