//! Saved questions: queries with a title, parameters and a way to show the answer, in TOML files.
//!
//! Shipped questions are part of the program; those of the user are read from a folder. The explorer,
//! rules and other readers ask them as the command line does.

mod error;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use core_j1ql::Compiled;
use serde::{Deserialize, Serialize};

pub use self::error::QuestionError;
use crate::error::most_similar;
use crate::parameters::ParameterValue;
use crate::reduced::ReducedQuery;
use crate::session::{QueryResult, QuerySession};

/// The shipped files.
const SHIPPED: [(&str, &str); 5] = [
    ("estate.toml", include_str!("../questions/estate.toml")),
    ("devices.toml", include_str!("../questions/devices.toml")),
    ("software.toml", include_str!("../questions/software.toml")),
    ("alerts.toml", include_str!("../questions/alerts.toml")),
    ("users.toml", include_str!("../questions/users.toml")),
];

/// The form of a file: `[[question]]` for each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionFile {
    // None in an empty file, which the shell makes for `ask QUESTION --file > questions/mine.toml` before it is filled.
    #[serde(default)]
    question: Vec<Question>,
}

/// A saved question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Its name: lower-case words with hyphens.
    pub id: String,
    /// The question in one sentence.
    pub title: String,
    /// The content of the answer, and its limits.
    #[serde(default)]
    pub description: String,
    /// Its topics; the first tag is its group.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The language of the query.
    pub language: Language,
    /// The query.
    pub query: String,
    /// The display of the answer.
    #[serde(default)]
    pub show: Show,
    /// The values that it asks for.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// True if it comes with the program.
    #[serde(skip_deserializing)]
    pub is_shipped: bool,
}

/// A language of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// SQL with parameters such as `$days`.
    Sql,
    /// J1QL with parameters such as `{{days}}`.
    J1ql,
}

/// The display of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Show {
    /// As a table.
    #[default]
    Table,
    /// The only value of the only row, large.
    Number,
    /// A bar for each row: text columns name it, the last number is its length.
    Bar,
    /// A line over the first column, which is a time.
    Line,
}

/// A parameter of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name in the query.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: ParameterKind,
    /// The value if none is given, as text. Without one, a value must be given.
    #[serde(default)]
    pub default: Option<String>,
    /// The least whole number that it may be; none for no limit, and for other types.
    #[serde(default)]
    pub minimum: Option<i64>,
    /// Its purpose.
    #[serde(default)]
    pub description: String,
}

/// The type of the values of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An address or a network, such as `10.0.0.0/8`.
    Network,
    /// A version that can be compared, such as `10.0.22631`.
    Version,
}

/// Questions by their names.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    questions: Vec<Question>,
}

impl Questions {
    /// Returns the shipped questions.
    ///
    /// # Errors
    /// [`QuestionError::Invalid`].
    pub fn shipped() -> Result<Self, QuestionError> {
        let mut all = Self::default();
        for (file, text) in SHIPPED {
            all.add(file, text, true)?;
        }
        Ok(all)
    }

    /// Returns the questions in the `*.toml` files of a folder, if it exists, and the shipped ones. A
    /// question of the folder takes the place of a shipped one with the same name.
    ///
    /// # Errors
    /// [`QuestionError::Unreadable`], [`QuestionError::Invalid`].
    pub fn load(folder: &Path) -> Result<Self, QuestionError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| QuestionError::Unreadable { path, source }
        };
        let mut all = Self::default();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(unreadable(folder))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unreadable(folder)(error)),
        };
        let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
            all.add(&path.display().to_string(), &text, false)?;
        }
        for question in Self::shipped()?.questions {
            if all.get(&question.id).is_none() {
                all.questions.push(question);
            }
        }
        Ok(all)
    }

    fn add(&mut self, file: &str, text: &str, is_shipped: bool) -> Result<(), QuestionError> {
        let invalid = |reason: String| QuestionError::Invalid { file: file.to_owned(), reason };
        let parsed: QuestionFile =
            toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        for mut question in parsed.question {
            question.is_shipped = is_shipped;
            question
                .check()
                .map_err(|reason| invalid(format!("question {}: {reason}", question.id)))?;
            if self.get(&question.id).is_some() {
                return Err(invalid(format!("there are two questions {}", question.id)));
            }
            self.questions.push(question);
        }
        Ok(())
    }

    /// Returns all questions, those of the user first.
    pub fn list(&self) -> impl Iterator<Item = &Question> {
        self.questions.iter()
    }

    /// Returns all questions, or those with a tag, in the order of their groups and names.
    ///
    /// # Errors
    /// [`QuestionError::UnknownTag`].
    pub fn grouped(&self, tag: Option<&str>) -> Result<Vec<&Question>, QuestionError> {
        let has = |question: &&Question, tag| question.tags.iter().any(|known| known == tag);
        let mut found: Vec<&Question> =
            self.list().filter(|question| tag.is_none_or(|tag| has(question, tag))).collect();
        if let Some(tag) = tag.filter(|_| found.is_empty()) {
            let known: BTreeSet<String> =
                self.list().flat_map(|question| question.tags.iter().cloned()).collect();
            return Err(QuestionError::UnknownTag { tag: tag.to_owned(), known });
        }
        found.sort_by(|one, two| (one.tags.first(), &one.id).cmp(&(two.tags.first(), &two.id)));
        Ok(found)
    }

    fn get(&self, id: &str) -> Option<&Question> {
        self.questions.iter().find(|question| question.id == id)
    }

    /// Returns the question with this name.
    ///
    /// # Errors
    /// [`QuestionError::Unknown`], with the most similar name.
    pub fn find(&self, id: &str) -> Result<&Question, QuestionError> {
        self.get(id).ok_or_else(|| {
            let ids: Vec<String> = self.questions.iter().map(|known| known.id.clone()).collect();
            let suggestion = most_similar(id, &ids).map(|best| ids[best].clone());
            QuestionError::Unknown { id: id.to_owned(), suggestion }
        })
    }
}

impl Question {
    /// The header of a list of questions.
    pub const HEADER: [&str; 4] = ["about", "question", "answers", "parameters"];

    /// Returns the question as a line of a list for people: its topic, its name, itself, and its parameters.
    pub fn cells(&self) -> [String; 4] {
        let parameters = self.parameters.iter().map(|parameter| match &parameter.default {
            Some(default) => format!("{}={default}", parameter.name),
            None => parameter.name.clone(),
        });
        [
            self.tags.first().cloned().unwrap_or_default(),
            self.id.clone(),
            self.title.clone(),
            parameters.collect::<Vec<_>>().join(", "),
        ]
    }

    /// Returns the question as a file of questions, as a start for another one.
    ///
    /// # Errors
    /// None is known: every question is read from such a file.
    pub fn file(&self) -> Result<String, toml::ser::Error> {
        let mut question = toml::Table::try_from(self)?;
        question.retain(|key, value| key != "is_shipped" && value.as_str() != Some(""));
        let file = BTreeMap::from([("question", [question])]);
        toml::to_string_pretty(&file)
    }

    /// Checks the question itself.
    fn check(&self) -> Result<(), String> {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        // JupiterOne's names of some queries are in camel case.
        let is_name = |c: char| is_part(c) || c.is_ascii_uppercase();
        if self.id.is_empty() || !self.id.chars().all(is_name) {
            return Err("its id has to be letters, digits and hyphens".to_owned());
        }
        if self.title.trim().is_empty() {
            return Err("it needs a title".to_owned());
        }
        let mut names = BTreeSet::new();
        for parameter in &self.parameters {
            if !names.insert(comparable(&parameter.name)) {
                return Err(format!("there are two parameters {}", parameter.name));
            }
            if parameter.minimum.is_some() && parameter.kind != ParameterKind::Integer {
                return Err(format!("{} has a minimum and is no integer", parameter.name));
            }
            if let Some(default) = &parameter.default {
                parameter.value(default).map_err(|error| format!("the default: {error}"))?;
            }
        }
        Ok(())
    }

    /// Returns the values of all parameters: those that are given, else the defaults. `_` and `-` stand
    /// for a space in the name of a parameter.
    ///
    /// # Errors
    /// [`QuestionError::UnknownParameter`], [`QuestionError::MissingParameter`],
    /// [`QuestionError::InvalidParameter`].
    pub fn values(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, ParameterValue>, QuestionError> {
        let is_known = |name: &String| {
            self.parameters.iter().any(|known| comparable(&known.name) == comparable(name))
        };
        if let Some(name) = given.keys().find(|name| !is_known(name)) {
            let known = self.parameters.iter().map(|known| known.name.clone()).collect();
            return Err(QuestionError::UnknownParameter {
                id: self.id.clone(),
                name: name.clone(),
                known,
            });
        }
        let mut values = BTreeMap::new();
        for parameter in &self.parameters {
            let mut given = given.iter();
            let is_meant =
                |(name, _): &(&String, &String)| comparable(name) == comparable(&parameter.name);
            let text = given.find(is_meant).map(|(_, value)| value);
            let text = text.or(parameter.default.as_ref()).ok_or_else(|| {
                let (id, name) = (self.id.clone(), parameter.name.clone());
                QuestionError::MissingParameter { id, name }
            })?;
            values.insert(parameter.name.clone(), parameter.value(text)?);
        }
        Ok(values)
    }
}

impl QuerySession {
    /// Asks a saved question. Columns of its answer that this session withholds are left out
    /// ([`QueryResult::left_out`]). `now_ms` is the time that dates in J1QL are relative to, in milliseconds
    /// since 1970-01-01 UTC. History that the question names must have been added before.
    ///
    /// # Errors
    /// [`QuestionError::J1ql`], [`QuestionError::Query`], and for parameters those of
    /// [`Question::values`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn ask(
        &self,
        question: &Question,
        given: &BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<QueryResult, QuestionError> {
        let mut values = question.values(given)?;
        let reduced = self.reduced(question, &values, now_ms)?;
        let result = match &reduced.query {
            ReducedQuery::Sql(sql) => {
                // The removed columns may have had parameters.
                values.retain(|name, _| {
                    reduced.left_out.is_empty() || sql.contains(&format!("${name}"))
                });
                self.sql_with(sql, &values)?
            }
            ReducedQuery::J1ql(compiled) => self.j1ql(compiled)?,
        };
        Ok(result.with_left_out(reduced.left_out))
    }

    /// Returns the types whose history a saved question reads; it must be added before the question is asked.
    ///
    /// # Errors
    /// [`QuestionError::J1ql`], [`QuestionError::Query`], and for parameters those of [`Question::values`].
    pub fn question_history(
        &self,
        question: &Question,
        given: &BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<Vec<String>, QuestionError> {
        if question.language == Language::Sql {
            return Ok(self.types_with_history(&question.query)?);
        }
        let compiled = self.compiled_question(question, given, now_ms)?;
        Ok(compiled.into_iter().flat_map(|compiled| compiled.history).collect())
    }

    /// Returns the SQL of a saved question; parameters of a question in SQL stand in it by their names.
    ///
    /// # Errors
    /// [`QuestionError::J1ql`], and for parameters those of [`Question::values`].
    pub fn question_sql(
        &self,
        question: &Question,
        given: &BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<String, QuestionError> {
        let values = question.values(given)?;
        Ok(self.reduced(question, &values, now_ms)?.into_sql())
    }

    /// Returns the translation of a question in J1QL, with its warnings; nothing for a question in SQL.
    ///
    /// # Errors
    /// As [`QuerySession::ask`].
    pub fn compiled_question(
        &self,
        question: &Question,
        given: &BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<Option<Compiled>, QuestionError> {
        let values = question.values(given)?;
        match self.reduced(question, &values, now_ms)?.query {
            ReducedQuery::Sql(_) => Ok(None),
            ReducedQuery::J1ql(compiled) => Ok(Some(compiled)),
        }
    }
}

impl ParameterValue {
    /// The value as J1QL takes it, which has no lists and no nulls.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Text(text) | Self::Written(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Boolean(value) => value.to_string(),
            Self::Texts(texts) => texts.iter().flatten().cloned().collect::<Vec<_>>().join(","),
            Self::Null => String::new(),
        }
    }
}

/// The name of a parameter as two of them are compared.
fn comparable(name: &str) -> String {
    name.replace([' ', '-'], "_")
}
