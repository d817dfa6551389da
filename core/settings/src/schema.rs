//! The JSON Schema of the configuration file, with which an editor completes and checks it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::declared::Declared;
use crate::flat::toml_to_json;
use crate::setting::{Absent, Kind, SECRET_PARTS, SecretPart, Setting};
use crate::table::{FLEET, TABLES, settings};

/// A name in the file: a setting, a table, or both, since a query is a text or a table.
#[derive(Default)]
struct Node {
    setting: Option<&'static Setting>,
    names: BTreeMap<String, Node>,
    /// The schema of any other name.
    open: Option<&'static Setting>,
}

/// Returns the schema of a file, as JSON Schema 2020-12, for a program with these queries.
///
/// Nothing is required, since a variable of the environment may set what a file does not.
pub fn schema(queries: &[&str]) -> Value {
    let declared = Declared::new(queries);
    let mut root = Node::default();
    for setting in settings() {
        if let Some(table) = setting.path.strip_suffix(".**") {
            root.at(table).open = Some(setting);
            continue;
        }
        for path in declared.paths(setting) {
            root.at(&path).setting = Some(setting);
        }
    }
    let mut defaults = root.schema("");
    defaults
        .insert("description".to_owned(), json!("What the files of a fleet's tenants leave out"));
    for setting in FLEET.settings {
        root.at(setting.path).setting = Some(setting);
    }
    let mut schema = root.schema("");
    if let Some(Value::Object(tables)) = schema.get_mut("properties") {
        tables.insert("defaults".to_owned(), Value::Object(defaults));
    }
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Configuration of Nexthink Graph"));
    Value::Object(schema)
}

impl Node {
    fn at(&mut self, path: &str) -> &mut Self {
        path.split('.').fold(self, |node, name| node.names.entry(name.to_owned()).or_default())
    }

    fn schema(&self, path: &str) -> Map<String, Value> {
        match self.setting {
            Some(setting) if self.names.is_empty() => of_setting(setting),
            Some(setting) => object(json!({ "anyOf": [of_setting(setting), self.table(path)] })),
            None => self.table(path),
        }
    }

    fn table(&self, path: &str) -> Map<String, Value> {
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let names = self.names.iter();
        let names: Map<String, Value> = names
            .map(|(name, node)| (name.clone(), Value::Object(node.schema(&below(name)))))
            .collect();
        // A column may be written with its dots, as tables within tables.
        let others = self.open.map_or(
            json!(false),
            |setting| json!({ "anyOf": [of_setting(setting), { "type": "object" }] }),
        );
        let mut table = object(json!({
            "type": "object",
            "properties": names,
            "additionalProperties": others,
        }));
        if let Some(declared) = TABLES.iter().chain([&FLEET]).find(|table| table.path == path) {
            table.insert("description".to_owned(), json!(declared.sentence));
        }
        table
    }
}

fn of_setting(setting: &Setting) -> Map<String, Value> {
    let mut schema = object(kind(&setting.kind));
    let unit = setting.unit.map_or_else(String::new, |unit| format!(", in {unit}"));
    let mut description = format!("{}{unit}.", setting.sentence);
    match setting.absent {
        Absent::Required => description.push_str(" Required."),
        Absent::Default(value) => {
            schema.insert("default".to_owned(), json!(toml_to_json(value)));
        }
        Absent::Otherwise(_) => {}
    }
    schema.insert("description".to_owned(), json!(description));
    schema.insert("examples".to_owned(), json!([toml_to_json(setting.example)]));
    schema
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text | Kind::Path => json!({ "type": "string" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Integer { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Secret => {
            let part = |part: &SecretPart| {
                let mut schema = object(self::kind(&part.kind));
                schema.insert("description".to_owned(), json!(part.sentence));
                (part.name.to_owned(), Value::Object(schema))
            };
            let parts: Map<String, Value> = SECRET_PARTS.iter().map(part).collect();
            let one = SECRET_PARTS[..3].iter().map(|part| json!({ "required": [part.name] }));
            json!({
                "type": "object",
                "properties": parts,
                "additionalProperties": false,
                "oneOf": one.collect::<Vec<_>>(),
            })
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
