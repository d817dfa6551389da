//! The saved questions that rules can ask: those of `ask`, under the same names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use core_engine::Failure;
use core_query::questions::{Question, QuestionError, Questions};
use core_query::{Environment, QueryResult, QuerySession};
use core_reading::{Reader, of_question, questions};
use core_rules::questions::{QuestionMistake, SavedQuestions};
use core_rules::rule::{Language, RuleQuery};

use crate::mistakes;

/// The saved questions, or the reason why they cannot be read. Then only rules that ask a question
/// fail.
pub(crate) struct AskedQuestions(Result<Questions, String>);

impl AskedQuestions {
    /// Reads the questions of the program and those beside the configuration in `folder`.
    pub(crate) fn load(folder: Option<&Path>) -> Self {
        Self(questions(folder).map_err(|failure| format!("{:#}", failure.error)))
    }

    fn find(&self, name: &str) -> Result<&Question, String> {
        let questions = self.0.as_ref().map_err(Clone::clone)?;
        questions.find(name).map_err(|error| error.to_string())
    }

    /// Runs a question with parameters. Relative times count from `now_ms`. Returns the properties too that the
    /// generation does not have yet.
    ///
    /// # Errors
    /// The reason.
    pub(crate) fn ask(
        &self,
        session: &QuerySession,
        name: &str,
        parameters: &BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<(QueryResult, Vec<String>), String> {
        let question = self.find(name)?;
        let said = |error: QuestionError| format!("{:#}", of_question(error).error);
        let compiled = session.compiled_question(question, parameters, now_ms).map_err(said)?;
        let missing = match compiled {
            Some(compiled) => mistakes::check(session, &compiled, &question.query)?,
            None => Vec::new(),
        };
        Ok((session.ask(question, parameters, now_ms).map_err(said)?, missing))
    }

    /// Adds the history that queries and questions read.
    ///
    /// # Errors
    /// Kept generations cannot be read.
    pub(crate) async fn add_history(
        &self,
        reader: &Reader<'_>,
        session: &mut QuerySession,
        queries: &[&RuleQuery],
    ) -> Result<(), Failure> {
        let now_ms = reader.host.now_ms();
        // Invalid queries are reported when they run.
        let types = queries.iter().flat_map(|query| match query {
            RuleQuery::Text { language: Language::Sql, text } => {
                session.types_with_history(text).unwrap_or_default()
            }
            RuleQuery::Text { language: Language::J1ql, text } => {
                let parameters = BTreeMap::new();
                let environment = Environment { now_ms, parameters: &parameters };
                let compiled = session.compile_j1ql(text, environment);
                compiled.map(|compiled| compiled.history.into_iter().collect()).unwrap_or_default()
            }
            RuleQuery::Question { name, parameters, .. } => {
                let history = |question: &Question| {
                    session.question_history(question, parameters, now_ms).ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;

    const QUESTION: &str = "[[question]]\nid = 'own'\ntitle = 'Which?'\nlanguage = 'sql'\n\
        query = \"select $limit as n\"\n[[question.parameters]]\nname = 'limit'\ntype = 'integer'\n";

    #[test]
    fn another_query_or_another_value_is_another_question() {
        let scene = Scene::new("");
        let path = scene.write("questions/own.toml", QUESTION);
        let asked = |value: &str| {
            let questions = AskedQuestions::load(Some(scene.folder.path()));
            let parameters = BTreeMap::from([("limit".to_owned(), value.to_owned())]);
            questions.asked("own", &parameters).expect("it is there")
        };
        let (one, two) = (asked("1"), asked("2"));
        assert_ne!(one, two);
        assert_eq!(asked("1"), one);
        std::fs::write(path, QUESTION.replace("as n", "as m")).expect("there is room");
        assert_ne!(asked("1"), one);
    }

    #[test]
    fn a_question_that_is_missing_differs_from_values_that_are_wrong() {
        let scene = Scene::new("");
        scene.write("questions/own.toml", QUESTION);
        let questions = AskedQuestions::load(Some(scene.folder.path()));
        let none = BTreeMap::new();
        let lacking = questions.asked("own", &none).expect_err("it needs a value");
        let expected = "the question needs a value for `limit`: add it to `parameters`";
        assert_eq!(lacking, QuestionMistake::Parameters(expected.to_owned()));
        let other = BTreeMap::from([("colour".to_owned(), "red".to_owned())]);
        let unknown = questions.asked("own", &other).expect_err("there is no such parameter");
        assert!(matches!(unknown, QuestionMistake::Parameters(_)), "{unknown:?}");
        let missing = questions.asked("no-such", &none).expect_err("it is not there");
        assert!(matches!(missing, QuestionMistake::Question(_)), "{missing:?}");
    }

    #[test]
    fn files_that_cannot_be_read_fail_only_the_rules_that_ask_a_question() {
        let scene = Scene::new("");
        scene.write("questions/own.toml", "no file of questions");
        let questions = AskedQuestions::load(Some(scene.folder.path()));
        let mistake = questions.asked("alerts-by-monitor", &BTreeMap::new()).expect_err("broken");
        let QuestionMistake::Question(reason) = mistake else { panic!("{mistake:?}") };
        assert!(reason.contains("own.toml"), "{reason}");
    }
}
