//! A retrieval as one HTML file for the person whom it is about: no scripts, nothing loaded from
//! elsewhere, every value escaped.

use std::collections::BTreeMap;

use core_terminal::{count, escape_for_terminal};
use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use crate::retrieval::Retrieval;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1,h2,h3{line-height:1.2}table{border-collapse:collapse;margin:0 0 1.5rem;width:100%}\
th,td{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;vertical-align:top;\
overflow-wrap:anywhere}th{width:14rem;background:#f2f2f2}";

/// Returns the page.
pub fn html(retrieval: &Retrieval) -> String {
    let history = retrieval.history.iter();
    let history: Vec<Value> =
        history.map(|held| serde_json::to_value(held).unwrap_or_default()).collect();
    let groups = [("Objects", &retrieval.entities), ("Relationships", &retrieval.relationships)];
    let page = html! {
        (PreEscaped("<!doctype html>\n"))
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Personal data" }
                style { (STYLE) }
            }
            body {
                h1 { "Personal data of a " (retrieval.kind) }
                p {
                    "Tenant " (text(&retrieval.tenant)) " (" (text(&retrieval.region)) "), "
                    (text(&retrieval.at)) ". Others who turn up beside are not named."
                }
                h2 { "Known by" }
                ul {
                    @for identifier in &retrieval.identifiers { li { (text(identifier)) } }
                }
                @for (title, tables) in groups {
                    h2 { (title) }
                    @for (name, rows) in in_order(tables, retrieval.kind) {
                        (section(&name, rows))
                    }
                }
                h2 { "Audit trail" }
                (section("Events", &retrieval.audit_events))
                (section("Findings", &retrieval.findings))
                @if !retrieval.possible_findings.is_empty() {
                    p { "Findings with a word that may be a name of yours or mean something else:" }
                    ul { @for id in &retrieval.possible_findings { li { (text(id)) } } }
                }
                h2 { "History" }
                (section("Kept generations", &history))
                @if retrieval.acts_in_ledger > 0 {
                    p {
                        "The list of who read or changed data may name you as the one who did ("
                        (count(retrieval.acts_in_ledger, "entry")) ")."
                    }
                }
                (section("Given to", &retrieval.deliveries))
                (section("How long it is kept", std::slice::from_ref(&retrieval.retention)))
            }
        }
    };
    page.into_string()
}

/// Returns the tables with readable names; those of the subject come first.
fn in_order<'a>(
    tables: &'a BTreeMap<String, Vec<Value>>,
    kind: &str,
) -> Vec<(String, &'a Vec<Value>)> {
    let mut tables: Vec<_> = tables.iter().collect();
    tables.sort_by_key(|(name, _)| !name.ends_with(kind));
    let readable = |name: &str| name.strip_prefix("nexthink_").unwrap_or(name).replace('_', " ");
    tables.into_iter().map(|(name, rows)| (readable(name), rows)).collect()
}

fn section(name: &str, rows: &[Value]) -> Markup {
    let members = |row: &Value| {
        let members = row.as_object().into_iter().flatten();
        let members = members.filter(|(_, value)| !value.is_null()).map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (text(name), text(&value))
        });
        members.collect::<Vec<_>>()
    };
    html! {
        h3 { (text(name)) " (" (rows.len()) ")" }
        @for row in rows {
            table {
                @for (name, value) in members(row) { tr { th { (name) } td { (value) } } }
            }
        }
    }
}

/// A text without characters that change the direction of writing. Markup in it is escaped when it is written.
fn text(text: &str) -> String {
    escape_for_terminal(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_is_markup() {
        let row = serde_json::json!({ "<b>": "<script>alert('x')</script> & \"y\"\u{202e}" });
        let section = section("<h1>", &[row]).into_string();
        for markup in ["<b>", "<script>", "<h1>", "\u{202e}", " & "] {
            assert!(!section.contains(markup), "{section}");
        }
        assert!(section.contains("&lt;script&gt;alert('x')&lt;/script&gt; &amp; "), "{section}");
    }
}
