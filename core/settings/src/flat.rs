//! A TOML file as a flat map from dotted paths to values with their places.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::problem::{Place, Problem};
use crate::table::VARIABLE_PREFIX;

/// A value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    Texts(Vec<String>),
    /// Something that no setting is, in words.
    Other(&'static str),
}

/// The values of a file and of the variables that override it.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    pub(crate) entries: BTreeMap<String, (Value, Place)>,
    /// Tables with nothing in them. They set nothing, so that one whose lines are all comments is as
    /// good as none.
    pub(crate) empty_tables: BTreeMap<String, Place>,
}

impl Flat {
    /// Reads a file and the variables that override it.
    ///
    /// # Errors
    ///
    /// The text is not TOML.
    pub(crate) fn parse(
        text: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<Problem>> {
        let table = DeTable::parse(text).map_err(|error| {
            let place = error.span().map_or(Place::Nowhere, |span| Place::at(text, span.start));
            vec![Problem { place, message: error.message().to_owned(), setting: None }]
        })?;
        let mut flat = Self::default();
        flat.add(text, table.get_ref(), "");
        for (name, value) in variables {
            let path = name[VARIABLE_PREFIX.len()..].replace("__", ".").to_lowercase();
            flat.empty_tables.remove(&path);
            let place = Place::Variable(name.clone());
            flat.entries.insert(path, (Value::Text(value.clone()), place));
        }
        Ok(flat)
    }

    fn add(&mut self, text: &str, table: &DeTable<'_>, prefix: &str) {
        for (key, value) in table {
            let path = format!("{prefix}{}", key.get_ref());
            let place = Place::at(text, key.span().start);
            match value.get_ref() {
                DeValue::Table(table) if table.is_empty() => {
                    self.empty_tables.insert(path, place);
                }
                DeValue::Table(table) => self.add(text, table, &format!("{path}.")),
                other => {
                    self.entries.insert(path, (Value::new(other), place));
                }
            }
        }
    }
}

/// Converts a value that is written as TOML; none if it is not.
pub(crate) fn toml_to_json(toml: &str) -> Option<serde_json::Value> {
    let table: toml::Table = format!("value = {toml}").parse().ok()?;
    serde_json::to_value(table.get("value")?).ok()
}

impl Value {
    fn new(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                parsed.map_or(Self::Other("this number"), Self::Integer)
            }
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Array(items) => {
                let text = |item: &DeValue<'_>| item.as_str().map(str::to_owned);
                let texts: Option<Vec<_>> = items.iter().map(|item| text(item.get_ref())).collect();
                texts.map_or(Self::Other("this list"), Self::Texts)
            }
            DeValue::Float(_) => Self::Other("this number"),
            DeValue::Datetime(_) => Self::Other("a time"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// Reads a value that is written as TOML; none if it is not.
    pub(crate) fn parse(toml: &str) -> Option<Self> {
        let text = format!("value = {toml}");
        let table = DeTable::parse(&text).ok()?;
        table.get_ref().get("value").map(|value| Self::new(value.get_ref()))
    }

    /// Names the form of the value: `not …`.
    pub(crate) fn form(&self) -> &'static str {
        match self {
            Self::Text(_) => "this text",
            Self::Integer(_) => "this number",
            Self::Flag(_) => "true or false",
            Self::Texts(_) => "a list",
            Self::Other(form) => form,
        }
    }

    /// Returns the value of a variable as a list: an array as TOML writes it, or its one item.
    pub(crate) fn list_of_variable(&self) -> Self {
        match self {
            Self::Text(text) if text.trim_start().starts_with('[') => match Self::parse(text) {
                Some(list @ Self::Texts(_)) => list,
                _ => Self::Other("this text"),
            },
            Self::Text(text) => Self::Texts(vec![text.clone()]),
            other => other.clone(),
        }
    }

    /// Returns the value as TOML.
    pub(crate) fn toml(&self) -> String {
        match self {
            Self::Text(text) => toml::Value::from(text.as_str()).to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Texts(texts) => toml::Value::from(texts.clone()).to_string(),
            Self::Other(form) => (*form).to_owned(),
        }
    }
}
