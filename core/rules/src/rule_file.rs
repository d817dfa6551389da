//! The form of a rule file, `rules/NAME.toml`, and its mistakes.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::document::{Document, Problem};
use crate::questions::{QuestionMistake, SavedQuestions};
use crate::rule::{FirstRun, Language, Rule, RuleKind, RuleQuery, RuleTest, Severity};
use crate::template::MessageTemplate;

/// The rows above which a summary stands for new findings, unless the rule says otherwise.
const MAX_FINDINGS: u32 = 5_000;
/// The most that a rule may say.
const LARGEST_MAX_FINDINGS: u32 = 1_000_000;
/// The most generations that a rule may count.
const MAX_GENERATIONS: u32 = 1_000;
/// The longest id.
const MAX_ID: usize = 80;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    id: Spanned<String>,
    title: Spanned<String>,
    #[serde(default)]
    description: String,
    severity: Severity,
    #[serde(default)]
    kind: RuleKind,
    language: Option<Language>,
    query: Option<Spanned<String>>,
    question: Option<Spanned<String>>,
    parameters: Option<Spanned<BTreeMap<String, Parameter>>>,
    identity: Spanned<Vec<String>>,
    entity: Option<String>,
    #[serde(rename = "for")]
    hold: Option<Spanned<u32>>,
    clear_after: Option<Spanned<u32>>,
    #[serde(default)]
    group_by: Vec<String>,
    max_findings: Option<Spanned<u32>>,
    #[serde(default)]
    first_run: FirstRun,
    message: Spanned<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default, rename = "test")]
    tests: Vec<RuleTest>,
}

/// The value of a question's parameter.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a text, a number, true or false")]
enum Parameter {
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
}

impl Parameter {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Boolean(value) => value.to_string(),
        }
    }
}

/// Reads a rule, which may ask one of `questions`.
///
/// # Errors
/// Every mistake that can be found without a generation, with its place.
pub fn read(document: Document<'_>, questions: &dyn SavedQuestions) -> Result<Rule, Vec<Problem>> {
    let file: RuleFile = document.read().map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let mut check = |is_right: bool, span: Range<usize>, message: &str| {
        if !is_right {
            problems.push(document.problem(&span, message));
        }
    };
    check(
        is_id(file.id.get_ref()),
        file.id.span(),
        "an id has 1 to 80 lower-case letters, digits and hyphens, and begins with a letter",
    );
    check(!file.title.get_ref().trim().is_empty(), file.title.span(), "the title is empty");
    let identity = file.identity.get_ref();
    let is_identity = !identity.is_empty() && identity.iter().all(|name| !name.is_empty());
    check(
        is_identity,
        file.identity.span(),
        "name at least one column that tells one finding from another",
    );
    let of_generations = [&file.hold, &file.clear_after];
    for number in of_generations.into_iter().flatten() {
        let is_right = (1..=MAX_GENERATIONS).contains(number.get_ref());
        check(is_right, number.span(), "give a number of generations from 1 to 1000");
        check(
            file.kind != RuleKind::Event,
            number.span(),
            "an event is told once and never clears; remove this",
        );
    }
    if let Some(number) = &file.max_findings {
        let is_right = (1..=LARGEST_MAX_FINDINGS).contains(number.get_ref());
        check(is_right, number.span(), "give a number from 1 to 1000000");
    }
    if let Err(reason) = MessageTemplate::new(file.message.get_ref()) {
        check(false, file.message.span(), &format!("the template is not valid: {reason}"));
    }
    let query = read_query(&file, questions, &mut check, document);
    let value = |number: Option<Spanned<u32>>, default| number.map_or(default, Spanned::into_inner);
    let max_findings = value(file.max_findings, MAX_FINDINGS);
    match query {
        Some(query) if problems.is_empty() => Ok(Rule {
            id: file.id.into_inner(),
            title: file.title.into_inner().trim().to_owned(),
            description: file.description.trim().to_owned(),
            severity: file.severity,
            kind: file.kind,
            query,
            identity: file.identity.into_inner(),
            entity: file.entity,
            hold: value(file.hold, 1),
            clear_after: value(file.clear_after, 1),
            group_by: file.group_by,
            max_findings: usize::try_from(max_findings).unwrap_or(usize::MAX),
            first_run: file.first_run,
            message: file.message.into_inner(),
            labels: file.labels,
            tests: file.tests,
        }),
        _ => Err(problems),
    }
}

/// The source of the rows; exactly one of `query` and `question`.
fn read_query(
    file: &RuleFile,
    questions: &dyn SavedQuestions,
    check: &mut impl FnMut(bool, Range<usize>, &str),
    document: Document<'_>,
) -> Option<RuleQuery> {
    let parameters = file.parameters.as_ref();
    match (&file.query, &file.question) {
        (Some(query), None) => {
            let text = query.get_ref().trim();
            check(!text.is_empty(), query.span(), "the query is empty");
            if let Some(parameters) = parameters {
                check(
                    false,
                    parameters.span(),
                    "parameters belong to a `question`; write values into the query",
                );
            }
            let is_j1ql = core_j1ql::is_j1ql(text);
            let guessed = if is_j1ql { Language::J1ql } else { Language::Sql };
            let language = file.language.unwrap_or(guessed);
            Some(RuleQuery::Text { language, text: text.to_owned() })
        }
        (None, Some(question)) => {
            if file.language.is_some() {
                check(false, question.span(), "a question has its own `language`; remove this one");
            }
            let given = parameters.map(Spanned::get_ref).into_iter().flatten();
            let parameters: BTreeMap<String, String> =
                given.map(|(name, value)| (name.clone(), value.text())).collect();
            let name = question.get_ref().clone();
            match questions.asked(&name, &parameters) {
                Ok(asked) => Some(RuleQuery::Question { name, parameters, asked }),
                Err(mistake) => {
                    let of_parameters = file.parameters.as_ref().map(Spanned::span);
                    let (span, message) = match mistake {
                        QuestionMistake::Question(message) => (question.span(), message),
                        QuestionMistake::Parameters(message) => {
                            (of_parameters.unwrap_or(question.span()), message)
                        }
                    };
                    check(false, span, &message);
                    None
                }
            }
        }
        (Some(_), Some(question)) => {
            check(false, question.span(), "give a `query` or a `question`, not both");
            None
        }
        (None, None) => {
            check(
                false,
                0..document.text.len(),
                "give a `query`, or the name of a saved `question`",
            );
            None
        }
    }
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::questions::NoQuestions;

    const RULE: &str = r#"
id = "device-silent"
title = "Device silent for 14 days"
severity = "low"
query = "FIND nexthink_device AS d RETURN d._key AS key"
identity = ["key"]
message = "{{ key }} is silent"
"#;

    fn problems(text: &str) -> Vec<String> {
        let read = read(Document { file: "r.toml", text }, &NoQuestions);
        read.expect_err(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_has_defaults_and_its_language_is_found_from_the_query() {
        let rule = read(Document { file: "r.toml", text: RULE }, &NoQuestions).expect("valid");
        assert_eq!((rule.hold, rule.clear_after, rule.max_findings), (1, 1, 5_000));
        assert!(matches!(rule.query, RuleQuery::Text { language: Language::J1ql, .. }));
        let find = "FIND nexthink_device AS d RETURN d._key AS key";
        for (query, language) in [
            ("select 1 as key", Language::Sql),
            ("findings", Language::Sql),
            ("/* devices */ find Device AS d RETURN d._key AS key", Language::J1ql),
            ("\u{200B}FIND Device AS d RETURN d._key AS key", Language::J1ql),
        ] {
            let text = RULE.replace(find, query);
            let rule = read(Document { file: "r.toml", text: &text }, &NoQuestions).expect(query);
            let RuleQuery::Text { language: found, .. } = rule.query else { panic!("{query}") };
            assert_eq!(found, language, "{query}");
        }
    }

    #[test]
    fn every_mistake_has_a_place() {
        let table = [
            (RULE.replace("device-silent", "Device Silent"), "r.toml:2:6: an id has"),
            (
                RULE.replace("low", "lo"),
                "r.toml:4:12: unknown variant `lo`, expected one of `informational`, `low`",
            ),
            (RULE.replace("[\"key\"]", "[]"), "r.toml:6:12: name at least one column"),
            (RULE.replace("{{ key }}", "{{ key"), "r.toml:7:11: the template is not valid: "),
            (format!("{RULE}for = 0\n"), "r.toml:8:7: give a number of generations"),
            (format!("{RULE}question = 'x'\n"), "r.toml:8:12: give a `query` or a `question`"),
            (format!("{RULE}kind = 'event'\nfor = 2\n"), "r.toml:9:7: an event is told once"),
            (RULE.replace("query =", "qeury ="), "r.toml:5:1: unknown field `qeury`"),
        ];
        for (text, expected) in table {
            let found = problems(&text);
            assert!(found[0].starts_with(expected), "{found:?} instead of {expected}");
        }
        assert!(
            problems(&RULE.replace("query =", "qeury ="))[0].ends_with("did you mean `query`?")
        );
    }

    /// One question, `silent`, with the parameter `days`.
    struct OneQuestion(&'static str);

    impl SavedQuestions for OneQuestion {
        fn asked(
            &self,
            name: &str,
            parameters: &BTreeMap<String, String>,
        ) -> Result<String, QuestionMistake> {
            if name != "silent" {
                return Err(QuestionMistake::Question(format!("there is no question {name}")));
            }
            let days = parameters.get("days");
            let days = days.ok_or_else(|| QuestionMistake::Parameters("give days".to_owned()))?;
            Ok(format!("{} {days}", self.0))
        }
    }

    #[test]
    fn a_rule_asks_a_saved_question_and_another_question_makes_another_version() {
        let text = |source: &str| {
            let lines = RULE.lines().filter(|line| !line.starts_with("query"));
            format!("{}\n{source}", lines.collect::<Vec<_>>().join("\n"))
        };
        let read = |source: &str, query| {
            read(Document { file: "r.toml", text: &text(source) }, &OneQuestion(query))
        };
        let rule = |source: &str, query| read(source, query).expect("valid");
        let base = "question = 'silent'\nparameters = { days = 14 }\n";
        let found = rule(base, "select 1");
        let RuleQuery::Question { name, parameters, .. } = &found.query else {
            panic!("{found:?}")
        };
        assert_eq!((name.as_str(), parameters["days"].as_str()), ("silent", "14"));
        let same = rule("question = 'silent'\nparameters = { days = '14' }\n", "select 1");
        assert_eq!(same.version(), found.version());
        let other_value = rule("question = 'silent'\nparameters = { days = 15 }\n", "select 1");
        assert_ne!(other_value.version(), found.version());
        assert_ne!(rule(base, "select 2").version(), found.version());

        let table = [
            ("question = 'silnt'\n", "r.toml:7:12: there is no question silnt"),
            ("question = 'silent'\n", "r.toml:7:12: give days"),
            ("question = 'silent'\nparameters = { x = 1 }\n", "r.toml:8:14: give days"),
            (
                "question = 'silent'\nparameters = { days = [] }\n",
                "r.toml:8:23: a text, a number, true or false",
            ),
            (
                "question = 'silent'\nlanguage = 'sql'\nparameters = { days = 1 }\n",
                "r.toml:7:12: a question has its own `language`",
            ),
        ];
        for (source, expected) in table {
            let problems = read(source, "select 1").expect_err(source);
            assert!(problems[0].to_string().starts_with(expected), "{problems:?}");
        }
    }

    #[test]
    fn only_what_is_asked_makes_another_version() {
        let rule =
            |text: &str| read(Document { file: "r.toml", text }, &NoQuestions).expect("valid");
        let version = rule(RULE).version();
        for same in [
            RULE.replace("low", "high"),
            RULE.replace("silent for", "quiet for"),
            format!("{RULE}for = 3\n"),
        ] {
            assert_eq!(rule(&same).version(), version);
        }
        for other in [
            RULE.replace("AS key", "AS  key"),
            RULE.replace("[\"key\"]", "[\"key\", \"x\"]"),
            format!("{RULE}kind = 'event'\n"),
        ] {
            assert_ne!(rule(&other).version(), version);
        }
    }
}
