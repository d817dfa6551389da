//! The JSON Schema, by a validator of the keywords that it uses.

use core_settings::{FLEET, Kind, schema, settings};
use serde_json::{Value, json};

const QUERIES: [&str; 2] = ["devices", "packages"];

/// Returns true if a value is valid.
fn is_valid(schema: &Value, value: &Value) -> bool {
    let any = |name: &str| {
        schema[name]
            .as_array()
            .map(|schemas| schemas.iter().filter(|schema| is_valid(schema, value)).count())
    };
    let is_of_type = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => panic!("{other} is not known here"),
        None => true,
    };
    let is_within = value.as_u64().is_none_or(|number| {
        schema["minimum"].as_u64().is_none_or(|least| number >= least)
            && schema["maximum"].as_u64().is_none_or(|most| number <= most)
    });
    let members = value.as_object().into_iter().flatten();
    let mut members = members.map(|(name, value)| match &schema["properties"][name] {
        Value::Null => match &schema["additionalProperties"] {
            Value::Bool(allowed) => *allowed,
            Value::Null => true,
            others => is_valid(others, value),
        },
        known => is_valid(known, value),
    });
    let mut items = value.as_array().into_iter().flatten();
    let mut required = schema["required"].as_array().into_iter().flatten();
    is_of_type
        && is_within
        && schema["enum"].as_array().is_none_or(|words| words.contains(value))
        && any("anyOf").is_none_or(|valid| valid > 0)
        && any("oneOf").is_none_or(|valid| valid == 1)
        && required.all(|name| !value[name.as_str().unwrap_or_default()].is_null())
        && members.all(|is_valid| is_valid)
        && (schema["items"].is_null() || items.all(|item| is_valid(&schema["items"], item)))
}

/// Returns a file with one setting, as JSON.
fn file_with(path: &str, toml: &str) -> Value {
    // The name of a column is one name.
    let path = path.replace("**", "\"device.name\"").replace('*', "packages");
    let table: toml::Table = format!("{path} = {toml}").parse().expect("it is TOML");
    serde_json::to_value(table).expect("TOML is JSON too")
}

#[test]
fn every_example_is_valid_and_no_value_of_another_type_is() {
    let schema = schema(&QUERIES);
    for setting in settings().chain(FLEET.settings) {
        let valid = file_with(setting.path, setting.example);
        assert!(is_valid(&schema, &valid), "{valid}");
        let wrong = match setting.kind {
            Kind::Text | Kind::Path | Kind::Texts => "7",
            Kind::Choice(_) | Kind::Flag | Kind::Secret => "\"maybe\"",
            Kind::Integer { .. } => "100000000",
        };
        let wrong = file_with(setting.path, wrong);
        assert!(!is_valid(&schema, &wrong), "{wrong}");
    }
}

#[test]
fn what_is_no_setting_and_a_secret_of_two_places_are_not_valid() {
    let schema = schema(&QUERIES);
    for (file, expected) in [
        (json!({}), true),
        (json!({ "nexthink": { "tenant": "acme" } }), true),
        (json!({ "nexthink": { "tennant": "acme" } }), false),
        (json!({ "nextthink": {} }), false),
        (
            json!({ "fleet": { "tenants": "t" }, "defaults": { "nexthink": { "region": "eu" } } }),
            true,
        ),
        (json!({ "defaults": { "nexthink": { "reigon": "eu" } } }), false),
        (json!({ "defaults": { "fleet": {} } }), false),
        (json!({ "queries": { "devices": "#a", "packages": { "id": "#b" } } }), true),
        (json!({ "queries": { "devcies": "#a" } }), false),
        (json!({ "nexthink": { "client_secret": { "env": "A" } } }), true),
        (json!({ "nexthink": { "client_secret": { "env": "A", "file": "b" } } }), false),
        (json!({ "nexthink": { "client_secret": {} } }), false),
        (json!({ "nexthink": { "client_secret": { "timeout_s": 3 } } }), false),
    ] {
        assert_eq!(is_valid(&schema, &file), expected, "{file}");
    }
}

#[test]
fn the_schema_tells_an_editor_what_a_setting_is() {
    let schema = schema(&QUERIES);
    assert_eq!(
        schema["properties"]["retention"]["properties"]["ledger_days"],
        json!({
            "type": "integer",
            "minimum": 1,
            "maximum": 36_500,
            "default": 400,
            "description": "Time that entries of the ledger are kept, in days.",
            "examples": [800],
        })
    );
}
