//! A canary: a person in every field about people of all datasets, in twelve spellings. A strict profile
//! leaves her nowhere, and after an erasure no profile does, whatever happens then.

use std::collections::BTreeSet;
use std::fs;

use core_simulator::SavedQuery;
use serde_json::Value;

use super::erasure::{Place, copy};
use crate::faults::exports::Export;
use crate::faults::people::spellings;
use crate::kit::{Ended, Scene, TENANT};

/// A tenant in which she is not yet.
fn place(profile: &str) -> Place {
    let place = Place::with(profile, |scene, configuration| {
        let configuration = configuration.text("queries.device_users", "#j1_device_users");
        // An audit trail keeps names, so that a strict profile refuses it.
        if profile != "full" {
            return configuration;
        }
        scene.update(|behaviour| behaviour.audit.content = Some(line_of("eve")));
        configuration
            .text("audit.host", scene.api())
            .text("audit.account", "demo")
            .set("audit.password", "{ file = \"secret\" }")
            .set("audit.engines", "[]")
    });
    plant(&place.scene, &BTreeSet::new(), &[]);
    place
}

fn line_of(account: &str) -> String {
    format!("[Portal|LOGIN|20103|{account}] failed")
}

/// The columns that a profile does not keep as they are; where all are kept, those that the strictest
/// does not.
fn columns_about_people(profile: &str) -> BTreeSet<String> {
    let profile = if profile == "full" { "minimal" } else { profile };
    let scene = Scene::of(core_simulator::TenantSpec::default());
    scene.configure(|configuration| configuration.text("privacy.profile", profile));
    let ended = scene.program(&["privacy", "inventory", "--output", "json"]);
    let lines: Vec<Value> = serde_json::from_str(&ended.stdout).expect("it prints JSON");
    let changed = lines.iter().filter(|line| line["action"] != "keep");
    changed.map(|line| line["column"].as_str().expect("a text").to_owned()).collect()
}

/// Adds a row for each spelling to every export, with it in all of these columns and in an undeclared one
/// declared; in the alerts of others, a text that names her.
fn plant(scene: &Scene, columns: &BTreeSet<String>, spellings: &[String]) {
    for query in SavedQuery::ALL {
        let mut export = Export::of(query);
        let model = export.rows[0].clone();
        for (number, spelling) in spellings.iter().enumerate() {
            let cells = export.columns.iter().zip(&model);
            let row = cells.map(|(column, cell)| match column.as_str() {
                "alert.uid" => format!("alert-{number}"),
                name if columns.contains(name) => spelling.clone(),
                _ => cell.clone(),
            });
            export.rows.push(row.collect());
            if query == SavedQuery::Alerts {
                export.rows.push(model.clone());
                let last = export.rows.len() - 1;
                *export.cell(last, "alert.uid") = format!("mention-{number}");
                // What ends a word cannot be in one.
                let has_words = !spelling.contains(';');
                let text =
                    if has_words { format!("blocked ({spelling})") } else { spelling.clone() };
                *export.cell(last, "alert.trigger_value") = text;
            }
        }
        export.columns.push("user.undeclared".to_owned());
        let cell = spellings.first().cloned().unwrap_or_default();
        export.rows.iter_mut().for_each(|row| row.push(cell.clone()));
        export.serve(scene, query);
    }
    scene.update(|behaviour| {
        if behaviour.audit.content.is_some() {
            let accounts = spellings.iter().map(String::as_str).chain(["eve"]);
            behaviour.audit.content = Some(accounts.map(line_of).collect::<Vec<_>>().join("\n"));
        }
    });
}

/// The flags that name her in every spelling.
fn flags<'a>(flag: &'a str, spellings: &'a [String]) -> Vec<&'a str> {
    spellings.iter().flat_map(|spelling| [flag, spelling]).collect()
}

fn erase(place: &Place, flag: &str, spellings: &[String]) -> Ended {
    let how = ["privacy", "erase", "--reason", "request", "--yes"];
    place.done(&[how.as_slice(), &flags(flag, spellings)].concat())
}

/// Returns her identifiers in the store, her pseudonyms included.
fn known_by(place: &Place, flag: &str, spellings: &[String]) -> BTreeSet<String> {
    let how = ["privacy", "erase", "--reason", "request", "--dry-run", "--output", "json"];
    let shown = place.done(&[how.as_slice(), &flags(flag, spellings)].concat());
    let shown: Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
    let texts = shown["identifiers"].as_array().expect("a list").iter();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn nothing_is_left_of_a_canary_in_any_profile() {
    let spellings = spellings();
    let mut canary: BTreeSet<String> = spellings.iter().cloned().collect();
    canary.insert("kanary".to_owned());
    for profile in ["full", "pseudonymous", "minimal"] {
        let columns = columns_about_people(profile);
        assert!(columns.len() > 15 && columns.contains("user.uid"), "{columns:?}");
        let place = place(profile);
        let scene = &place.scene;
        scene.run_completely();
        let tables = ["nexthink_user", "nexthink_device", "nexthink_user_uses_device"];
        let others = tables.map(|table| keys(scene, table));

        plant(scene, &columns, &spellings);
        let with_her = scene.run(&["-vv"]);
        assert_eq!(with_her.ended.exit, Some(0), "{}", with_her.ended.stderr);
        for (table, others) in tables.iter().zip(&others) {
            let all = keys(scene, table);
            assert!(all.is_superset(others) && all.len() > others.len(), "{profile}: {table}");
        }
        if profile != "full" {
            place.assert_gone(&canary, &[&with_her.ended]);
            check_she_is_one(scene);
        }
        let backup = tempfile::tempdir().expect("a folder can be made");
        let store = scene.path("store").join(TENANT);
        copy(&store, &backup.path().join("store"));

        let mut texts = canary.clone();
        for flag in ["--user", "--device"] {
            texts.extend(known_by(&place, flag, &spellings));
        }
        let flags = ["--user", "--device"];
        let mut printed: Vec<Ended> = flags.map(|flag| erase(&place, flag, &spellings)).into();
        for _ in 0..5 {
            printed.push(scene.run_completely().ended);
        }
        place.assert_gone(&texts, &printed.iter().collect::<Vec<_>>());
        assert_eq!(tables.map(|table| keys(scene, table)), others, "{profile}: only she is gone");
        let mentions = "select count(*) n from nexthink_alert where id like 'mention-%'";
        assert_eq!(scene.query(mentions)[0]["n"], spellings.len(), "alerts of others stay");
        if profile == "full" {
            let events = scene.query("select distinct account from nexthink_audit_event");
            assert_eq!(events.len(), 1, "{events:?}");
        }

        // The store of before the erasures is put back whole.
        fs::remove_dir_all(&store).expect("it is ours");
        copy(&backup.path().join("store"), &store);
        let restored = scene.run_completely();
        if profile != "full" {
            place.done(&["privacy", "key", "rotate"]);
        }
        let rotated = scene.run_completely();
        place.assert_gone(&texts, &[&restored.ended, &rotated.ended]);
    }
}

/// The keys of a table, or the pairs of its ends.
fn keys(scene: &Scene, table: &str) -> BTreeSet<String> {
    let rows = scene.query(&format!("select * from {table}"));
    let key = |row: &Value| {
        let names = ["_key", "_fromEntityKey", "_toEntityKey"];
        names.map(|name| row[name].as_str().unwrap_or_default()).join(" ")
    };
    rows.iter().map(key).collect()
}

/// The same person is one in every export, and known by a pseudonym there.
fn check_she_is_one(scene: &Scene) {
    for name in ["nexthink_user_has_alert", "nexthink_device_installed_package"] {
        let rows = scene.query(&format!("select \"_fromEntityKey\" k from {name}"));
        assert!(!rows.is_empty());
        for row in rows {
            assert!(row["k"].as_str().is_some_and(|text| text.contains(":p1-")), "{row}");
        }
    }
}
