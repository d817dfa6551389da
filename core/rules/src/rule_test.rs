//! The examples in rule files.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::fingerprint::Fingerprints;
use crate::observation::Observer;
use crate::rule::{Rule, RuleTest};

/// The tenant of examples.
const TENANT: &str = "example";

/// Runs an example of a rule.
///
/// # Errors
/// The difference from the expected findings.
pub fn check(rule: &Rule, test: &RuleTest) -> Result<(), String> {
    match (texts(rule, &test.rows), &test.fails) {
        (Ok(texts), None) if texts == test.findings => Ok(()),
        (Ok(texts), None) => {
            Err(format!("the findings are {texts:?}, and not {:?}", test.findings))
        }
        (Ok(texts), Some(expected)) => {
            Err(format!("it must fail with {expected:?}, and the findings are {texts:?}"))
        }
        (Err(reason), Some(expected)) if reason.contains(expected.as_str()) => Ok(()),
        (Err(reason), _) => Err(reason),
    }
}

/// The texts of the findings, in the order of the rows.
fn texts(rule: &Rule, rows: &[Map<String, Value>]) -> Result<Vec<String>, String> {
    // Rows of an example may leave out null values.
    let columns: BTreeSet<String> = rows.iter().flat_map(Map::keys).cloned().collect();
    let columns: Vec<String> = columns.into_iter().collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let fingerprints = Fingerprints::new(TENANT, None);
    let said = |error: crate::observation::RowError| error.to_string();
    let mut taking = Observer::new(rule, &fingerprints, &columns).map_err(said)?;
    let mut ids = Vec::new();
    for row in rows {
        let mut row = row.clone();
        for column in &columns {
            row.entry(column.clone()).or_insert(Value::Null);
        }
        let identity: Vec<Value> = rule.identity.iter().map(|column| row[column].clone()).collect();
        ids.push(fingerprints.of(&rule.id, &identity));
        taking.take(&row).map_err(said)?;
    }
    let observed = taking.finish();
    let text = |id| Some(observed.findings.get(id)?.as_ref()?.text.clone());
    Ok(ids.iter().filter_map(text).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::library::Library;
    use crate::questions::NoQuestions;

    #[test]
    fn every_rule_of_the_program_is_valid_and_passes_its_tests() {
        let library = Library::load(Path::new("there is no such folder"), &NoQuestions);
        assert_eq!(library.problems, []);
        assert_eq!(library.rules.len(), 29);
        for known in &library.rules {
            assert!(!known.is_on, "{}", known.rule.id);
            assert!(!known.rule.tests.is_empty(), "{}", known.rule.id);
            for test in &known.rule.tests {
                assert_eq!(check(&known.rule, test), Ok(()), "{}", known.rule.id);
            }
        }
    }
}
