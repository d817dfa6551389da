//! Shows rules to people: a list, a page about one rule, and the results of the tests in rule
//! files.

use core_rules::book::{Book, RuleRecord};
use core_rules::library::{KnownRule, Library, Origin};
use core_rules::rule::{FirstRun, Rule, RuleKind, RuleQuery};
use core_terminal::count;
use serde_json::{Value, json};

use crate::report::{reason, word};

/// Returns a table of the rules for a terminal of so many columns.
pub fn rules_table(library: &Library, book: Option<&Book>, columns: Option<usize>) -> String {
    let rows = library.rules.iter().map(|known| {
        let rule = &known.rule;
        let record = book.and_then(|book| book.rule(&rule.id)).filter(|_| known.is_on);
        [
            rule.id.clone(),
            known.state().to_owned(),
            rule.severity.name().to_owned(),
            record.map_or("", |record| word(&record.result)).to_owned(),
            rule.title.clone(),
            open(book, &rule.id).to_string(),
        ]
    });
    let header = ["rule", "state", "severity", "last result", "finds", "open"];
    core_terminal::table(header, rows, header.len(), columns)
}

/// Returns the rules as objects.
pub fn rule_objects(library: &Library, book: Option<&Book>) -> Vec<Value> {
    let object = |known: &KnownRule| {
        let record = book.and_then(|book| book.rule(&known.rule.id));
        json!({
            "id": known.rule.id,
            "on": known.is_on,
            "severity": known.rule.severity,
            "title": known.rule.title,
            "kind": known.rule.kind,
            "origin": known.origin.name(),
            "open": open(book, &known.rule.id),
            "lastResult": record.map(|record| word(&record.result)),
        })
    };
    library.rules.iter().map(object).collect()
}

/// The number of active findings of a rule.
fn open(book: Option<&Book>, id: &str) -> usize {
    let findings = book.into_iter().flat_map(|book| book.findings().values());
    findings.filter(|finding| finding.rule == id && finding.life.is_active()).count()
}

/// Returns a rule with its state as an object.
pub fn rule_object(known: &KnownRule, book: Option<&Book>) -> Value {
    json!({
        "id": known.rule.id,
        "on": known.is_on,
        "origin": known.origin.name(),
        "severity": known.rule.severity,
        "kind": known.rule.kind,
        "title": known.rule.title,
        "description": known.rule.description,
        "query": query_text(known),
        "identity": known.rule.identity,
        "for": known.rule.hold,
        "clearAfter": known.rule.clear_after,
        "firstRun": known.rule.first_run,
        "maxFindings": known.rule.max_findings,
        "labels": known.rule.labels,
        "last": book.and_then(|book| book.rule(&known.rule.id)),
    })
}

/// Returns a rule with its state as a page.
pub fn rule_page(known: &KnownRule, book: Option<&Book>) -> String {
    let rule = &known.rule;
    let state = known.state();
    let last = match book.and_then(|book| book.rule(&rule.id)) {
        Some(record) => record_text(record),
        None => "It was not evaluated yet.\n".to_owned(),
    };
    format!(
        "{} ({}, {state}, {})\n{}\n{}\n\n{}\n\n{}{last}",
        rule.id,
        rule.severity,
        known.origin.name(),
        rule.title,
        rule.description,
        query_text(known),
        life_text(rule),
    )
}

fn query_text(known: &KnownRule) -> String {
    match &known.rule.query {
        RuleQuery::Text { text, .. } => text.clone(),
        RuleQuery::Question { name, parameters, .. } => {
            let parameters: Vec<String> = parameters
                .iter()
                .map(|(name, value)| format!(" --param \"{name}={value}\""))
                .collect();
            format!("ask {name}{}", parameters.concat())
        }
    }
}

/// The life of a rule's findings, in a sentence.
fn life_text(rule: &Rule) -> String {
    let generations = |number: u32| count(number, "complete generation");
    let life = match rule.kind {
        RuleKind::Event => "Each event is told once.".to_owned(),
        RuleKind::Program | RuleKind::State => format!(
            "A finding opens after {}, and is resolved after {} without its row.",
            generations(rule.hold),
            generations(rule.clear_after)
        ),
    };
    let first = match rule.first_run {
        FirstRun::Baseline => "No message is sent about what it finds at first.",
        FirstRun::Summary => "What it finds at first is told as a number.",
        FirstRun::All => "What it finds at first is told, too.",
    };
    format!("Identity: {}. {life} {first}\n", rule.identity.join(", "))
}

/// The last evaluation of a rule, in a sentence.
fn record_text(record: &RuleRecord) -> String {
    let at = core_engine::Moment(record.at).to_rfc3339();
    let reads =
        if record.reads.is_empty() { "nothing".to_owned() } else { record.reads.join(", ") };
    let reason = reason(&record.result).map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("Last evaluated {at}: {}{reason}. It reads {reads}.\n", word(&record.result))
}

/// The results of the tests in rule files.
#[derive(Debug)]
pub struct TestResults<'a>(Vec<TestResult<'a>>);

/// The result of one test.
#[derive(Debug)]
struct TestResult<'a> {
    known: &'a KnownRule,
    name: String,
    /// The difference from the expected findings; none if the test passed.
    failed: Option<String>,
}

impl<'a> TestResults<'a> {
    /// Runs the tests of rules.
    pub fn of(rules: impl IntoIterator<Item = &'a KnownRule>) -> Self {
        let mut results = Vec::new();
        for known in rules {
            for (place, test) in known.rule.tests.iter().enumerate() {
                let name = if test.name.is_empty() {
                    format!("test {}", place + 1)
                } else {
                    test.name.clone()
                };
                let failed = core_rules::rule_test::check(&known.rule, test).err();
                results.push(TestResult { known, name, failed });
            }
        }
        Self(results)
    }

    /// Returns the number of tests that failed.
    pub fn failed(&self) -> usize {
        self.0.iter().filter(|result| result.failed.is_some()).count()
    }

    /// Returns an object for each test.
    pub fn objects(&self) -> Vec<Value> {
        let object = |TestResult { known, name, failed }: &TestResult<'_>| json!({ "rule": known.rule.id, "test": name, "passed": failed.is_none(), "reason": failed });
        self.0.iter().map(object).collect()
    }

    /// Returns a line for each test that failed, and one with the numbers.
    pub fn lines(&self) -> Vec<String> {
        let line = |TestResult { known, name, failed }: &TestResult<'_>| {
            let reason = failed.as_ref()?;
            let file = match &known.origin {
                Origin::Shipped => known.rule.id.clone(),
                Origin::File(path) => path.display().to_string(),
            };
            Some(format!("{file}: {name}: {reason}"))
        };
        let mut lines: Vec<String> = self.0.iter().filter_map(line).collect();
        let passed = count(self.0.len() - self.failed(), "test");
        lines.push(format!("{passed} passed, {} failed", self.failed()));
        lines
    }
}

#[cfg(test)]
mod tests {
    use core_store::Outcome;

    use super::*;
    use crate::load_rules;
    use crate::testing::{Scene, keys, rule_text};

    #[tokio::test]
    async fn a_list_has_the_last_result_of_rules_that_are_on_and_counts_open_findings() {
        let scene = Scene::new("");
        scene.add_rule("fan", &keys(&["a", "b"]));
        scene.add_rule("noise", &keys(&["c"]));
        scene.publish(Outcome::Complete);
        scene.evaluate().await;
        scene.write("rules/switches.toml", "off = ['noise']\n");
        let library = load_rules(Some(scene.folder.path()));
        let book = Book::read(&scene.tenant).expect("it is whole");
        let objects = rule_objects(&library, book.as_ref());
        let of = |id: &str| objects.iter().find(|object| object["id"] == id).expect("it is there");
        assert_eq!((&of("fan")["open"], &of("fan")["lastResult"]), (&json!(2), &json!("complete")));
        assert_eq!((&of("noise")["open"], &of("noise")["on"]), (&json!(1), &json!(false)));
        assert_eq!(of("critical-alert-open")["lastResult"], Value::Null);
        let table = rules_table(&library, book.as_ref(), None);
        let line = |id: &str| {
            let words = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let mut lines = words.filter(|words| words.first() == Some(&id));
            lines.next().unwrap_or_default().join(" ")
        };
        assert_eq!(line("fan"), "fan enabled high complete A title 2");
        assert_eq!(line("noise"), "noise disabled high A title 1");
    }

    #[tokio::test]
    async fn a_page_has_the_query_the_life_of_findings_and_the_last_result() {
        let scene = Scene::new("");
        let text = rule_text("fan", &keys(&["a"])) + "for = 2\nclear_after = 1\n";
        scene.write("rules/fan.toml", &text);
        scene.publish(Outcome::Complete);
        let page = |scene: &Scene, id: &str| {
            let library = load_rules(Some(scene.folder.path()));
            let book = Book::read(&scene.tenant).expect("it is whole");
            rule_page(library.find(id).expect("it is there"), book.as_ref())
        };
        let before = page(&scene, "fan");
        assert!(before.contains(&keys(&["a"])), "{before}");
        let life = "Identity: _key. A finding opens after 2 complete generations, and is resolved after 1 \
                    complete generation without its row. What it finds at first is told, too.\n\
                    It was not evaluated yet.\n";
        assert!(before.ends_with(life), "{before}");
        scene.evaluate().await;
        let last = "Last evaluated 2026-03-02T06:01:00Z: complete. It reads nothing.\n";
        assert!(page(&scene, "fan").ends_with(last), "{}", page(&scene, "fan"));
        assert!(page(&scene, "audit-failed-logins").contains("Each event is told once."));
    }

    #[test]
    fn a_rule_that_asks_a_question_shows_the_command_that_asks_it() {
        let scene = Scene::new("");
        let question = "question = 'alerts-by-monitor'";
        let text = rule_text("fan", "").replace("query = ''''''", question);
        scene.write("rules/fan.toml", &text);
        let library = load_rules(Some(scene.folder.path()));
        assert_eq!(library.problems, []);
        let object = rule_object(library.find("fan").expect("it is there"), None);
        assert_eq!(object["query"], "ask alerts-by-monitor");
        assert_eq!(object["last"], Value::Null);
    }

    #[test]
    fn a_test_without_a_name_has_its_place_and_a_failure_its_file() {
        let scene = Scene::new("");
        let test = |name: &str, finding: &str| {
            format!("[[test]]\n{name}rows = [{{ _key = 'a' }}]\nfindings = ['{finding}']\n")
        };
        let tests = test("name = 'whole'\n", "a is found") + &test("", "b is found");
        let path = scene.write("rules/fan.toml", &(rule_text("fan", &keys(&["a"])) + &tests));
        let library = load_rules(Some(scene.folder.path()));
        let results = TestResults::of([library.find("fan").expect("it is valid")]);
        assert_eq!(results.failed(), 1);
        let [failed, numbers] = &results.lines()[..] else { panic!("one has failed") };
        let expected = format!("{}: test 2: the findings are ", path.display());
        assert!(failed.starts_with(&expected), "{failed}");
        assert_eq!(numbers, "1 test passed, 1 failed");
        let objects = results.objects();
        assert_eq!((&objects[0]["test"], &objects[0]["passed"]), (&json!("whole"), &json!(true)));
        assert_eq!((&objects[1]["test"], &objects[1]["passed"]), (&json!("test 2"), &json!(false)));
    }
}
