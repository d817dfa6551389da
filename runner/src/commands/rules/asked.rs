//! The saved questions that rules ask: those of `ask`, under the same names.

use std::collections::{BTreeMap, BTreeSet};

use core_query::questions::{Question, QuestionError, Questions};
use core_query::{Environment, QueryResult, QuerySession};
use core_reading::{Reader, of_question};
use core_rules::questions::{QuestionMistake, SavedQuestions};
use core_rules::rule::{Language, RuleQuery};

use crate::cli::Global;
use crate::commands::ask;
use crate::exit::Failure;
use crate::system::now_ms;

/// The saved questions, or the reason why they cannot be read. Only rules that ask one fail by it.
pub(super) struct AskedQuestions(Result<Questions, String>);

impl AskedQuestions {
    /// Reads the questions of the program and of the user.
    pub(super) fn load(global: &Global) -> Self {
        Self(ask::questions(global).map_err(|failure| format!("{:#}", failure.error)))
    }

    fn find(&self, name: &str) -> Result<&Question, String> {
        let questions = self.0.as_ref().map_err(Clone::clone)?;
        questions.find(name).map_err(|error| error.to_string())
    }

    /// Asks a question.
    ///
    /// # Errors
    /// The reason.
    pub(super) fn ask(
        &self,
        session: &QuerySession,
        name: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<QueryResult, String> {
        let question = self.find(name)?;
        let asked = session.ask(question, parameters, now_ms());
        asked.map_err(|error| format!("{:#}", Failure::from(of_question(error)).error))
    }

    /// Adds the history that queries and questions read.
    ///
    /// # Errors
    /// Kept generations cannot be read.
    pub(super) async fn add_history(
        &self,
        reader: &Reader<'_>,
        session: &mut QuerySession,
        queries: &[&RuleQuery],
    ) -> Result<(), Failure> {
        // What cannot be understood is explained when it is asked.
        let types = queries.iter().flat_map(|query| match query {
            RuleQuery::Text { language: Language::Sql, text } => {
                session.types_with_history(text).unwrap_or_default()
            }
            RuleQuery::Text { language: Language::J1ql, text } => {
                let parameters = BTreeMap::new();
                let environment = Environment { now_ms: now_ms(), parameters: &parameters };
                let compiled = session.compile_j1ql(text, environment);
                compiled.map(|compiled| compiled.history.into_iter().collect()).unwrap_or_default()
            }
            RuleQuery::Question { name, parameters, .. } => {
                let history = |question: &Question| {
                    session.question_history(question, parameters, now_ms()).ok()
                };
                self.find(name).ok().and_then(history).unwrap_or_default()
            }
        });
        let types = types.collect::<BTreeSet<String>>().into_iter().collect();
        let current = reader.tenant.current()?;
        let last = current.as_ref().map(core_store::Generation::id);
        reader.add_history(session, last, None, types).await?;
        Ok(())
    }
}

impl SavedQuestions for AskedQuestions {
    fn asked(
        &self,
        name: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<String, QuestionMistake> {
        let question = self.find(name).map_err(QuestionMistake::Question)?;
        let values = question.values(parameters).map_err(|error| {
            QuestionMistake::Parameters(match error {
                QuestionError::MissingParameter { name, .. } => {
                    format!("the question needs a value for `{name}`: add it to `parameters`")
                }
                error => error.to_string(),
            })
        })?;
        Ok(format!("{:?} {values:?} {}", question.language, question.query))
    }
}
