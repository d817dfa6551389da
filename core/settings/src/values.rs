//! The values of a configuration, read one after the other. Reading takes a value out; what is left at
//! the end is no setting, or one that the other settings rule out.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::declared::Declared;
use crate::defaults::Defaults;
use crate::effective::{self, Effective};
use crate::flat::{Flat, Value};
use crate::problem::{Place, Problem};
use crate::setting::Kind;

/// The settings that were not read yet, and the mistakes found so far.
///
/// # Panics
///
/// Every method that reads a setting panics if it is not declared, or has another type than it is read
/// as: a defect of the caller.
#[derive(Debug)]
pub struct Values {
    declared: Declared,
    flat: Flat,
    /// The values that were taken out, with their places.
    taken: BTreeMap<String, (Value, Place)>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

/// A configuration in which no mistake was found.
#[derive(Debug)]
pub struct Checked {
    /// Every setting with its value and where that comes from.
    pub effective: Vec<Effective>,
    /// Values that are allowed and probably not meant.
    pub warnings: Vec<String>,
}

impl Values {
    /// Reads a file and the variables that override it, whose names begin with
    /// [`VARIABLE_PREFIX`](crate::VARIABLE_PREFIX). `queries` are the names that may be in `[queries]`.
    ///
    /// # Errors
    ///
    /// The text is not TOML.
    pub fn parse(
        text: &str,
        variables: &BTreeMap<String, String>,
        queries: &[&str],
    ) -> Result<Self, Vec<Problem>> {
        Ok(Self::new(Declared::new(queries), Flat::parse(text, variables)?, Vec::new()))
    }

    /// Reads the file of one tenant of a fleet. What it leaves out is taken from the defaults.
    ///
    /// # Errors
    ///
    /// The text is not TOML.
    pub fn parse_tenant(
        text: &str,
        defaults: &Defaults,
        queries: &[&str],
    ) -> Result<Self, Vec<Problem>> {
        let declared = Declared::new(queries);
        let mut flat = Flat::parse(text, &BTreeMap::new())?;
        defaults.add_to(&mut flat, &declared);
        Ok(Self::new(declared, flat, Vec::new()))
    }

    /// Reads the file of a fleet and the variables that override it: its own settings, and the defaults of its
    /// tenants. Messages about the defaults name the file.
    ///
    /// # Errors
    ///
    /// The text is not TOML.
    pub fn parse_fleet(
        text: &str,
        variables: &BTreeMap<String, String>,
        queries: &[&str],
        file: &str,
    ) -> Result<(Self, Defaults), Vec<Problem>> {
        let mut flat = Flat::parse(text, variables)?;
        let (defaults, problems) = Defaults::take(&mut flat, file, &Declared::new(queries));
        Ok((Self::new(Declared::of_fleet(), flat, problems), defaults))
    }

    fn new(declared: Declared, flat: Flat, problems: Vec<Problem>) -> Self {
        Self { declared, flat, taken: BTreeMap::new(), problems, warnings: Vec::new() }
    }

    /// Returns true if a value that is set comes from the file of a fleet, or from a variable that overrides it.
    pub fn is_from_defaults(&self, path: &str) -> bool {
        let entry = self.flat.entries.get(path).or_else(|| self.taken.get(path));
        matches!(entry, Some((_, Place::Defaults { .. } | Place::Variable(_))))
    }

    /// Returns true if a value is set.
    pub fn has(&self, path: &str) -> bool {
        self.flat.entries.contains_key(path)
    }

    /// Returns true if a value is set to a blank text.
    pub fn is_blank(&self, path: &str) -> bool {
        let value = self.flat.entries.get(path);
        matches!(value, Some((Value::Text(text), _)) if text.trim().is_empty())
    }

    /// Returns true if anything is set below a path.
    pub fn has_table(&self, path: &str) -> bool {
        let below = format!("{path}.");
        let mut keys = self.flat.entries.keys().chain(self.flat.empty_tables.keys());
        keys.any(|key| key.starts_with(&below))
    }

    /// Returns true if there is a table, be it an empty one, which is then taken out.
    pub fn take_table(&mut self, path: &str) -> bool {
        self.has_table(path) || self.take_empty_table(path)
    }

    /// Returns true if there is an empty table, which is then taken out.
    pub fn take_empty_table(&mut self, path: &str) -> bool {
        self.flat.empty_tables.remove(path).is_some()
    }

    /// Returns the names of all values below a path, without the path.
    pub fn names_below(&self, path: &str) -> Vec<String> {
        let below = format!("{path}.");
        let keys = self.flat.entries.keys();
        keys.filter_map(|key| Some(key.strip_prefix(&below)?.to_owned())).collect()
    }

    /// Reads a text; none if it is not set or blank.
    pub fn text(&mut self, path: &str) -> Option<String> {
        self.assert_kind(path, |kind| matches!(kind, Kind::Text | Kind::Path | Kind::Secret));
        self.any_text(path)
    }

    /// Reads a text, or its declared default. An empty text is a mistake: its default may not be what the user
    /// wants, such as another store.
    pub fn text_or_default(&mut self, path: &str) -> String {
        let text = self.text(path);
        if text.is_none() && matches!(self.taken.get(path), Some((Value::Text(_), _))) {
            self.problem(path, "is empty: set it, or leave it out for its default");
        }
        match (text, self.default(path)) {
            (Some(text), _) | (None, Value::Text(text)) => text,
            (None, other) => unreachable!("the default of {path} is {other:?}"),
        }
    }

    /// Reads a text that must be set.
    pub fn required_text(&mut self, path: &str) -> Option<String> {
        let problems = self.problems.len();
        let text = self.text(path);
        if text.is_none() && self.problems.len() == problems {
            self.problem(path, "is missing");
        }
        text
    }

    /// Reads a text that must be set and have a form.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, path: &str) -> Option<T> {
        let text = self.required_text(path)?;
        self.checked(path, text.parse())
    }

    /// Reads one of the declared words, or the declared default.
    pub fn choice(&mut self, path: &str) -> &'static str {
        let leaf = self.declared.get(path);
        let Some(Kind::Choice(words)) = leaf.map(|leaf| leaf.kind) else {
            unreachable!("{path} is not declared as a choice")
        };
        let chosen = self.any_text(path);
        let word = |text: &str| words.iter().copied().find(|word| *word == text);
        if let Some(word) = chosen.as_deref().and_then(word) {
            return word;
        }
        if chosen.is_some() {
            self.problem(path, &format!("must be {}", alternatives(words)));
        }
        match self.default(path) {
            Value::Text(text) => word(&text).unwrap_or_default(),
            other => unreachable!("the default of {path} is {other:?}"),
        }
    }

    /// Reads a list of texts. A variable of the environment holds it as the file would, `["a", "b"]`, or
    /// one item as it is.
    pub fn texts(&mut self, path: &str) -> Option<Vec<String>> {
        self.assert_kind(path, |kind| *kind == Kind::Texts);
        if let Some((value, Place::Variable(_))) = self.flat.entries.get_mut(path) {
            *value = value.list_of_variable();
        }
        match self.take(path, |value| matches!(value, Value::Texts(_)))? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    /// Reads a list of texts, or its declared default.
    pub fn texts_or_default(&mut self, path: &str) -> Vec<String> {
        match (self.texts(path), self.default(path)) {
            (Some(texts), _) | (None, Value::Texts(texts)) => texts,
            (None, other) => unreachable!("the default of {path} is {other:?}"),
        }
    }

    /// Reads a flag, or its declared default.
    pub fn flag(&mut self, path: &str) -> bool {
        self.assert_kind(path, |kind| *kind == Kind::Flag);
        let flag = |value: &Value| match value {
            Value::Flag(flag) => Some(*flag),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        let value = self.take(path, |value| flag(value).is_some());
        if let Some(flag) = value.as_ref().and_then(flag) {
            self.keep(path, Value::Flag(flag));
            return flag;
        }
        flag(&self.default(path)).unwrap_or_default()
    }

    /// Reads a whole number within the declared bounds; none if it is not set.
    pub fn integer(&mut self, path: &str) -> Option<u64> {
        let kind = self.declared.get(path).map(|leaf| leaf.kind);
        let Some(Kind::Integer { least, most }) = kind else {
            unreachable!("{path} is not declared as a number")
        };
        let value = self.take(path, |value| {
            number(value).is_some_and(|number| (least..=most).contains(&number))
        });
        let number = number(&value?)?;
        self.keep(path, i64::try_from(number).map_or(Value::Other("a number"), Value::Integer));
        Some(number)
    }

    /// Reads a whole number, or its declared default.
    pub fn integer_or_default(&mut self, path: &str) -> u64 {
        self.integer(path).or_else(|| number(&self.default(path))).unwrap_or_default()
    }

    /// Returns the value of a check, or none and a problem.
    pub fn checked<T>(&mut self, path: &str, result: Result<T, impl fmt::Display>) -> Option<T> {
        result.map_err(|error| self.problem(path, &format!("is wrong: {error}"))).ok()
    }

    /// Notes a mistake in a value, which is named before the message.
    pub fn problem(&mut self, path: &str, message: &str) {
        let place = self.taken.get(path).map_or(Place::Nowhere, |(_, place)| place.clone());
        let setting = self.declared.declared_path(path);
        self.problems.push(Problem { place, message: format!("`{path}` {message}"), setting });
    }

    /// Notes something that is allowed and probably not meant.
    pub fn warn(&mut self, message: String) {
        self.warnings.push(message);
    }

    /// Where a variable sets anything below a path, forgets what the file says there: the variable
    /// may choose another of several ways.
    pub fn let_variables_replace(&mut self, path: &str) {
        let below = format!("{path}.");
        let is_below = |key: &str| key == path || key.starts_with(&below);
        let is_variable = |place: &Place| matches!(place, Place::Variable(_));
        let entries = &mut self.flat.entries;
        if entries.iter().any(|(key, (_, place))| is_below(key) && is_variable(place)) {
            entries.retain(|key, (_, place)| !is_below(key) || is_variable(place));
        }
    }

    /// Forgets what is set below a path about which enough has been said.
    pub fn ignore_below(&mut self, path: &str) {
        let below = format!("{path}.");
        self.flat.entries.retain(|key, _| !key.starts_with(&below));
        self.flat.empty_tables.retain(|key, _| !key.starts_with(&below));
    }

    /// Returns what was read, if nothing is wrong with it.
    ///
    /// # Errors
    ///
    /// All mistakes in the order of the file, with what is no setting.
    pub fn finish(mut self) -> Result<Checked, Vec<Problem>> {
        let entries = std::mem::take(&mut self.flat.entries);
        let empty_tables = std::mem::take(&mut self.flat.empty_tables);
        let left = entries.into_iter().map(|(path, (_, place))| (path, place));
        let unknown_tables =
            empty_tables.into_iter().filter(|(path, _)| !self.declared.is_table(path));
        let left: Vec<_> = left.chain(unknown_tables).collect();
        for (path, place) in left {
            let message = self.why_unread(&path);
            let setting = self.declared.declared_path(&path);
            self.problems.push(Problem { place, message, setting });
        }
        if self.problems.is_empty() {
            let effective = effective::list(&self.declared, &self.taken);
            return Ok(Checked { effective, warnings: self.warnings });
        }
        self.problems.sort_by_key(|problem| match problem.place {
            Place::File { line, column } => (line, column),
            _ => (usize::MAX, 0),
        });
        Err(self.problems)
    }

    fn why_unread(&self, path: &str) -> String {
        if self.declared.get(path).is_some() {
            return format!("`{path}` has no effect with the other settings: remove it");
        }
        format!("`{path}` is not a setting{}", self.declared.hint(path, ""))
    }

    fn any_text(&mut self, path: &str) -> Option<String> {
        let Value::Text(text) = self.take(path, |value| matches!(value, Value::Text(_)))? else {
            return None;
        };
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Takes a value out, if it is set and of the right form.
    fn take(&mut self, path: &str, is_right: impl Fn(&Value) -> bool) -> Option<Value> {
        let leaf = self.declared.get(path);
        let expected = leaf.map(|leaf| leaf.kind.expected()).unwrap_or_default();
        if let Some(place) = self.flat.empty_tables.remove(path) {
            self.taken.insert(path.to_owned(), (Value::Other("an empty table"), place));
            self.problem(path, &format!("must be {expected}, not an empty table"));
            return None;
        }
        let (value, place) = self.flat.entries.remove(path)?;
        self.taken.insert(path.to_owned(), (value.clone(), place));
        if is_right(&value) {
            return Some(value);
        }
        self.problem(path, &format!("must be {expected}, not {}", value.form()));
        None
    }

    /// Keeps a value in its own type, which a variable has as a text.
    fn keep(&mut self, path: &str, value: Value) {
        if let Some((taken, _)) = self.taken.get_mut(path) {
            *taken = value;
        }
    }

    fn default(&self, path: &str) -> Value {
        let default = self.declared.default(path).and_then(Value::parse);
        default.unwrap_or_else(|| unreachable!("{path} has no declared default"))
    }

    fn assert_kind(&self, path: &str, is_right: impl Fn(&Kind) -> bool) {
        let kind = self.declared.get(path).map(|leaf| leaf.kind);
        assert!(kind.as_ref().is_some_and(is_right), "{path} is declared as {kind:?}");
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// Joins words as in a sentence: `a, b or c`.
fn alternatives(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
    }
}
