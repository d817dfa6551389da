//! The texts in an error of the Audit Trail API (Nexthink, audit trail API: a JSON array). Its elements are
//! not documented, so anything may be in them: accounts, addresses, tokens. Only words of a fixed list are
//! ever repeated.

use serde_json::Value;

/// The members whose text is for people.
const MEMBERS: [&str; 8] =
    ["error", "errors", "message", "description", "detail", "details", "reason", "title"];

/// The longest text that is shown, in bytes.
const MAX_TEXT: usize = 200;

/// The depth to which texts are looked for.
const MAX_DEPTH: usize = 4;

/// The words of an error text that a message may repeat: none of them names a person.
const WORDS: &[&str] = &[
    "a",
    "access",
    "account",
    "an",
    "and",
    "appliance",
    "are",
    "argument",
    "at",
    "audit",
    "auditlog",
    "authentication",
    "authorization",
    "available",
    "bad",
    "be",
    "before",
    "before_date",
    "between",
    "busy",
    "by",
    "can",
    "cannot",
    "client",
    "connect",
    "connected",
    "connection",
    "could",
    "credentials",
    "data",
    "date",
    "day",
    "days",
    "denied",
    "disabled",
    "does",
    "down",
    "elapsed",
    "elapsed_hours",
    "empty",
    "enabled",
    "engine",
    "engines",
    "error",
    "exceeded",
    "exist",
    "exists",
    "expected",
    "expired",
    "failed",
    "failure",
    "file",
    "for",
    "forbidden",
    "format",
    "found",
    "from",
    "future",
    "gateway",
    "has",
    "host",
    "hostname",
    "hour",
    "hours",
    "illegal",
    "in",
    "instance",
    "internal",
    "invalid",
    "is",
    "it",
    "known",
    "license",
    "limit",
    "log",
    "login",
    "logs",
    "maintenance",
    "malformed",
    "many",
    "missing",
    "must",
    "name",
    "negative",
    "no",
    "not",
    "of",
    "offline",
    "on",
    "or",
    "out",
    "parameter",
    "parse",
    "parsed",
    "password",
    "permission",
    "portal",
    "positive",
    "query",
    "range",
    "reach",
    "reachable",
    "reached",
    "read",
    "refused",
    "request",
    "requests",
    "required",
    "resource",
    "retry",
    "role",
    "scope",
    "server",
    "service",
    "session",
    "such",
    "support",
    "supported",
    "temporarily",
    "the",
    "there",
    "timed",
    "timeout",
    "to",
    "token",
    "too",
    "trail",
    "try",
    "type",
    "unable",
    "unauthorized",
    "unavailable",
    "unexpected",
    "unknown",
    "unreachable",
    "unsupported",
    "user",
    "value",
    "was",
    "web",
    "with",
    "wrong",
    "yyyy-mm-dd",
];

/// Returns the text of an error body for people, with `…` for every word that is not in the list; nothing if the body
/// is not JSON or no part of it can be shown. `known` is the requested name, which may be shown.
pub(super) fn readable(body: &[u8], known: Option<&str>) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let mut texts = Vec::new();
    collect(&value, MAX_DEPTH, &mut texts);
    let shown: Vec<String> = texts.iter().filter_map(|text| redacted(text, known)).collect();
    let mut shown = shown.join("; ");
    shown.truncate(shown.floor_char_boundary(MAX_TEXT));
    (!shown.is_empty()).then_some(shown)
}

/// Returns whether a body is a JSON array, which is how the API tells of errors.
pub(super) fn is_array(body: &[u8]) -> bool {
    matches!(serde_json::from_slice(body), Ok(Value::Array(_)))
}

fn collect<'a>(value: &'a Value, depth: usize, texts: &mut Vec<&'a str>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect(value, depth - 1, texts)),
        Value::Object(members) => {
            let told = members.iter().filter(|(name, _)| MEMBERS.contains(&name.as_str()));
            told.for_each(|(_, value)| collect(value, depth - 1, texts));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn redacted(text: &str, known: Option<&str>) -> Option<String> {
    let mut words: Vec<&str> = Vec::new();
    let mut is_told = false;
    for token in text.split_whitespace() {
        let word = token.trim_matches(|character: char| character.is_ascii_punctuation());
        let is_known = known.is_some_and(|known| word.eq_ignore_ascii_case(known));
        let is_listed = WORDS.iter().any(|listed| word.eq_ignore_ascii_case(listed));
        if is_known || is_listed {
            is_told |= word.len() > 2;
            words.push(word);
        } else if !word.is_empty() && words.last() != Some(&"…") {
            words.push("…");
        }
    }
    is_told.then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l1_the_error_array_is_read_and_nothing_personal_of_it_is_shown() {
        for (body, expected) in [
            (
                r#"[{"error":"unknown or unreachable Engine"}]"#,
                Some("unknown or unreachable Engine"),
            ),
            (
                r#"["Engine engine-02 is not connected."]"#,
                Some("Engine engine-02 is not connected"),
            ),
            (r#"{"message":"invalid before_date"}"#, Some("invalid before_date")),
            (
                r#"[{"error":"access denied for user anna.smith@acme.example (10.1.2.3)"}]"#,
                Some("access denied for user …"),
            ),
            (r#"[{"error":"Engine kiosk-7 not found"}]"#, Some("Engine … not found")),
            (r#"[{"user":"anna","error":"timeout"},{"error":"retry"}]"#, Some("timeout; retry")),
            (r#"[{"error":{"message":"no such resource"}}]"#, Some("no such resource")),
            (r#"[{"error":"anna smith"}]"#, None),
            (r#"[{"token":"expired"}]"#, None),
            (r#"[{"code":500}]"#, None),
            ("[]", None),
            ("<html>", None),
            ("", None),
        ] {
            let shown = readable(body.as_bytes(), Some("engine-02"));
            assert_eq!(shown.as_deref(), expected, "{body}");
        }
        let long = format!("[\"{}\"]", "unknown Engine ".repeat(1_000));
        assert!(readable(long.as_bytes(), None).is_some_and(|text| text.len() <= MAX_TEXT));
    }

    #[test]
    fn words_are_sorted_so_that_a_new_one_is_seen() {
        assert!(WORDS.is_sorted());
    }
}
