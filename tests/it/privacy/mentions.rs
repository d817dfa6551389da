//! Who is named by a text: people inside longer texts go, words that only look like them stay, and what is
//! shown of an erasure is what it does.

use std::fs;

use core_simulator::{SavedQuery, TenantSpec};
use serde_json::Value;

use crate::faults::exports::Export;
use crate::kit::{Ended, Scene, TENANT};

const MAIL: &str = "zoe.quuxberg@acme.example";

/// The identifiers of a person in a row of users.
type Cells<'a> = &'a [(&'a str, &'a str)];

const ZOE: Cells<'_> = &[
    ("user.uid", "u-0009"),
    ("user.name", "ACME\\zquux"),
    ("user.upn", MAIL),
    ("user.sid", "S-1-5-21-777888999-1-2-7777"),
    ("user.ad.email_address", MAIL),
    ("user.ad.full_name", "Zoe Quuxberg"),
];

/// A tenant with a key, and with the audit trail where there are lines of it.
fn scene(lines: &[String]) -> Scene {
    let scene =
        Scene::of(TenantSpec { devices: 12, users: 10, alerts: 8, ..TenantSpec::default() });
    if !lines.is_empty() {
        let host = scene.api().to_owned();
        scene.configure(|configuration| {
            configuration
                .text("audit.host", &host)
                .text("audit.account", "demo")
                .set("audit.password", "{ file = \"secret\" }")
                // One window, so that lines without a time are read once.
                .set("audit.since_days", "1")
                .set("audit.engines", "[]")
        });
        scene.update(|behaviour| behaviour.audit.content = Some(lines.join("\n")));
    }
    done(&scene, &["privacy", "key", "new"]);
    scene
}

fn done(scene: &Scene, arguments: &[&str]) -> Ended {
    let ended = scene.program(arguments);
    assert_eq!(ended.exit, Some(0), "{arguments:?}: {}", ended.stderr);
    ended
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).expect("it is JSON")
}

/// Lets the first users have these cells.
fn serve_users(scene: &Scene, users: &[Cells<'_>]) {
    let mut export = Export::of(SavedQuery::Users);
    for (number, cells) in users.iter().enumerate() {
        for (column, cell) in *cells {
            (*cell).clone_into(export.cell(number, column));
        }
    }
    export.serve(scene, SavedQuery::Users);
}

/// Gives these texts to the first alerts.
fn serve_texts(scene: &Scene, texts: &[&str]) {
    let mut export = Export::of(SavedQuery::Alerts);
    for (number, text) in texts.iter().enumerate() {
        (*text).clone_into(export.cell(number, "alert.trigger_value"));
        export.cell(number, "user.uid").clear();
        *export.cell(number, "alert.uid") = format!("planted-{number}");
    }
    export.serve(scene, SavedQuery::Alerts);
}

/// The texts of the planted alerts that are still there.
fn texts(scene: &Scene) -> Vec<String> {
    let sql = "select \"triggerValue\" v from nexthink_alert where id like 'planted-%' \
               and \"triggerValue\" is not null order by 1";
    let rows = scene.query(sql);
    rows.iter().filter_map(|row| row["v"].as_str()).map(str::to_owned).collect()
}

fn erase<'a>(subject: &[&'a str], how: &[&'a str]) -> Vec<&'a str> {
    [&["privacy", "erase"], subject, how].concat()
}

const YES: &[&str] = &["--reason", "request", "--yes", "--output", "json"];
const DRY: &[&str] = &["--reason", "request", "--dry-run", "--output", "json"];

#[test]
fn m1_texts_that_name_a_person_are_emptied_by_an_erasure_and_by_later_runs() {
    let scene = scene(&[]);
    serve_users(&scene, &[ZOE]);
    let named = [
        "https://intranet/u/zoe.quuxberg@acme.example/x",
        "log_zoe.quuxberg@acme.example.txt",
        "backup-ACME\\zquux",
        "&lt;zoe.quuxberg%40acme.example&gt;",
        "C:\\Users\\zquux\\Desktop",
        "ssh zquux@10.0.0.1",
        "\u{201c}ZOE.QUUXBERG@acme.example\u{201d}",
    ];
    serve_texts(&scene, &named);
    scene.run_completely();
    assert_eq!(texts(&scene).len(), named.len());
    let dry = json(&done(&scene, &erase(&["--user", MAIL], DRY)));
    assert_eq!(dry["texts"], named.len(), "{dry}");
    let erased = json(&done(&scene, &erase(&["--user", MAIL], YES)));
    assert_eq!(erased["textsEmptied"], named.len(), "{erased}");
    assert_eq!(erased["possibleMentions"], Value::Array(Vec::new()), "{erased}");
    assert_eq!(texts(&scene), [""; 0]);
    scene.run_completely();
    assert_eq!(texts(&scene), [""; 0], "a later run stores none of them");
}

#[test]
fn m2_a_login_that_is_a_common_word_takes_no_event_and_no_text_of_others() {
    let expiring = (0..4)
        .map(|number| format!("[Portal|ACCOUNT|91012|ben] Password will expire, id={number}"));
    let own = "[Portal|LOGIN|20101|ACME\\will] User logged in".to_owned();
    let lines: Vec<String> = expiring.chain([own]).collect();
    let scene = scene(&lines);
    serve_users(&scene, &[&[("user.uid", "u-0009"), ("user.name", "ACME\\will")]]);
    serve_texts(&scene, &["the licence will expire", "C:\\Users\\will"]);
    scene.run_completely();
    let events = "select count(*) n from nexthink_audit_event";
    assert_eq!(scene.query(events)[0]["n"], 5);
    let subject = ["--user", "ACME\\will"];
    let dry = json(&done(&scene, &erase(&subject, DRY)));
    assert_eq!((&dry["texts"], &dry["events"]), (&Value::from(1), &Value::from(1)), "{dry}");
    let review = done(&scene, &erase(&subject, &["--review"]));
    assert!(review.stdout.contains("triggerValue"), "{}", review.stdout);
    assert!(review.stdout.contains("planted-0") && review.stdout.contains("events"));
    assert!(!review.stdout.contains("expire"), "places have no values: {}", review.stdout);
    let erased = json(&done(&scene, &erase(&subject, YES)));
    assert_eq!(erased["eventsRemoved"], 1, "{erased}");
    assert_eq!(scene.query(events)[0]["n"], 4);
    assert_eq!(texts(&scene), ["the licence will expire"]);
    scene.run_completely();
    assert_eq!(scene.query(events)[0]["n"], 4, "read again, the same events stay");
}

#[test]
fn m4_the_next_owner_of_a_login_is_read_and_not_taken_for_the_one_before() {
    let scene = scene(&[]);
    let next: Cells<'_> = &[
        ("user.uid", "u-0010"),
        ("user.name", "ACME\\zquux"),
        ("user.upn", MAIL),
        ("user.sid", "S-1-5-21-777888999-1-2-8888"),
        ("user.ad.email_address", MAIL),
        ("user.ad.full_name", "Zack Quuxberg"),
    ];
    serve_users(&scene, &[ZOE]);
    scene.run_completely();
    let shown = done(&scene, &erase(&["--user", MAIL], &DRY[..3])).stdout;
    assert!(shown.contains("reusable") && shown.contains("lasting"), "{shown}");
    done(&scene, &erase(&["--user", MAIL], YES));
    serve_users(&scene, &[ZOE, next]);
    scene.run_completely();
    let users = scene.query("select id, upn from nexthink_user where id in ('u-0009', 'u-0010')");
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!((&users[0]["id"], &users[0]["upn"]), (&Value::from("u-0010"), &Value::from(MAIL)));

    // The login now belonged to two people: it takes neither of them for the other.
    let scene = self::scene(&[]);
    serve_users(&scene, &[ZOE]);
    scene.run_completely();
    serve_users(&scene, &[next]);
    scene.run_completely();
    let ambiguous = scene.program(&erase(&["--user", MAIL], YES));
    assert_eq!(ambiguous.exit, Some(2), "{}", ambiguous.stderr);
    assert!(ambiguous.stderr.contains("at different times"), "{}", ambiguous.stderr);
    let erased = json(&done(&scene, &erase(&["--user", "u-0009"], YES)));
    assert!(erased["sharedIdentifiers"].as_u64() > Some(0), "{erased}");
    assert!(scene.keys("nexthink_user").contains("nexthink_user:u-0010"));
}

#[test]
fn m5_a_damaged_old_generation_does_not_block_an_erasure_for_good() {
    let scene = scene(&[]);
    serve_users(&scene, &[ZOE]);
    scene.run_completely();
    let old = scene.published().id().to_string();
    serve_texts(&scene, &["changed"]);
    scene.run_completely();
    let folder = scene.path("store").join(TENANT).join("generations").join(&old);
    let table = folder.join("entities/nexthink_user/part-00000.parquet");
    fs::write(&table, "no table").expect("it is ours");
    let refused = scene.program(&erase(&["--user", MAIL], YES));
    assert_eq!(refused.exit, Some(5), "{}", refused.stderr);
    for text in [old.as_str(), "--remove-damaged", "entities and relationships"] {
        assert!(refused.stderr.contains(text), "{text}: {}", refused.stderr);
    }
    assert!(folder.exists() && scene.keys("nexthink_user").contains("nexthink_user:u-0009"));
    let retrieved = done(&scene, &["privacy", "retrieve", "--user", MAIL]);
    assert!(retrieved.stderr.contains(&old), "{}", retrieved.stderr);
    let how = [YES, &["--remove-damaged"]].concat();
    let erased = json(&done(&scene, &erase(&["--user", MAIL], &how)));
    assert_eq!(erased["damagedGenerationsRemoved"][0], old.as_str(), "{erased}");
    assert!(!folder.exists() && !scene.keys("nexthink_user").contains("nexthink_user:u-0009"));
    let ledger = done(&scene, &["privacy", "ledger", "list"]).stdout;
    assert!(ledger.contains("damage_removed") && ledger.contains(&old), "{ledger}");
}

#[test]
fn m6_a_person_known_from_the_audit_trail_alone_is_counted_and_shown() {
    let ada = "ada@other.example";
    let lines = [
        format!("[Portal|LOGIN|20101|{ada}] User logged in"),
        format!("[Portal|ROLE|90213|ben] Role given to {ada}"),
        "[Portal|LOGIN|20101|mada@other.example] User logged in".to_owned(),
    ];
    let scene = scene(&lines);
    scene.run_completely();
    let retrieved = done(&scene, &["privacy", "retrieve", "--user", ada]);
    assert_eq!(json(&retrieved)["auditEvents"].as_array().map(Vec::len), Some(2));
    assert!(!retrieved.stderr.contains("nothing is known"), "{}", retrieved.stderr);
    assert!(retrieved.stderr.contains("audit trail alone"), "{}", retrieved.stderr);
    let dry = done(&scene, &erase(&["--user", ada], DRY));
    assert_eq!(json(&dry)["events"], 2);
    assert!(!dry.stderr.contains("nothing is stored under"), "{}", dry.stderr);
    let ledger = done(&scene, &["privacy", "ledger", "list"]).stdout;
    let line = |event: &str| ledger.lines().find(|line| line.contains(event)).unwrap_or("");
    assert!(line("retrieval").contains("events=2"), "{ledger}");
    assert!(line("erasure_preview").contains("events=2"), "{ledger}");
    let erased = json(&done(&scene, &erase(&["--user", ada], YES)));
    assert_eq!(erased["eventsRemoved"], 2, "{erased}");
}

#[test]
fn m7_what_steers_a_terminal_is_escaped_in_a_retrieval() {
    let scene = scene(&[]);
    let hostile = "x\u{1b}]0;t\u{7}\u{9b}31m\u{202e}y";
    let cells = [ZOE, &[("user.ad.department", hostile)]].concat();
    serve_users(&scene, &[&cells]);
    scene.run_completely();
    for format in ["json", "html"] {
        let shown = done(&scene, &["privacy", "retrieve", "--user", MAIL, "--output", format]);
        let acts = |character: char| {
            (character.is_control() && character != '\n') || character == '\u{202e}'
        };
        assert!(!shown.stdout.contains(acts), "{format}: {:?}", shown.stdout);
        assert!(shown.stdout.contains("31m"), "{format}");
    }
    let shown = json(&done(&scene, &["privacy", "retrieve", "--user", MAIL]));
    assert_eq!(shown["entities"]["nexthink_user"][0]["department"], hostile, "no value is changed");
}
