//! The questions and alert rules for JupiterOne users: that they are whole, that each query names only what
//! the generated data model has, and that the Terraform file says the same as the rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

const QUESTIONS: &str = include_str!("../questions/questions.yaml");
const TERRAFORM: &str = include_str!("../rules/rules.tf");
const DATA_MODEL: &str = include_str!("../../../docs/data-model.md");

/// The properties that JupiterOne adds to every entity and relationship, or every one carries.
const META_PROPERTIES: &[&str] = &["_class", "_createdOn", "_key", "_type", "displayName"];

const OPERATORS: &[&str] = &["!=", "<", "<=", "=", ">", ">=", "^=", "$=", "~="];

/// Words that JupiterOne's language keeps for itself; its parser refuses them as aliases.
const RESERVED: &[&str] = &[
    "and",
    "as",
    "avg",
    "by",
    "count",
    "false",
    "find",
    "from",
    "has",
    "limit",
    "max",
    "min",
    "not",
    "null",
    "or",
    "order",
    "relates",
    "return",
    "skip",
    "sum",
    "that",
    "to",
    "true",
    "undefined",
    "where",
    "with",
];

/// The declarations of the data model, read from its page.
#[derive(Default)]
struct DataModel {
    classes: BTreeSet<&'static str>,
    properties: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Source, class and target.
    relationships: BTreeSet<(&'static str, &'static str, &'static str)>,
}

impl DataModel {
    fn read() -> Self {
        let mut model = Self::default();
        let mut entity = None;
        for line in DATA_MODEL.lines() {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let names: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
            if line.starts_with('#') {
                entity = names.first().copied().filter(|name| name.starts_with("nexthink_"));
            } else if line.starts_with("Inherits from ") {
                let (classes, _) = line.split_once("The key").expect("the line names the key");
                model.classes.extend(classes.split('`').skip(1).step_by(2));
            } else if let [source, class, target, _] = cells[..]
                && let [source, target] = [source, target].map(|cell| cell.trim_matches('`'))
                && source.starts_with("nexthink_")
            {
                model.relationships.insert((source, class, target));
            } else if let Some(entity) = entity
                && line.starts_with("| `")
                && cells.len() == 5
            {
                model.properties.entry(entity).or_default().insert(names[0]);
            }
        }
        model
    }

    fn has_entity(&self, name: &str) -> bool {
        self.properties.contains_key(name) || self.classes.contains(name)
    }

    fn has_property(&self, entity: &str, property: &str) -> bool {
        META_PROPERTIES.contains(&property)
            || self.properties.get(entity).is_some_and(|names| names.contains(property))
    }
}

/// Reads one query, in the part of JupiterOne's language that the files use.
struct Reader<'a> {
    model: &'a DataModel,
    tokens: Vec<&'a str>,
    position: usize,
    aliases: HashMap<&'a str, &'a str>,
    columns: Vec<&'a str>,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    fn problems(query: &'a str, model: &'a DataModel) -> Vec<String> {
        let mut reader = Self {
            model,
            tokens: tokens(query),
            position: 0,
            aliases: HashMap::new(),
            columns: Vec::new(),
            problems: Vec::new(),
        };
        reader.pattern();
        if reader.take("WHERE") {
            reader.conditions();
        }
        if reader.take("RETURN") {
            reader.selections();
        }
        if reader.take("ORDER") {
            reader.order();
        }
        if reader.position < reader.tokens.len() {
            let rest = reader.tokens[reader.position..].join(" ");
            reader.problems.push(format!("cannot read from here: {rest}"));
        }
        reader.problems
    }

    fn peek(&self) -> &'a str {
        self.tokens.get(self.position).copied().unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.peek() == token;
        self.position += usize::from(is_next);
        is_next
    }

    fn require(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    fn pattern(&mut self) {
        let finds = self.take("FIND");
        self.require(finds, || "does not begin with FIND".to_owned());
        let is_unique = self.take("UNIQUE");
        let returns = self.tokens.contains(&"RETURN");
        self.require(!is_unique || returns, || "UNIQUE without RETURN".to_owned());
        let mut source = self.entity();
        while self.take("THAT") {
            let verb = self.next();
            let any = verb.trim_start_matches('!') == "RELATES";
            let reads_on = !any || self.take("TO");
            self.require(reads_on, || "RELATES without TO".to_owned());
            let direction = ["<<", ">>"].into_iter().find(|direction| self.take(direction));
            let target = self.entity();
            self.relationship(source, verb, direction, target);
            source = target;
        }
    }

    /// An entity, what it is filtered by, and its alias.
    fn entity(&mut self) -> &'a str {
        let entity = self.next();
        let known = self.model.has_entity(entity);
        self.require(known, || format!("no entity type or class {entity}"));
        if self.take("WITH") {
            self.filter(entity);
        }
        if self.take("AS") {
            let alias = self.next();
            self.require(!RESERVED.contains(&alias), || format!("{alias} is a reserved word"));
            let earlier = self.aliases.insert(alias, entity);
            self.require(earlier.is_none(), || format!("alias {alias} twice"));
        }
        entity
    }

    fn filter(&mut self, entity: &str) {
        while !["", "AS", "THAT", "WHERE", "RETURN", "ORDER"].contains(&self.peek()) {
            let token = self.next();
            if OPERATORS.contains(&self.peek()) {
                let known = self.model.has_property(entity, token);
                self.require(known, || format!("{entity} has no property {token}"));
                continue;
            }
            let is_value = token.starts_with('\'') || token.parse::<u32>().is_ok();
            let is_word = ["(", ")", "-", "AND", "OR", "date.now", "days", "false", "true"];
            let known = is_value || is_word.contains(&token) || OPERATORS.contains(&token);
            self.require(known, || format!("cannot read {token} after WITH"));
        }
    }

    fn relationship(&mut self, source: &str, verb: &str, direction: Option<&str>, target: &str) {
        let class = verb.trim_start_matches('!');
        let declared = |from, to| self.model.relationships.contains(&(from, class, to));
        let known = match direction {
            _ if class == "RELATES" => true,
            Some(">>") => declared(source, target),
            Some(_) => declared(target, source),
            None => declared(source, target) || declared(target, source),
        };
        self.require(known, || format!("no relationship {class} to {target}"));
    }

    /// `alias.property`, or an alias alone.
    fn selector(&mut self, token: &str) {
        let (alias, property) = token.split_once('.').unwrap_or((token, "_key"));
        let Some(entity) = self.aliases.get(alias).copied() else {
            self.problems.push(format!("no alias {alias}"));
            return;
        };
        let known = self.model.has_property(entity, property);
        self.require(known, || format!("{entity} has no property {property}"));
    }

    fn conditions(&mut self) {
        loop {
            let left = self.next();
            self.selector(left);
            let operator = self.next();
            self.require(OPERATORS.contains(&operator), || format!("no operator {operator}"));
            let right = self.next();
            self.selector(right);
            if !self.take("AND") {
                return;
            }
        }
    }

    fn selections(&mut self) {
        loop {
            let selected = self.next();
            if selected == "count" {
                let opens = self.take("(");
                let counted = self.next();
                self.selector(counted);
                let closes = self.take(")");
                self.require(opens && closes, || "count without parentheses".to_owned());
            } else {
                self.require(selected.contains('.'), || format!("{selected} is no property"));
                self.selector(selected);
            }
            let named = self.take("AS");
            self.require(named, || format!("{selected} has no column name"));
            let column = self.next();
            let free = !RESERVED.contains(&column) && !self.columns.contains(&column);
            self.require(free, || format!("column name {column} is not free"));
            self.columns.push(column);
            if !self.take(",") {
                return;
            }
        }
    }

    fn order(&mut self) {
        let by = self.take("BY");
        self.require(by, || "ORDER without BY".to_owned());
        let column = self.next();
        if !self.columns.contains(&column) {
            self.selector(column);
        }
        self.take("DESC");
    }
}

/// Words (with their dots and a leading `!`), quoted texts, operators and single signs.
fn tokens(query: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let length = if first == '\'' {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else if is_word(first) || first == '!' && !rest.starts_with("!=") {
            1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1)
        } else if rest.starts_with("<<") || rest.starts_with(">>") || rest[1..].starts_with('=') {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

#[derive(Default)]
struct Question {
    id: &'static str,
    title: &'static str,
    description: &'static str,
    queries: Vec<QuestionQuery>,
    tags: Vec<&'static str>,
}

#[derive(Default)]
struct QuestionQuery {
    name: &'static str,
    results_are: &'static str,
    text: String,
}

/// Reads the file line by line: its layout is ours, and a line in another layout fails the test.
fn questions() -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    let is_header = |line: &&str| !line.starts_with("questions:");
    for line in QUESTIONS.lines().skip_while(is_header).skip(1).filter(|line| !line.is_empty()) {
        if let Some(id) = line.strip_prefix("  - id: ") {
            questions.push(Question { id, ..Question::default() });
            continue;
        }
        let question = questions.last_mut().expect("the first line is an id");
        if let Some(title) = line.strip_prefix("    title: ") {
            question.title = title;
        } else if let Some(description) = line.strip_prefix("    description: ") {
            question.description = description;
        } else if let Some(name) = line.strip_prefix("      - name: ") {
            question.queries.push(QuestionQuery { name, ..QuestionQuery::default() });
        } else if let Some(tag) = line.strip_prefix("      - ") {
            question.tags.push(tag);
        } else if !["    queries:", "    tags:"].contains(&line) {
            let query = question.queries.last_mut().expect("a query begins with its name");
            if let Some(results_are) = line.strip_prefix("        resultsAre: ") {
                query.results_are = results_are;
            } else if let Some(text) = line.strip_prefix("          ") {
                query.text.push_str(text);
                query.text.push('\n');
            } else {
                assert_eq!(line, "        query: |-", "another layout");
            }
        }
    }
    questions
}

/// The rules by file name.
fn rules() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut rules = BTreeMap::new();
    for entry in folder.read_dir().expect("the folder is there") {
        let path = entry.expect("the folder can be listed").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().expect("a file has a name").to_string_lossy();
            let text = fs::read_to_string(&path).expect("the file can be read");
            rules.insert(name.into_owned(), serde_json::from_str(&text).expect("it is JSON"));
        }
    }
    rules
}

fn text<'a>(rule: &'a Value, pointer: &str) -> &'a str {
    rule.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}"))
}

fn are_unique<T: Ord>(values: impl IntoIterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    values.into_iter().all(|value| seen.insert(value))
}

#[test]
fn the_questions_are_whole_and_their_ids_and_titles_unique() {
    let questions = questions();
    assert!(questions.len() >= 14, "{}", questions.len());
    assert!(QUESTIONS.starts_with("---\n"));
    assert!(QUESTIONS.contains("\nintegrationDefinitionId: '${integration_definition_id}'\n"));
    assert!(are_unique(questions.iter().map(|question| question.id)));
    assert!(are_unique(questions.iter().map(|question| question.title)));
    for question in &questions {
        let Question { id, title, description, queries, tags } = question;
        assert!(id.starts_with("managed-question-nexthink-"), "{id}");
        for plain in [title, description] {
            let is_plain = !plain.contains(": ") && !plain.contains(" #");
            let begins = plain.starts_with(|character: char| character.is_ascii_alphabetic());
            assert!(begins && is_plain, "{id}: YAML reads this otherwise: {plain}");
        }
        assert!(title.ends_with('?') && description.ends_with('.'), "{id}");
        assert!(!queries.is_empty() && tags.contains(&"nexthink"), "{id}");
        assert!(are_unique(queries.iter().map(|query| query.name)) && are_unique(tags), "{id}");
        for query in queries {
            let kinds = ["BAD", "GOOD", "INFORMATIVE", "UNKNOWN"];
            assert!(kinds.contains(&query.results_are), "{id}: {}", query.results_are);
        }
    }
}

#[test]
fn every_question_asks_for_what_the_data_model_has() {
    let model = DataModel::read();
    for question in questions() {
        for query in question.queries {
            let problems = Reader::problems(&query.text, &model);
            assert!(problems.is_empty(), "{}: {problems:#?}", question.id);
        }
    }
}

#[test]
fn a_query_that_the_data_model_does_not_have_is_found() {
    let model = DataModel::read();
    for (query, problem) in [
        ("nexthink_device", "does not begin with FIND"),
        ("FIND nexthink_laptop", "no entity type or class nexthink_laptop"),
        ("FIND Person", "no entity type or class Person"),
        ("FIND UNIQUE nexthink_user AS user", "UNIQUE without RETURN"),
        ("FIND nexthink_user WITH osName = 'x'", "nexthink_user has no property osName"),
        ("FIND nexthink_user WITH name = x", "cannot read x after WITH"),
        ("FIND nexthink_user AS u RETURN u.make AS make", "nexthink_user has no property make"),
        ("FIND nexthink_user AS user RETURN count(device) AS devices", "no alias device"),
        ("FIND nexthink_user AS count", "count is a reserved word"),
        ("FIND nexthink_user AS user RETURN user.name", "user.name has no column name"),
        ("FIND nexthink_user THAT HAS nexthink_device", "no relationship HAS to nexthink_device"),
        ("FIND nexthink_alert THAT HAS >> nexthink_user", "no relationship HAS to nexthink_user"),
        ("FIND nexthink_user AS user WITH name = 'x'", "cannot read from here: WITH name = 'x'"),
    ] {
        let problems = Reader::problems(query, &model);
        assert!(problems.iter().any(|found| found == problem), "{query}: {problems:#?}");
    }
}

#[test]
fn every_rule_has_the_current_format_and_asks_for_what_the_data_model_has() {
    let model = DataModel::read();
    let rules = rules();
    assert!(rules.len() >= 5, "{}", rules.len());
    for (file, rule) in &rules {
        assert_eq!(text(rule, "/name"), format!("nexthink-{file}"));
        assert!(text(rule, "/description").ends_with('.'), "{file}");
        let condition = json!(["AND", ["queries.query0.total", ">", 0]]);
        for (pointer, expected) in [
            ("/specVersion", json!(1)),
            ("/question/queries/0/name", json!("query0")),
            ("/question/queries/0/version", json!("v1")),
            ("/operations/0/when/type", json!("FILTER")),
            ("/operations/0/when/condition", condition),
            ("/operations/0/actions/0/type", json!("SET_PROPERTY")),
            ("/operations/0/actions/1/type", json!("CREATE_ALERT")),
            ("/outputs", json!(["queries.query0.total", "alertLevel"])),
            ("/templates", json!({})),
            ("/tags", json!([])),
            ("/labels", json!([{ "labelName": "source", "labelValue": "nexthink" }])),
            ("/notifyOnFailure", json!(true)),
            ("/triggerActionsOnNewEntitiesOnly", json!(true)),
            ("/ignorePreviousResults", json!(false)),
        ] {
            assert_eq!(rule.pointer(pointer), Some(&expected), "{file}: {pointer}");
        }
        let query = text(rule, "/question/queries/0/query");
        let problems = Reader::problems(query, &model);
        assert!(problems.is_empty(), "{file}: {problems:#?}");
        assert!(!query.contains("{{"), "{file}: a saved question has no one to fill in a variable");
    }
}

#[test]
fn terraform_has_every_rule_with_the_same_texts() {
    let value = |block: &'static str, key: &str| {
        let mut lines = block.lines().filter_map(|line| line.split_once('='));
        let line = lines.find(|line| line.0.trim() == key);
        let (_, value) = line.unwrap_or_else(|| panic!("no {key}"));
        value.trim().trim_matches('"')
    };
    let blocks: BTreeMap<&str, &str> = TERRAFORM
        .split("\nresource \"jupiterone_rule\" ")
        .skip(1)
        .map(|block| (value(block, "name"), block))
        .collect();
    let rules = rules();
    assert_eq!(blocks.len(), rules.len());
    for rule in rules.values() {
        let name = text(rule, "/name");
        let block = blocks.get(name).unwrap_or_else(|| panic!("{name} is not there"));
        for (key, pointer) in [
            ("description", "/description"),
            ("polling_interval", "/pollingInterval"),
            ("query", "/question/queries/0/query"),
            ("targetValue", "/operations/0/actions/0/targetValue"),
        ] {
            let expected = text(rule, pointer);
            let means_itself =
                !["\"", "\\", "${", "%{"].iter().any(|escape| expected.contains(escape));
            assert!(means_itself, "{name}: Terraform reads this otherwise: {expected}");
            assert_eq!(value(block, key), expected, "{name}: {key}");
        }
    }
}
