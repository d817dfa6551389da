//! A TOML file as a flat map from dotted paths to values with their places. Reading takes a value
//! out; what is left at the end is nothing that the program knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use toml::de::{DeTable, DeValue};

use super::VARIABLE_PREFIX;
use super::paths::Paths;

/// One mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    place: Place,
    message: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Line and column of the file, counted from 1.
    File { line: usize, column: usize },
    /// A variable of the environment.
    Variable(String),
    /// It is not there.
    Nowhere,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    Texts(Vec<String>),
    Other(&'static str),
}

/// The settings that were not read yet, and the mistakes found so far.
#[derive(Debug)]
pub(crate) struct Values {
    entries: BTreeMap<String, (Value, Place)>,
    /// Tables with nothing in them. They set nothing, so that one whose lines are all comments is as good
    /// as none.
    empty_tables: BTreeMap<String, Place>,
    /// Where values that were taken out came from, for what is found wrong with them later.
    places: BTreeMap<String, Place>,
    known: BTreeSet<String>,
    /// The tables that were asked for by their own name.
    known_tables: BTreeSet<String>,
    problems: Vec<Problem>,
    /// What is allowed and probably not meant.
    pub(super) warnings: Vec<String>,
}

impl Values {
    /// Reads a file and the variables that override it.
    pub(crate) fn parse(
        text: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<Values, Vec<Problem>> {
        let table = DeTable::parse(text).map_err(|error| {
            let place = error.span().map_or(Place::Nowhere, |span| place(text, span.start));
            vec![Problem { place, message: error.message().to_owned() }]
        })?;
        let (mut entries, mut empty_tables) = (BTreeMap::new(), BTreeMap::new());
        flatten(text, table.get_ref(), "", &mut entries, &mut empty_tables);
        for (name, value) in variables {
            let path = name[VARIABLE_PREFIX.len()..].replace("__", ".").to_lowercase();
            empty_tables.remove(&path);
            entries.insert(path, (Value::Text(value.clone()), Place::Variable(name.clone())));
        }
        Ok(Values {
            entries,
            empty_tables,
            places: BTreeMap::new(),
            known: BTreeSet::new(),
            known_tables: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// Returns whether a value is set at a path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// Returns whether a value is set at a path that is a blank text.
    pub(crate) fn is_blank(&self, path: &str) -> bool {
        matches!(self.entries.get(path), Some((Value::Text(text), _)) if text.trim().is_empty())
    }

    /// Returns whether anything is set below a path.
    pub(crate) fn has_table(&mut self, path: &str) -> bool {
        self.known_tables.insert(path.to_owned());
        let below = format!("{path}.");
        self.entries.keys().chain(self.empty_tables.keys()).any(|it| it.starts_with(&below))
    }

    /// Returns whether there is a table at a path, be it an empty one, which is then taken out.
    pub(crate) fn take_table(&mut self, path: &str) -> bool {
        self.has_table(path) || self.take_empty_table(path)
    }

    /// Returns whether there is an empty table at a path, which is then taken out.
    pub(super) fn take_empty_table(&mut self, path: &str) -> bool {
        self.known_tables.insert(path.to_owned());
        self.empty_tables.remove(path).is_some()
    }

    /// The names of all values below a path, without the path.
    pub(super) fn names_below(&mut self, path: &str) -> Vec<String> {
        self.known_tables.insert(path.to_owned());
        let below = format!("{path}.");
        self.entries.keys().filter_map(|it| Some(it.strip_prefix(&below)?.to_owned())).collect()
    }

    /// A text; nothing if it is not there or blank.
    pub(crate) fn text(&mut self, path: &str) -> Option<String> {
        let Value::Text(text) =
            self.take(path, "a text in quotes", |it| matches!(it, Value::Text(_)))?
        else {
            return None;
        };
        Some(text.trim().to_owned()).filter(|it| !it.is_empty())
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, path: &str) -> Option<String> {
        let was_wrong = self.problems.len();
        let text = self.text(path);
        if text.is_none() && self.problems.len() == was_wrong {
            self.problem(path, "is missing");
        }
        text
    }

    /// A text that must be there and have a form.
    pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, path: &str) -> Option<T> {
        let text = self.required_text(path)?;
        self.checked(path, text.parse())
    }

    /// A path; nothing and a problem if only a shell understands it.
    pub(crate) fn path(&mut self, path: &str, paths: &Paths) -> Option<PathBuf> {
        let text = self.text(path)?;
        self.checked(path, paths.resolve(&text))
    }

    /// A list of texts. A variable of the environment holds it as the file would, `["a", "b"]`, or one
    /// item as it is.
    pub(crate) fn texts(&mut self, path: &str) -> Option<Vec<String>> {
        if let Some((value @ Value::Text(_), Place::Variable(_))) = self.entries.get_mut(path) {
            *value = list_of(value);
        }
        match self.take(path, "a list of texts", |it| matches!(it, Value::Texts(_)))? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, path: &str) -> Option<bool> {
        let is_flag = |it: &Value| match it {
            Value::Flag(_) => true,
            Value::Text(text) => text.parse::<bool>().is_ok(),
            _ => false,
        };
        match self.take(path, "true or false", is_flag)? {
            Value::Flag(flag) => Some(flag),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A whole number within bounds.
    pub(crate) fn integer(&mut self, path: &str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let number = |it: &Value| match it {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let is_within = |it: &Value| number(it).is_some_and(|number| bounds.contains(&number));
        number(&self.take(path, &expected, is_within)?)
    }

    /// The value of a check, or nothing and a problem.
    pub(crate) fn checked<T>(
        &mut self,
        path: &str,
        result: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        result.map_err(|error| self.problem(path, &format!("is wrong: {error}"))).ok()
    }

    /// Notes a mistake in a value, which is named before the message.
    pub(crate) fn problem(&mut self, path: &str, message: &str) {
        let place = self.places.get(path).cloned().unwrap_or(Place::Nowhere);
        self.problems.push(Problem { place, message: format!("`{path}` {message}") });
    }

    /// Where a variable sets anything below a path, forgets what the file says there: the variable
    /// may choose another of several ways.
    pub(super) fn let_variables_replace(&mut self, path: &str) {
        let below = format!("{path}.");
        let is_below = |it: &str| it == path || it.starts_with(&below);
        let mut from_variables = self.entries.iter().filter(|(it, _)| is_below(it));
        if from_variables.any(|(_, (_, place))| matches!(place, Place::Variable(_))) {
            self.entries
                .retain(|it, (_, place)| !is_below(it) || matches!(place, Place::Variable(_)));
        }
    }

    /// Forgets what is set below a path about which enough has been said.
    pub(super) fn ignore_below(&mut self, path: &str) {
        let below = format!("{path}.");
        self.entries.retain(|it, _| !it.starts_with(&below));
        self.empty_tables.retain(|it, _| !it.starts_with(&below));
    }

    /// All mistakes, what nobody asked for included.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        let unknown = std::mem::take(&mut self.entries);
        let unknown = unknown.into_iter().map(|(path, (_, place))| (path, place));
        let empty_tables = std::mem::take(&mut self.empty_tables);
        let unknown_tables = empty_tables.into_iter().filter(|(path, _)| !self.is_table(path));
        for (path, place) in unknown.chain(unknown_tables).collect::<Vec<_>>() {
            let similar = self.known.iter().map(|it| (likeness(it, &path), it));
            let similar = similar.filter(|(likeness, _)| *likeness > 0.0);
            let nearest = similar.max_by(|a, b| a.0.total_cmp(&b.0));
            let hint =
                nearest.map_or_else(String::new, |(_, it)| format!("; did you mean `{it}`?"));
            let message = format!("`{path}` is not a setting{hint}");
            self.problems.push(Problem { place, message });
        }
        self.problems.sort_by_key(|it| match it.place {
            Place::File { line, column } => (line, column),
            _ => (usize::MAX, 0),
        });
        self.problems
    }

    /// Returns whether a table of this name may stand in a configuration.
    fn is_table(&self, path: &str) -> bool {
        let below = format!("{path}.");
        let mut known = self.known.iter().chain(&self.known_tables);
        known.any(|it| it == path || it.starts_with(&below))
    }

    /// Takes a value out, if it is there and of the right form.
    fn take(
        &mut self,
        path: &str,
        expected: &str,
        is_right: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        self.known.insert(path.to_owned());
        if let Some(place) = self.empty_tables.remove(path) {
            self.places.insert(path.to_owned(), place);
            self.problem(path, &format!("must be {expected}, not an empty table"));
            return None;
        }
        let (value, place) = self.entries.remove(path)?;
        self.places.insert(path.to_owned(), place);
        if is_right(&value) {
            return Some(value);
        }
        self.problem(path, &format!("must be {expected}, not {}", value.form()));
        None
    }
}

impl Value {
    fn form(&self) -> &'static str {
        match self {
            Value::Text(_) => "this text",
            Value::Integer(_) => "this number",
            Value::Flag(_) => "true or false",
            Value::Texts(_) => "a list",
            Value::Other(form) => form,
        }
    }
}

impl Problem {
    /// The mistake with the place where it stands.
    pub(crate) fn in_file(&self, file: &str) -> String {
        match &self.place {
            Place::File { line, column } => format!("  {file}:{line}:{column}: {}", self.message),
            Place::Variable(name) => format!("  environment variable {name}: {}", self.message),
            Place::Nowhere => format!("  {file}: {}", self.message),
        }
    }
}

/// How alike two paths are, from 0 to 1, where they are so alike that one may stand for the other, else
/// 0: by their last part if they stand in one table, since the rest is alike anyway, else by the whole.
fn likeness(known: &str, path: &str) -> f64 {
    let (likeness, least) = match (known.rsplit_once('.'), path.rsplit_once('.')) {
        (Some((table, name)), Some((other_table, other_name))) if table == other_table => {
            (strsim::normalized_damerau_levenshtein(name, other_name), 0.6)
        }
        _ => (strsim::normalized_damerau_levenshtein(known, path), 0.8),
    };
    if likeness > least { likeness } else { 0.0 }
}

fn flatten(
    text: &str,
    table: &DeTable<'_>,
    prefix: &str,
    values: &mut BTreeMap<String, (Value, Place)>,
    empty_tables: &mut BTreeMap<String, Place>,
) {
    for (key, value) in table {
        let path = format!("{prefix}{}", key.get_ref());
        let place = place(text, key.span().start);
        let flat = match value.get_ref() {
            DeValue::Table(table) if table.is_empty() => {
                empty_tables.insert(path, place);
                continue;
            }
            DeValue::Table(table) => {
                flatten(text, table, &format!("{path}."), values, empty_tables);
                continue;
            }
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                parsed.map_or(Value::Other("this number"), Value::Integer)
            }
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Array(items) => {
                let text_of = |item: &DeValue<'_>| item.as_str().map(str::to_owned);
                let texts: Option<Vec<_>> = items.iter().map(|it| text_of(it.get_ref())).collect();
                texts.map_or(Value::Other("this list"), Value::Texts)
            }
            DeValue::Float(_) => Value::Other("this number"),
            DeValue::Datetime(_) => Value::Other("a time"),
        };
        values.insert(path, (flat, place));
    }
}

/// The value of a variable as a list: an array as TOML writes it, or its one item.
fn list_of(value: &Value) -> Value {
    let Value::Text(text) = value else { return value.clone() };
    if !text.trim_start().starts_with('[') {
        return Value::Texts(vec![text.clone()]);
    }
    let parsed = format!("list = {text}").parse::<toml::Table>().ok();
    let items = parsed.as_ref().and_then(|table| table["list"].as_array());
    let texts = items.and_then(|items| {
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    texts.map_or(Value::Other("this text"), Value::Texts)
}

fn place(text: &str, offset: usize) -> Place {
    let before = &text[..offset.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Place::File { line, column }
}
