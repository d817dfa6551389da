//! Random queries: every clause, operator and function that the plain evaluator knows.

use proptest::prelude::*;
use proptest::sample::select;

use super::graphs::TEXTS;

fn quoted() -> impl Strategy<Value = String> {
    select(&TEXTS[..]).prop_map(|text| format!("\"{text}\""))
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => quoted(),
        1 => (quoted(), quoted()).prop_map(|(one, other)| format!("({one} OR {other})")),
        1 => (quoted(), quoted()).prop_map(|(one, other)| format!("({one} AND {other})")),
    ]
}

fn comparison(prefix: &'static str) -> impl Strategy<Value = String> {
    let text_operator = select(vec!["=", "!=", "<", ">=", "~=", "^=", "$=", "!~=", "!^=", "!$="]);
    let list_operator = select(vec!["=", "!=", "~=", "^=", "$=", "!~=", "!^=", "!$="]);
    let ordered = || select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let equal = || select(vec!["=", "!="]);
    let undefined = (select(vec!["t", "n", "l", "b", "d", "none"]), equal());
    let pattern = select(vec!["x", "^x", "y$", "^xy$", "é"]);
    let date =
        select(vec!["date.now", "date.now - 1 day", "date.now + 12 hours", "date(2026-03-01)"]);
    let pair = select(vec!["t = PREFIXl", "l != PREFIXt", "n <= PREFIXn", "l = PREFIXl"]);
    prop_oneof![
        3 => (text_operator, texts()).prop_map(move |(op, value)| format!("{prefix}t {op} {value}")),
        2 => (list_operator, texts()).prop_map(move |(op, value)| format!("{prefix}l {op} {value}")),
        2 => (ordered(), -1..3).prop_map(move |(op, value)| format!("{prefix}n {op} {value}")),
        1 => (ordered(), -1..3).prop_map(move |(op, value)| format!("{value} {op} {prefix}n")),
        1 => undefined.prop_map(move |(property, op)| format!("{prefix}{property} {op} undefined")),
        1 => (equal(), any::<bool>()).prop_map(move |(op, value)| format!("{prefix}b {op} {value}")),
        1 => (ordered(), date).prop_map(move |(op, date)| format!("{prefix}d {op} {date}")),
        1 => (equal(), pattern, select(vec!["", "i"]))
            .prop_map(move |(op, pattern, flag)| format!("{prefix}t {op} /{pattern}/{flag}")),
        1 => pair.prop_map(move |pair| format!("{prefix}{}", pair.replace("PREFIX", prefix))),
    ]
}

fn filter(prefix: &'static str) -> impl Strategy<Value = String> {
    comparison(prefix).prop_recursive(2, 6, 3, |inner| {
        let parts = prop::collection::vec(inner, 2..4);
        (parts, select(vec![" AND ", " OR "]))
            .prop_map(|(parts, word)| format!("({})", parts.join(word)))
    })
}

/// A condition on paths: on the first entity, or between it and `last`.
fn condition() -> impl Strategy<Value = String> {
    let between = select(vec![
        "e0.t = last.t",
        "e0.t != last.t",
        "e0.n < last.n",
        "e0.d >= last.d",
        "last.l = e0.t",
        "e0._key != last._key",
        "last.t !~= e0.t",
    ]);
    prop_oneof![
        2 => filter("e0."),
        1 => between.prop_map(str::to_owned),
        1 => (filter("e0."), filter("last.")).prop_map(|(one, other)| format!("{one} OR {other}")),
    ]
}

/// The name of a class or type, and the condition on it.
type Head = (&'static str, Option<String>);

fn head() -> impl Strategy<Value = Head> {
    let names =
        select(vec!["*", "*", "A", "B", "Shared", "a", "b", "c", "(A|B)", "(a|Shared)", "'X'"]);
    (names, prop::option::weighted(0.4, filter("")))
}

/// A step: whether it is negated, its verb, its direction and what it leads to.
type StepParts = (bool, &'static str, &'static str, Head);

fn step() -> impl Strategy<Value = StepParts> {
    let verbs = vec!["RELATES TO", "RELATES TO", "HAS", "USES", "KNOWS", "(has|Uses)"];
    (prop::bool::weighted(0.2), select(verbs), select(vec!["", "", ">>", "<<"]), head())
}

/// A part of the path: steps, and whether they are optional together.
type ElementParts = (bool, Vec<StepParts>);

fn element() -> impl Strategy<Value = ElementParts> {
    (prop::bool::weighted(0.25), prop::collection::vec(step(), 1..3))
        .prop_map(|(is_optional, steps)| (is_optional, steps))
}

/// The result: `ALL` stands for the keys of all names, `last` for the last name, `deep` for the last entity of a step,
/// which an optional part may lack.
const RETURNS: [&str; 16] = [
    "",
    "RETURN ALL",
    "RETURN ALL",
    "RETURN ALL ORDER BY ALL",
    "RETURN ALL ORDER BY ALL SKIP 1 LIMIT 3",
    "RETURN ALL ORDER BY DOWN LIMIT 2",
    "RETURN count(last), count(e0.t)",
    "RETURN e0._type, count(last), sum(e0.n), avg(e0.n)",
    "RETURN sum(coalesce(deep.n, 1)), avg(coalesce(deep.n, 0)), sum(coalesce(deep.n, e0.n, 2))",
    "RETURN e0._type, sum(coalesce(deep.n, 1)), avg(deep.n * 2)",
    "RETURN last._key, count(e0), min(e0.n), max(e0.t)",
    "RETURN sum(e0.n) / count(e0) + 1, e0._type, count(last.n)",
    "RETURN e0._key, e0.n * 2 - 1, last.n / e0.n, abs(0 - e0.n), -e0.n, 2 ^ e0.n, e0.n ^ 0.5",
    "RETURN e0._key, coalesce(last.t, e0.t, 'none'), concat(e0.t, '/', last.n)",
    "RETURN e0.l, merge(e0.t, last.l, e0.l), last.b",
    "RETURN e0.t AS x, last._type AS y ORDER BY x, y DESC",
];

pub(super) fn query() -> impl Strategy<Value = String> {
    let elements = prop::collection::vec(element(), 0..4);
    let condition = prop::option::weighted(0.4, condition());
    let parts = (head(), elements, condition, select(&RETURNS[..]), prop::bool::weighted(0.2));
    parts.prop_map(|(start, elements, condition, returned, is_unique)| {
        let unique = if is_unique && returned.starts_with("RETURN ALL") { "UNIQUE " } else { "" };
        let mut text = format!("FIND {unique}{} AS e0", entity(&start));
        let mut names = vec!["e0".to_owned()];
        for element in &elements {
            text.push(' ');
            text.push_str(&written(element, &mut names));
        }
        let last = names.last().expect("there is the first").clone();
        if let Some(condition) = condition {
            text.push_str(" WHERE ");
            text.push_str(&condition.replace("last.", &format!("{last}.")));
        }
        let keys = |order: &str| -> String {
            let keys = names.iter().map(|name| format!("{name}._key{order}"));
            keys.collect::<Vec<_>>().join(", ")
        };
        let returned = returned.replace("ALL", &keys("")).replace("DOWN", &keys(" DESC"));
        let deep = names.iter().rfind(|name| name.starts_with('e')).expect("there is the first");
        let returned = returned.replace("last.", &format!("{last}."));
        let returned = returned.replace("deep.", &format!("{deep}."));
        format!("{text} {}", returned.replace("(last)", &format!("({last})")))
    })
}

/// Writes a part of the path and adds the names that it gives.
fn written((is_optional, steps): &ElementParts, names: &mut Vec<String>) -> String {
    let mut parts = Vec::new();
    for (is_negated, verb, direction, head) in steps {
        if *is_negated {
            parts.push(format!("THAT !{verb} {direction} {}", entity(head)));
            continue;
        }
        let number = names.len();
        let (relation, name) = (format!("r{number}"), format!("e{number}"));
        parts.push(format!("THAT {verb} {direction} AS {relation} {} AS {name}", entity(head)));
        names.extend([relation, name]);
    }
    let steps = parts.join(" ");
    if !is_optional {
        return steps;
    }
    let group = format!("g{}", names.len());
    names.push(group.clone());
    format!("({steps})? AS {group}")
}

fn entity((head, filter): &Head) -> String {
    match filter {
        Some(filter) => format!("{head} WITH {filter}"),
        None => (*head).to_owned(),
    }
}
