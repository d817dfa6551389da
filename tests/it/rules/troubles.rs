//! The rules about the program itself: each fires when its trouble is there, people hear of it once however many runs it
//! lasts, and once of its end.

use std::fs;

use core_simulator::{
    JobCall, JobFault, JobFaultKind, JupiterOne, JupiterOneConfig, Receiver, SavedQuery, TenantSpec,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{done, findings};
use crate::kit::{Configuration, Scene, write_private};

/// A tenant whose operators hear of the program's own troubles at a webhook.
struct Troubles {
    scene: Scene,
    receiver: Receiver,
    /// The messages that were looked at.
    heard: usize,
    runtime: Runtime,
}

impl Troubles {
    fn new(tenant: TenantSpec) -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let receiver = runtime.block_on(Receiver::start()).expect("a port is free");
        let scene = Scene::of(tenant);
        write_private(&scene.path("webhook-key"), "key");
        let url = receiver.url();
        let channels = format!(
            "[channels.ops]\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = {{ file = \"webhook-key\" }}\n\
             [[routes]]\nto = [\"ops\"]\n"
        );
        scene.write("notify.toml", &channels);
        let troubles = Self { scene, receiver, heard: 0, runtime };
        done(&troubles.scene, &["rules", "enable", "program-*"]);
        troubles
    }

    fn small() -> Self {
        Self::new(TenantSpec { devices: 12, users: 10, alerts: 5, ..TenantSpec::default() })
    }

    /// Returns the changes that were heard since the last call: the transition, the rule and the text of each.
    fn news(&mut self) -> Vec<String> {
        let requests = self.receiver.requests();
        let new = requests[self.heard..].iter().map(|request| {
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            body["data"]["findings"].as_array().expect("a list").clone()
        });
        let words = |change: Value| {
            let word = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}: {}", word("transition"), word("rule"), word("text"))
        };
        let news = new.flatten().map(words).collect();
        self.heard = requests.len();
        news
    }

    /// Runs twice, and fails unless people hear of one trouble, once.
    fn assert_told_once(&mut self, exit: i32, expected: &str) {
        assert_eq!(self.scene.run(&[]).ended.exit, Some(exit), "{expected}");
        let news = self.news();
        assert!(matches!(&news[..], [news] if news.starts_with(expected)), "{expected}: {news:?}");
        assert_eq!(self.scene.run(&[]).ended.exit, Some(exit), "{expected}");
        assert_eq!(self.news(), [""; 0], "{expected}");
    }

    /// Runs completely, and fails unless people hear that a trouble is over.
    fn assert_over(&mut self, rule: &str) {
        self.scene.run_completely();
        let news = self.news();
        assert!(
            matches!(&news[..], [news] if news.starts_with(&format!("resolved {rule}: "))),
            "{news:?}"
        );
    }
}

#[test]
fn a_step_that_is_truncated_failed_or_held_by_the_guard_is_told_once_each() {
    let mut troubles = Troubles::new(TenantSpec::default());
    troubles.scene.run_completely();
    assert_eq!(troubles.news(), [""; 0]);
    let rule = "program-step-not-complete";

    troubles.scene.update(|behaviour| _ = behaviour.row_caps.insert(SavedQuery::Packages, 500));
    troubles.assert_told_once(7, &format!("opened {rule}: fetch-packages: partial: truncated"));
    troubles.scene.update(|behaviour| behaviour.row_caps.clear());
    troubles.assert_over(rule);

    troubles.scene.update(|behaviour| {
        behaviour.failing.insert(SavedQuery::Packages, "out of memory".to_owned());
    });
    troubles.assert_told_once(7, &format!("reopened {rule}: fetch-packages: failed: "));
    troubles.scene.update(|behaviour| behaviour.failing.clear());
    troubles.assert_over(rule);

    let users = troubles.scene.counts().users;
    troubles.scene.update(|behaviour| behaviour.tenant.users /= 2);
    let expected = format!("opened {rule}: fetch-users: partial: {} of {users} ", users / 2);
    troubles.assert_told_once(7, &expected);
    let accepted = ["nexthink_user", "nexthink_account_has_user"];
    let accepted = accepted.map(|accepted| ["--accept-shrink", accepted]).concat();
    assert_eq!(troubles.scene.run(&accepted).ended.exit, Some(0));
    let news = troubles.news();
    assert!(
        matches!(&news[..], [news] if news.starts_with(&format!("resolved {rule}: "))),
        "{news:?}"
    );
}

#[test]
fn a_destination_that_is_not_up_to_date_is_told_once_and_so_is_one_that_never_was() {
    let mut troubles = Troubles::small();
    let start = JupiterOne::start(JupiterOneConfig::default());
    let jupiterone = troubles.runtime.block_on(start).expect("a port is free");
    write_private(&troubles.scene.path("key"), &JupiterOneConfig::default().api_key);
    let url = jupiterone.url().to_owned();
    troubles.scene.configure(|configuration| {
        configuration
            .text("destinations.jupiterone.account", "demo")
            .text("destinations.jupiterone.url", &url)
            .set("destinations.jupiterone.api_key", "{ file = \"key\" }")
            .set("destinations.jupiterone.polling", "{ first_ms = 10, longest_ms = 100 }")
            .set("destinations.jupiterone.after_run", "true")
    });
    let fail_at = |call: JobCall, kind: JobFaultKind| {
        let fault = JobFault { call, after: 0, times: u32::MAX, kind };
        jupiterone.update(|behaviour| behaviour.faults = vec![fault]);
    };
    let mend = || jupiterone.update(|behaviour| behaviour.faults.clear());
    let rule = "program-not-delivered";
    fail_at(JobCall::Create, JobFaultKind::Status(400));
    troubles.assert_told_once(6, &format!("opened {rule}: jupiterone has got no generation yet"));
    mend();
    troubles.assert_over(rule);
    troubles.scene.update(|behaviour| behaviour.tenant.users += 1);
    fail_at(JobCall::Relationships, JobFaultKind::JobEnded);
    let expected = format!("reopened {rule}: jupiterone does not have the published generation");
    troubles.assert_told_once(6, &expected);
    mend();
    troubles.assert_over(rule);
}

#[test]
fn events_that_nexthink_does_not_keep_any_more_are_told_once() {
    let mut troubles = Troubles::small();
    let host = troubles.scene.api().to_owned();
    troubles.scene.configure(|configuration| {
        configuration
            .text("audit.host", &host)
            .text("audit.account", "demo")
            .set("audit.password", "{ file = \"secret\" }")
            .set("audit.since_days", "1")
    });
    troubles.scene.run_completely();
    assert_eq!(troubles.news(), [""; 0]);
    // The last run becomes one of months ago.
    let path = troubles.scene.path("store/acme/events/audit/state.json");
    let text = fs::read_to_string(&path).expect("it is there");
    let mut state: Value = serde_json::from_str(&text).expect("it is JSON");
    set_back(&mut state, 200 * DAY_MS);
    fs::write(&path, state.to_string()).expect("it is ours");
    troubles.assert_told_once(0, "opened program-audit-gap: portal: lost from ");
}

#[test]
fn a_key_that_is_a_year_old_is_told_once_and_a_new_one_ends_it() {
    let mut troubles = Troubles::small();
    let profile =
        |configuration: Configuration| configuration.text("privacy.profile", "pseudonymous");
    troubles.scene.configure(profile);
    done(&troubles.scene, &["privacy", "key", "new"]);
    troubles.scene.run_completely();
    assert_eq!(troubles.news(), [""; 0]);
    let path = troubles.scene.path("nexthink-graph.key");
    let text = fs::read_to_string(&path).expect("it is there");
    let mut keys: Value = serde_json::from_str(&text).expect("it is JSON");
    let today = troubles.scene.query("select to_char(now(), '%Y') as year");
    let year: i32 = today[0]["year"].as_str().and_then(|year| year.parse().ok()).expect("a year");
    replace_member(&mut keys, "created", &format!("{}-01-01T00:00:00Z", year - 2).into());
    write_private(&path, &keys.to_string());
    troubles.assert_told_once(0, "opened program-key-overdue: the key ");
    done(&troubles.scene, &["privacy", "key", "rotate"]);
    troubles.scene.run_completely();
    // Another key shows people in another way, which ends all findings without a message.
    assert_eq!(troubles.news(), [""; 0]);
    assert_eq!(findings(&troubles.scene, &[]), Vec::<Value>::new());
}

#[test]
fn what_is_kept_too_long_since_the_clock_is_not_believed_is_told_once() {
    let mut troubles = Troubles::small();
    let old = troubles.scene.path("store/acme/quarantine/old.csv");
    fs::create_dir_all(old.parent().expect("it is below")).expect("it can be made");
    fs::write(&old, "x").expect("a file can be made");
    troubles.scene.run_completely();
    assert_eq!(troubles.news(), [""; 0]);
    // The program saw the file three weeks ago, and believed a clock that was ahead since.
    let path = troubles.scene.path("store/acme/retention.json");
    let text = fs::read_to_string(&path).expect("it is there");
    let mut state: Value = serde_json::from_str(&text).expect("it is JSON");
    let believed = state["believed_ms"].as_i64().expect("a time");
    state["believed_ms"] = (believed + 40 * DAY_MS).into();
    state["items"]["quarantine/old.csv"]["dated_ms"] = (believed - 21 * DAY_MS).into();
    fs::write(&path, state.to_string()).expect("it is ours");
    troubles.assert_told_once(0, "opened program-retention-overdue: 1 item past ");
    assert!(old.exists());
    done(&troubles.scene, &["privacy", "retention", "--accept-clock"]);
    assert!(!old.exists());
    troubles.assert_over("program-retention-overdue");
}

#[test]
fn a_message_that_was_given_up_is_told_once_at_another_channel() {
    let mut troubles = Troubles::small();
    let start = Receiver::start();
    let refusing = troubles.runtime.block_on(start).expect("a port is free");
    refusing.answer_with(400);
    let channels = fs::read_to_string(troubles.scene.path("notify.toml")).expect("it is there");
    let refused = format!(
        "{channels}rules = [\"program-notice-*\"]\n[channels.chat]\nkind = \"slack\"\nurl = \"{}\"\n\
         [[routes]]\nto = [\"chat\"]\nrules = [\"program-step-*\"]\n",
        refusing.url()
    );
    troubles.scene.write("notify.toml", &refused);
    troubles.scene.update(|behaviour| {
        behaviour.failing.insert(SavedQuery::Packages, "out of memory".to_owned());
    });
    assert_eq!(troubles.scene.run(&[]).ended.exit, Some(7));
    assert_eq!((troubles.news().len(), refusing.requests().len()), (0, 1));
    let expected = "opened program-notice-given-up: 1 message to chat could not be delivered";
    troubles.assert_told_once(7, expected);
    assert_eq!(refusing.requests().len(), 1);
}

#[test]
fn a_run_that_fails_tells_what_the_rules_find_all_the_same() {
    let mut troubles = Troubles::small();
    troubles.scene.run_completely();
    assert_eq!(troubles.news(), [""; 0]);
    troubles.scene.configure(|configuration| configuration.set("nexthink.daily_exports", "4"));
    let expected = "opened program-quota-nearly-spent: 4 of 4 exports of the day are used";
    troubles.assert_told_once(75, expected);
    let nowhere = "http://127.0.0.1:9";
    troubles.scene.configure(|configuration| {
        configuration
            .text("nexthink.endpoints.login", nowhere)
            .text("nexthink.endpoints.api", nowhere)
            .text("nexthink.endpoints.files", nowhere)
    });
    assert_eq!(troubles.scene.run(&[]).ended.exit, Some(4));
    let news = troubles.news();
    let [resolved, opened] = &news[..] else { panic!("{news:?}") };
    assert!(
        opened.starts_with("opened program-run-failed: the last run published nothing"),
        "{opened}"
    );
    assert!(resolved.starts_with("resolved program-quota-nearly-spent: "), "{resolved}");
    assert_eq!(troubles.scene.run(&[]).ended.exit, Some(4));
    assert_eq!(troubles.news(), [""; 0], "it is told once");
}

const DAY_MS: i64 = 24 * 3_600_000;

/// Makes every time in a document earlier.
fn set_back(document: &mut Value, by_ms: i64) {
    match document {
        Value::Number(number) => {
            if let Some(ms) = number.as_i64().filter(|ms| *ms > 1_000_000_000_000) {
                *document = (ms - by_ms).into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| set_back(item, by_ms)),
        Value::Object(members) => members.values_mut().for_each(|item| set_back(item, by_ms)),
        _ => {}
    }
}

/// Gives every member of a name in a document another value.
fn replace_member(document: &mut Value, name: &str, value: &Value) {
    match document {
        Value::Array(items) => items.iter_mut().for_each(|item| replace_member(item, name, value)),
        Value::Object(members) => {
            for (known, member) in members {
                if known == name {
                    *member = value.clone();
                } else {
                    replace_member(member, name, value);
                }
            }
        }
        _ => {}
    }
}
