//! Every setting with its value and where that comes from.

use std::collections::BTreeMap;

use crate::declared::Declared;
use crate::flat::{Value, toml_to_json};
use crate::problem::Place;
use crate::setting::{Absent, Kind, Setting};
use crate::table::TABLES;

/// A setting with the value that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The path of the setting.
    pub path: String,
    /// The value as TOML, or in words what holds without one. A reference to a secret shows where the
    /// secret is, and of a command its program only.
    pub value: String,
    /// Where the value comes from.
    pub place: Place,
}

impl Effective {
    /// Returns the value as JSON; null if nothing is set and the default has words only.
    pub fn json(&self) -> serde_json::Value {
        match (toml_to_json(&self.value), &self.place) {
            (Some(value), _) => value,
            (None, Place::Nowhere) => serde_json::Value::Null,
            (None, _) => self.value.as_str().into(),
        }
    }
}

type Taken = BTreeMap<String, (Value, Place)>;

/// Lists the settings in the order of the table. A table that is off is one line.
pub(crate) fn list(declared: &Declared, taken: &Taken) -> Vec<Effective> {
    let mut list = Vec::new();
    for table in &TABLES {
        let below = format!("{}.", table.path);
        if table.is_optional && !taken.keys().any(|path| path.starts_with(&below)) {
            list.push(absent(table.path.to_owned(), "not configured"));
            continue;
        }
        for setting in table.settings {
            list.extend(of_setting(declared, taken, setting));
        }
    }
    list
}

fn of_setting(declared: &Declared, taken: &Taken, setting: &Setting) -> Vec<Effective> {
    if let Some(start) = setting.path.strip_suffix("**") {
        return taken.iter().filter(|(path, _)| path.starts_with(start)).map(set).collect();
    }
    // Most queries are a text, not a table.
    let is_part_of_query = setting.path.contains('*') && !setting.path.ends_with('*');
    let mut list = Vec::new();
    for path in declared.paths(setting) {
        list.push(match taken.get_key_value(&path) {
            Some(entry) => set(entry),
            None if setting.kind == Kind::Secret => match reference(taken, &path) {
                Some(reference) => reference,
                None => absent(path, in_words(setting)),
            },
            None if is_part_of_query => continue,
            None if taken.contains_key(&format!("{path}.id")) => continue,
            None => absent(path, in_words(setting)),
        });
    }
    list
}

fn set((path, (value, place)): (&String, &(Value, Place))) -> Effective {
    Effective { path: path.clone(), value: value.toml(), place: place.clone() }
}

fn absent(path: String, value: &str) -> Effective {
    Effective { path, value: value.to_owned(), place: Place::Nowhere }
}

fn in_words(setting: &Setting) -> &'static str {
    match setting.absent {
        Absent::Default(value) | Absent::Otherwise(value) => value,
        Absent::Required => "missing",
    }
}

/// Describes a reference to a secret.
fn reference(taken: &Taken, path: &str) -> Option<Effective> {
    let (name, (value, place)) = ["env", "file", "command"]
        .into_iter()
        .find_map(|name| Some((name, taken.get(&format!("{path}.{name}"))?)))?;
    // An argument of a command may be a secret itself.
    let value = match value {
        Value::Texts(words) => {
            let program = words.first().cloned().unwrap_or_default();
            format!("[{}, …]", Value::Text(program).toml())
        }
        value => value.toml(),
    };
    let value = format!("{{ {name} = {value} }}");
    Some(Effective { path: path.to_owned(), value, place: place.clone() })
}
