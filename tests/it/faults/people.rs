//! People: what the privacy profiles keep of them, in whatever form they are written, and what keys,
//! rotations and erasures do.

use std::collections::BTreeSet;
use std::fs;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use core_model::column::IdentifierKind;
use core_privacy::keys::KeyRing;
use core_privacy::suppression::{Erasure, SuppressionList};
use core_simulator::SavedQuery;

use super::canaries::forms;
use super::case::healthy;
use super::exports::{Export, serve};
use crate::kit::{Ended, Scene, TENANT, files};

/// A person whose name every encoding changes.
const PERSON: &str = "zoé.kanary/quux@acme.example";

/// The person as twelve tenants might write her.
pub(crate) fn spellings() -> [String; 12] {
    let hex = |upper: bool| -> String {
        let digit = |byte: u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        PERSON.bytes().map(digit).collect()
    };
    let units = |bytes: Vec<u8>| STANDARD.encode(bytes);
    [
        PERSON.to_owned(),
        PERSON.to_uppercase(),
        PERSON.replace('é', "e\u{301}"),
        STANDARD.encode(PERSON),
        URL_SAFE_NO_PAD.encode(PERSON),
        hex(false),
        hex(true),
        PERSON.replace('é', "%C3%A9").replace('/', "%2F").replace('@', "%40"),
        PERSON.replace('é', "\\u00e9"),
        PERSON.replace('é', "&eacute;"),
        units(PERSON.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        units(PERSON.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ]
}

/// A tenant with a profile and a key.
fn scene(profile: &str) -> Scene {
    let scene = Scene::with(healthy());
    scene.configure(|configuration| configuration.text("privacy.profile", profile));
    if profile != "full" {
        assert_eq!(scene.program(&["privacy", "key", "new"]).exit, Some(0));
    }
    scene
}

/// Adds her to every export, in an undeclared column and in a row that is to be set aside.
fn plant(scene: &Scene) {
    for query in SavedQuery::ALL {
        let mut export = Export::of(query);
        let spellings = spellings();
        for (row, spelling) in export.rows.iter_mut().zip(spellings.iter().cycle()) {
            row.push(spelling.clone());
        }
        export.columns.push("user.undeclared".to_owned());
        serve(scene, query, format!("{}{PERSON},too,short\n", export.csv()));
    }
}

/// Looks for the person in what was printed, in every file, and in every table as a reader sees it.
fn assert_no_trace(scene: &Scene, ended: &Ended) {
    let mut needles: BTreeSet<Vec<u8>> = BTreeSet::new();
    for spelling in spellings() {
        needles.extend(forms(&spelling));
    }
    needles.insert("kanary".into());
    let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&needles);
    let automaton = automaton.expect("there are few forms");
    let look = |name: &str, text: &[u8]| {
        let found = automaton.find(text).map(|found| found.pattern());
        assert!(found.is_none(), "form {found:?} is in {name}");
    };
    look("stdout", ended.stdout.as_bytes());
    look("stderr", ended.stderr.as_bytes());
    let published = scene.published();
    for table in &published.manifest().tables {
        let rows = scene.program(&[
            "query",
            "--output",
            "ndjson",
            &format!("select * from {}", table.name),
        ]);
        assert_eq!(rows.exit, Some(0), "{}", rows.stderr);
        look(&table.name, rows.stdout.as_bytes());
    }
    let exported = scene.program(&["export", "jupiterone", "exported"]);
    assert_eq!(exported.exit, Some(0), "{}", exported.stderr);
    for path in files(scene.folder()) {
        look(&path.display().to_string(), &fs::read(&path).expect("it can be read"));
    }
}

#[test]
fn f15_an_undeclared_column_is_dropped_in_every_profile() {
    for profile in ["full", "pseudonymous", "minimal"] {
        let scene = scene(profile);
        plant(&scene);
        let run = scene.run(&["-vv"]);
        assert_eq!(run.ended.exit, Some(7), "a row is set aside: {}", run.ended.stderr);
        assert_eq!(run.step("fetch-alerts")["unknownColumns"], 1);
        if profile == "full" {
            // Downloads that can be gone on with are kept as they came, for two hours at most.
            let staging = scene.path("store").join(TENANT).join("staging");
            fs::remove_dir_all(staging).expect("it is there");
        }
        assert!(scene.leftovers().is_empty(), "{:?}", scene.leftovers());
        assert_no_trace(&scene, &run.ended);
    }
}

#[test]
fn the_same_key_gives_the_same_tables_on_every_run_and_every_machine() {
    let (one, other) = (scene("pseudonymous"), Scene::with(healthy()));
    other.configure(|configuration| configuration.text("privacy.profile", "pseudonymous"));
    fs::copy(one.path("nexthink-graph.key"), other.path("nexthink-graph.key")).expect("copied");
    one.run_completely();
    let tables = one.tables();
    for _ in 0..2 {
        one.run_completely();
        assert!(one.tables() == tables);
    }
    other.run_completely();
    assert!(other.tables() == tables);
    let stranger = scene("pseudonymous");
    stranger.run_completely();
    let keys = |scene: &Scene| scene.keys("nexthink_user");
    assert!(keys(&stranger).is_disjoint(&keys(&one)));
}

#[test]
fn a_key_is_never_replaced_and_a_lost_one_is_asked_for() {
    let scene = scene("pseudonymous");
    let key = scene.path("nexthink-graph.key");
    let before = fs::read(&key).expect("it was made");
    let again = scene.program(&["privacy", "key", "new"]);
    assert_eq!(again.exit, Some(2), "{}", again.stderr);
    assert_eq!(fs::read(&key).expect("it is there"), before);
    #[cfg(unix)]
    {
        crate::kit::set_mode(&key, 0o640);
        let exposed = scene.run(&[]);
        assert_eq!(exposed.ended.exit, Some(2));
        assert!(exposed.ended.stderr.contains("chmod 600"), "{}", exposed.ended.stderr);
    }
    fs::remove_file(&key).expect("it is ours");
    let lost = scene.run(&[]);
    assert_eq!(lost.ended.exit, Some(2));
    assert!(lost.ended.stderr.contains("put back the copy"), "{}", lost.ended.stderr);
    assert!(!key.exists() && scene.recorded().is_empty(), "no call was made");
}

#[test]
fn a_rotation_replaces_everything_at_once_or_nothing() {
    let scene = scene("pseudonymous");
    scene.run_completely();
    let before = scene.keys("nexthink_user");
    let first = scene.published().id().clone();
    assert_eq!(scene.program(&["privacy", "key", "rotate"]).exit, Some(0));
    scene.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Users));
    let partial = scene.run(&[]);
    assert_eq!(partial.ended.exit, Some(5), "{}", partial.ended.stderr);
    assert!(partial.ended.stderr.contains("fetch-users"), "{}", partial.ended.stderr);
    assert_eq!(*scene.published().id(), first, "nothing was published");
    let one_step = scene.run(&["--step", "fetch-users"]);
    assert_eq!(one_step.ended.exit, Some(2), "{}", one_step.ended.stderr);
    let old = scene.published().manifest().privacy.clone().and_then(|privacy| privacy.key);
    let old = old.expect("it has pseudonyms");
    let early = scene.program(&["privacy", "key", "retire", &old]);
    assert_eq!(early.exit, Some(2), "{}", early.stderr);
    scene.update(|behaviour| behaviour.missing.clear());
    scene.run_completely();
    let after = scene.keys("nexthink_user");
    assert!(after.len() == before.len() && after.is_disjoint(&before));
    assert!(after.iter().all(|pseudonym| !pseudonym.contains(&old)));
    assert_eq!(scene.program(&["privacy", "key", "retire", &old]).exit, Some(0));
    scene.run_completely();
    assert_eq!(scene.keys("nexthink_user"), after);
}

#[test]
fn overrides_change_single_columns_and_nonsense_is_refused_with_its_place() {
    let scene = scene("full");
    scene.configure(|configuration| {
        configuration.set(
            "privacy.columns",
            "{ \"user.ad.full_name\" = \"drop\", \"user.last_seen\" = \"day\" }",
        )
    });
    scene.run_completely();
    let rows = scene.query("select \"firstName\" f, \"lastSeenOn\" t, _key k from nexthink_user");
    assert!(rows.iter().all(|row| row["f"].is_null()), "{rows:?}");
    let times = rows.iter().filter_map(|row| row["t"].as_str());
    assert!(
        times.clone().count() > 0 && times.clone().all(|time| time.contains("00:00:00")),
        "{rows:?}"
    );
    scene.configure(|configuration| {
        configuration.set(
            "privacy.columns",
            "{ \"user.uid\" = \"drop\", \"user.nane\" = \"drop\", \"user.name\" = \"day\" }",
        )
    });
    let refused = scene.run(&[]).ended;
    assert_eq!(refused.exit, Some(2));
    for telling in [
        "`privacy.columns.user.uid` identifies the rows",
        "`privacy.columns.user.nane` is no",
        "`privacy.columns.user.name` cannot be `day`",
    ] {
        assert!(refused.stderr.contains(telling), "{telling}: {}", refused.stderr);
    }
}

#[test]
fn who_was_erased_is_not_read_again_by_any_name() {
    let scene = scene("full");
    assert_eq!(scene.program(&["privacy", "key", "new"]).exit, Some(0));
    scene.run_completely();
    let users = scene.query(
        "select u.upn upn, u.id id from nexthink_user u join nexthink_alert a on a.\"userUid\" = u.id \
         where u.upn is not null order by 1",
    );
    let (upn, id) = (users[0]["upn"].as_str(), users[0]["id"].as_str());
    let (upn, id) = (upn.expect("a text").to_owned(), id.expect("a text").to_owned());
    let key = fs::read_to_string(scene.path("nexthink-graph.key")).expect("it was made");
    let keys = KeyRing::parse(&key).expect("it was made by the program");
    let mut list = SuppressionList::new(&keys);
    let erasure = Erasure { id: "e-1", since: "2026-11-22T10:00:00Z", reason: "request" };
    let suppressed =
        list.suppress(&keys, "acme.eu", erasure, [(IdentifierKind::Address, upn.as_str())]);
    assert_eq!(suppressed, Ok(1));
    let folder = scene.path("store").join(TENANT);
    fs::write(folder.join("suppressions.json"), list.to_text()).expect("the store is ours");
    let run = scene.run_completely();
    // The alerts know the user by nothing but the uid.
    for step in ["fetch-users", "fetch-alerts"] {
        let rows = &run.step(step)["rows"];
        let count = |name: &str| rows[name].as_u64().expect("a number");
        assert!(count("suppressed") > 0, "{rows}");
        let accounted =
            count("used") + count("merged") + count("quarantined") + count("suppressed");
        assert_eq!(count("read"), accounted);
    }
    assert!(!scene.keys("nexthink_user").contains(&format!("nexthink_user:{id}")));
    let left =
        scene.query(&format!("select count(*) n from nexthink_alert where \"userUid\" = '{id}'"));
    assert_eq!(left[0]["n"], 0);
    fs::remove_file(scene.path("nexthink-graph.key")).expect("it is ours");
    assert_eq!(scene.run(&[]).ended.exit, Some(2), "without the key they would come back");
}
