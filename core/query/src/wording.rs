//! The engine's messages about queries that are not valid, in plain words.

use datafusion::common::utils::datafusion_strsim::levenshtein;

use crate::error::is_similar;

/// Functions that people mean more often than the engine's nearest one. `cont` is as near to `cot` as to `count`.
const FREQUENT_FUNCTIONS: [&str; 16] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "coalesce",
    "lower",
    "upper",
    "length",
    "substr",
    "replace",
    "round",
    "now",
    "date_trunc",
    "date_part",
    "array_length",
];

/// Functions that need OVER. Without it, the engine does not know them.
const WINDOW_FUNCTIONS: [&str; 11] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

/// The names of the engine's types, each before those that begin with it, and what a person calls them.
const TYPES: [(&str, &str); 21] = [
    ("LargeUtf8", "text"),
    ("Utf8View", "text"),
    ("Utf8", "text"),
    ("UInt8", "whole number"),
    ("UInt16", "whole number"),
    ("UInt32", "whole number"),
    ("UInt64", "whole number"),
    ("Int8", "whole number"),
    ("Int16", "whole number"),
    ("Int32", "whole number"),
    ("Int64", "whole number"),
    ("Float16", "number"),
    ("Float32", "number"),
    ("Float64", "number"),
    ("Boolean", "true or false"),
    ("Timestamp(ms, \"UTC\")", "time"),
    ("Timestamp(ns)", "time"),
    ("Date32", "day"),
    ("Date64", "day"),
    ("Interval(MonthDayNano)", "interval"),
    ("List(text)", "list of texts"),
];

/// Parts of the engine's messages, and the fix for each.
const ADVICE: [(&str, &str); 2] = [
    ("Expected: an SQL statement", "begin with SELECT, or with FIND for J1QL"),
    ("Expected: end of statement", "a word before it may be misspelt or missing"),
];

/// Parts of the engine's messages about LIKE and IN with values that cannot be compared.
const INCOMPARABLE: [&str; 2] = ["a common type to coerce", "compatible types to compare"];

/// Returns the engine's message in plain words, with the fix for the most frequent mistakes.
pub(crate) fn in_plain_words(message: &str) -> String {
    let message = message.strip_prefix("sql parser error: ").unwrap_or(message);
    // The caret under the query shows the place.
    let message = message.split(" at Line: ").next().unwrap_or(message);
    if message.contains("No SQL statements were provided") {
        return "it is empty; begin with SELECT, or with FIND for J1QL".to_owned();
    }
    if message.contains("only supports a single SQL statement") {
        return "it has several statements; ask one at a time".to_owned();
    }
    if let Some(column) = between(message, "column \"", "\" must appear in the GROUP BY") {
        return format!("{column} must be in GROUP BY, or within a function such as count or min");
    }
    if let Some((_, expression)) = message.split_once("does not support logical expression ") {
        return unsupported_place(expression);
    }
    if let Some((_, types)) = message.split_once("common argument type for comparison operation ") {
        let types = with_plain_types(types);
        let advice = comparison_advice(&types);
        return format!("it compares values of different types, {types}{advice}");
    }
    if let Some(qualifier) = unknown_qualifier(message) {
        return format!("there is no table or alias {qualifier} in it");
    }
    if let Some(function) = unknown_function(message) {
        if WINDOW_FUNCTIONS.contains(&function.to_lowercase().as_str()) {
            return format!("{function} needs OVER, such as {function}(…) over (order by name)");
        }
        let meant = meant_function(function, between(message, "Did you mean '", "'"));
        let meant = meant.map(|other| format!(", did you mean {other}?")).unwrap_or_default();
        return format!("there is no function {function}{meant}");
    }
    if let Some(call) = mistyped_call(message) {
        return format!(
            "there is no {}: check the number and the types of its values; cast(x as double) makes a number of a text, \
             cast(x as timestamp) a time",
            with_plain_types(call)
        );
    }
    if let Some(operation) =
        between(message, "Cannot coerce arithmetic expression ", " to valid types")
    {
        return format!(
            "it cannot calculate {}; cast(x as double) makes a number of a text",
            with_plain_types(operation)
        );
    }
    let message = with_plain_types(message);
    if INCOMPARABLE.iter().any(|part| message.contains(part)) {
        let advice = comparison_advice(&message);
        return format!("it compares values of different types{advice}");
    }
    let advice = ADVICE.iter().find(|(part, _)| message.contains(part));
    advice.map_or_else(|| message.clone(), |(_, advice)| format!("{message}; {advice}"))
}

/// The message about an expression in a place where the engine does not answer it.
fn unsupported_place(expression: &str) -> String {
    let name = if expression.starts_with("InSubquery") {
        "`in (select …)`"
    } else if expression.starts_with("Exists") {
        "`exists (select …)`"
    } else {
        "an expression of it"
    };
    format!(
        "{name} is not answered in this place; join the tables, or ask with exists (select 1 …) in WHERE"
    )
}

/// The fix for a comparison of values of these types, if it is a frequent mistake.
fn comparison_advice(types: &str) -> &'static str {
    if types.contains("list of texts") {
        "; test a list with array_has, such as array_has(ipv4Addresses, '10.0.0.1')"
    } else if types.contains("time") || types.contains("day") {
        "; a time is compared with a time, such as now() - interval '7 days'"
    } else {
        ""
    }
}

/// The table or alias of a message about one that the query does not have.
pub(crate) fn unknown_qualifier(message: &str) -> Option<&str> {
    message.strip_prefix("Invalid qualifier ")
}

/// The function of a message about one that does not exist.
pub(crate) fn unknown_function(message: &str) -> Option<&str> {
    between(message, "Invalid function '", "'")
}

/// The call of a message about a function that does not take these types, such as `sum(Utf8View)`.
pub(crate) fn mistyped_call(message: &str) -> Option<&str> {
    between(message, "No function matches the given name and argument types '", "'. ")
}

/// The function that was probably meant: the engine's suggestion, or a frequent one that is as near.
fn meant_function<'a>(name: &str, suggested: Option<&'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distance = |other: &&str| levenshtein(&name, other);
    // Of several at the same distance, the first one is taken.
    let candidates = FREQUENT_FUNCTIONS.into_iter().chain(suggested);
    candidates.min_by_key(distance).filter(|other| is_similar(&name, other))
}

fn with_plain_types(text: &str) -> String {
    TYPES.iter().fold(text.to_owned(), |text, (name, plain)| text.replace(name, plain))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}
