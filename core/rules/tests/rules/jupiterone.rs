//! The rules that JupiterOne users get are the rules of this program: one question, asked in two places.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use core_rules::library::Library;
use core_rules::questions::NoQuestions;
use core_rules::rule::{Language, Rule, RuleQuery, Severity};
use serde_json::Value;

/// The query of a rule that JupiterOne can ask, too.
fn j1ql(rule: &Rule) -> Option<&str> {
    match &rule.query {
        RuleQuery::Text { language: Language::J1ql, text } => Some(text),
        _ => None,
    }
}

#[test]
fn jupiterone_gets_every_rule_that_it_can_ask_and_no_other_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../jupiterone/rules");
    let terraform = fs::read_to_string(folder.join("rules.tf")).expect("it can be read");
    let library = Library::load(Path::new("there is no such folder"), &NoQuestions);
    let mut expected = BTreeSet::new();
    for known in &library.rules {
        let (rule, id) = (&known.rule, &known.rule.id);
        let Some(query) = j1ql(rule) else { continue };
        let file = format!("{id}.json");
        let text = fs::read_to_string(folder.join(&file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let theirs: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(theirs["question"]["queries"][0]["query"], query, "{id}");
        assert_eq!(theirs["name"], format!("nexthink-{id}"));
        assert_eq!(theirs["description"], rule.description.as_str(), "{id}");
        let level = match rule.severity {
            Severity::Informational => "INFO".to_owned(),
            severity => severity.name().to_uppercase(),
        };
        assert_eq!(theirs["operations"][0]["actions"][0]["targetValue"], level, "{id}");
        let quoted = Value::from(query).to_string();
        assert!(terraform.contains(&format!("query           = {quoted}")), "{id} in rules.tf");
        expected.insert(file);
    }
    let files = fs::read_dir(&folder)
        .expect("it can be listed")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let found: BTreeSet<String> = files.filter(|name| name.contains(".json")).collect();
    assert_eq!(found, expected);
}
