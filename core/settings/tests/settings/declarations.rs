//! The table itself.

use std::collections::{BTreeMap, BTreeSet};

use core_settings::{Absent, FLEET, Kind, Setting, TABLES, Values, settings};

/// Converts a value that is written as TOML.
fn toml(value: &str) -> toml::Value {
    let table: toml::Table = format!("value = {value}").parse().expect(value);
    table["value"].clone()
}

/// Returns true if a value has the type of a setting.
fn has_type(kind: &Kind, value: &toml::Value) -> bool {
    match kind {
        Kind::Text | Kind::Path => value.is_str(),
        Kind::Choice(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Kind::Secret => value.as_table().is_some_and(|table| table.len() == 1),
        Kind::Flag => value.is_bool(),
        Kind::Integer { least, most } => {
            let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
            number.is_some_and(|number| (*least..=*most).contains(&number))
        }
        Kind::Texts => value.as_array().is_some_and(|items| items.iter().all(toml::Value::is_str)),
    }
}

#[test]
fn every_example_and_every_default_has_the_declared_type() {
    for Setting { path, kind, absent, example, .. } in settings().chain(FLEET.settings) {
        assert!(has_type(kind, &toml(example)), "{path} = {example}");
        if let Absent::Default(value) = absent {
            assert!(has_type(kind, &toml(value)), "{path} = {value}");
            // Some settings have one useful value only.
            let has_other_values =
                !["mode", "values"].iter().any(|name| path.rsplit('.').next() == Some(name));
            assert!(value != example || !has_other_values, "{path}");
        }
    }
}

#[test]
fn every_setting_is_declared_once_in_its_table_and_described_in_words() {
    let mut paths = BTreeSet::new();
    for table in TABLES.iter().chain([&FLEET]) {
        for setting in table.settings {
            assert!(setting.path.starts_with(&format!("{}.", table.path)), "{}", setting.path);
            assert!(paths.insert(setting.path), "{} is declared twice", setting.path);
            let ends_well = !setting.sentence.ends_with(['.', ' ']);
            assert!(setting.sentence.len() > 5 && ends_well, "{}", setting.path);
            let is_number = matches!(setting.kind, Kind::Integer { .. });
            assert_eq!(setting.unit.is_some(), is_number, "{}", setting.path);
        }
        for starter in table.starters {
            assert!(paths.contains(starter), "{starter}");
        }
    }
}

#[test]
fn what_is_no_setting_is_told_with_the_nearest_one_and_what_has_no_effect_as_such() {
    let told = |text: &str| {
        let values = Values::parse(text, &BTreeMap::new(), &["devices"]).expect("it is TOML");
        let problems = values.finish().expect_err("nothing was read");
        problems.iter().map(|problem| problem.in_file("file").trim().to_owned()).collect::<Vec<_>>()
    };
    for (text, expected) in [
        (
            "[queries]\ndevcies = \"#a\"",
            "file:2:1: `queries.devcies` is not a setting; did you mean `queries.devices`?",
        ),
        (
            "[nexthink.client_secret]\nfiel = \"s\"",
            "file:2:1: `nexthink.client_secret.fiel` is not a setting; did you mean \
             `nexthink.client_secret.file`?",
        ),
        ("[nexthink]\nx = 1", "file:2:1: `nexthink.x` is not a setting"),
        ("[nothing]", "file:1:2: `nothing` is not a setting"),
        (
            "[audit]\nquery = \"#a\"",
            "file:2:1: `audit.query` has no effect with the other settings: remove it",
        ),
    ] {
        assert_eq!(told(text), [expected]);
    }
}

#[test]
#[should_panic(expected = "nexthink.regoin is declared as None")]
fn a_setting_that_is_not_declared_cannot_be_read() {
    let mut values = Values::parse("", &BTreeMap::new(), &[]).expect("it is TOML");
    values.text("nexthink.regoin");
}
