//! Validates entities by the published schemas: the part of JSON Schema, draft 7, that they use. It
//! shares nothing with the rules that it checks, and is itself held against the package's own verdicts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;
use serde_json::Value;

/// The schemas, by class.
#[derive(Deserialize)]
pub(crate) struct Schemas {
    schemas: BTreeMap<String, Value>,
}

impl Schemas {
    pub(crate) fn read() -> Self {
        serde_json::from_str(include_str!("../data/schemas.json")).expect("the file is ours")
    }

    /// Returns whether an entity satisfies all its classes.
    pub(crate) fn accept(&self, entity: &Value) -> bool {
        let classes = entity["_class"].as_array().expect("the cases have lists of classes");
        classes
            .iter()
            .all(|class| self.is_valid(&self.schemas[class.as_str().expect("a name")], entity))
    }

    fn is_valid(&self, schema: &Value, value: &Value) -> bool {
        let rules = schema.as_object().expect("a schema is an object");
        rules.iter().all(|(keyword, rule)| self.satisfies(keyword, rule, value))
    }

    fn satisfies(&self, keyword: &str, rule: &Value, value: &Value) -> bool {
        let valid = |schema: &Value| self.is_valid(schema, value);
        let list = || rule.as_array().expect("a list of schemas").iter();
        let items = || value.as_array().map(Vec::as_slice).unwrap_or_default();
        let length = || value.as_str().map_or(u64::MAX, |text| text.chars().count() as u64);
        match keyword {
            "$id" => true,
            "$ref" => {
                let name = rule.as_str().expect("a reference is text").trim_start_matches('#');
                valid(&self.schemas[name])
            }
            "allOf" => list().all(valid),
            "anyOf" => list().any(valid),
            "oneOf" => list().filter(|rule| valid(rule)).count() == 1,
            "enum" => list().any(|allowed| allowed == value),
            "type" => match rule {
                Value::Array(types) => types.iter().any(|type_name| is_of_type(type_name, value)),
                one => is_of_type(one, value),
            },
            "required" => list().all(|name| value.get(name.as_str().expect("a name")).is_some()),
            "properties" => {
                let properties = rule.as_object().expect("schemas by name").iter();
                let mut found =
                    properties.filter_map(|(name, rule)| Some((rule, value.get(name)?)));
                found.all(|(schema, value)| self.is_valid(schema, value))
            }
            "patternProperties" => {
                let tags = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|member| member.0.starts_with("tag."));
                let schema = &rule["^tag\\."];
                tags.into_iter().all(|(_, value)| self.is_valid(schema, value))
            }
            "propertyNames" => value.as_object().is_none_or(|members| {
                members.keys().all(|name| self.is_valid(rule, &Value::String(name.clone())))
            }),
            "items" => items().iter().all(|item| self.is_valid(rule, item)),
            "uniqueItems" => (1..items().len()).all(|i| !items()[..i].contains(&items()[i])),
            "minItems" => !value.is_array() || items().len() as u64 >= whole(rule),
            "minLength" => length() >= whole(rule),
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= rule.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= rule.as_f64()),
            "pattern" => value.as_str().is_none_or(|text| matches(rule, text)),
            "format" => value.as_str().is_none_or(|text| is_of_format(rule, text)),
            other => panic!("the schemas have a new keyword: {other}"),
        }
    }
}

fn whole(rule: &Value) -> u64 {
    rule.as_u64().expect("a bound is a whole number")
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        other => panic!("the schemas have a new type: {other:?}"),
    }
}

fn matches(pattern: &Value, text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match pattern.as_str().expect("a pattern is text") {
        r"^(_|tag\.)?[A-Za-z0-9. -]+$" => {
            let name = text.strip_prefix('_').unwrap_or(text);
            !name.is_empty() && name.chars().all(|c| is_inner(c) || c == '.' || c == ' ')
        }
        r"^([0-9a-f]{2}:){5}([0-9a-f]{2})$" => {
            let pairs: Vec<_> = text.split(':').collect();
            pairs.len() == 6
                && pairs.iter().all(|pair| pair.len() == 2 && pair.chars().all(is_hexadecimal))
        }
        r"^[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9]$" => {
            (2..=63).contains(&text.len())
                && text.chars().all(is_inner)
                && text.starts_with(is_alphanumeric)
                && text.ends_with(is_alphanumeric)
        }
        r"(?=^.{4,253}$)(^((?!-)[a-zA-Z0-9-]{0,62}[a-zA-Z0-9]\.)+[a-zA-Z]{2,63}$)" => {
            let mut labels: Vec<_> = text.split('.').collect();
            let last = labels.pop().unwrap_or_default();
            let is_label = |label: &&str| {
                (1..=63).contains(&label.len())
                    && label.chars().all(is_inner)
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            };
            (4..=253).contains(&text.len())
                && !labels.is_empty()
                && labels.iter().all(is_label)
                && (2..=63).contains(&last.len())
                && last.chars().all(|c| c.is_ascii_alphabetic())
        }
        other => panic!("the schemas have a new pattern: {other}"),
    }
}

fn is_of_format(format: &Value, text: &str) -> bool {
    match format.as_str().expect("a format is text") {
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "ip" => text.parse::<IpAddr>().is_ok(),
        "uri" => text.contains("://") && !text.contains(' '),
        // Only numbers have it, for which it says nothing.
        "date-time" => true,
        "email" => {
            let parts = text.split_once('@');
            parts.is_some_and(|(name, domain)| {
                !name.is_empty() && !name.contains(' ') && domain.contains('.')
            })
        }
        other => panic!("the schemas have a new format: {other}"),
    }
}
