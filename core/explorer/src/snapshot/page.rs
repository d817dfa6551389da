//! The page as markup. Every value that is put into it is escaped, and hidden characters are shown as their codes.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use super::{AnsweredQuestion, SNAPSHOT_MARK, Tile, number};
use crate::api::{Overview, TypeSummary};

const STYLE: &str = include_str!("page.css");

/// Returns the page of an overview, with a question and its answer if there is one.
pub(super) fn page(
    overview: &Overview,
    question: Option<&AnsweredQuestion>,
    has_personal: bool,
) -> String {
    let page = html! {
        (PreEscaped(SNAPSHOT_MARK)) "\n"
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (text(&overview.tenant)) " · Nexthink Graph" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(overview))
                (partial_types(overview))
                main {
                    div.tiles { @for tile in overview.tiles() { (card(&tile)) } }
                    @if let Some(question) = question { (answer(question)) }
                    div.columns {
                        (relationships(overview))
                        @if !overview.steps.is_empty() { (steps(overview)) }
                        @if overview.findings.is_some() { (findings(overview)) }
                    }
                }
                (footer(overview, has_personal))
            }
        }
    };
    page.into_string() + "\n"
}

fn header(overview: &Overview) -> Markup {
    html! {
        header {
            h1 { "Tenant " bdi { (text(&overview.tenant)) } }
            @if let Some(generation) = &overview.generation {
                p.muted {
                    "Devices, users, packages and alerts as of " (minute(&generation.created_at))
                    " · " (generation.outcome)
                }
            } @else {
                p { "Nothing is published yet." }
            }
        }
    }
}

fn partial_types(overview: &Overview) -> Markup {
    let partial: Vec<&TypeSummary> = overview.types.iter().filter(|kind| kind.partial).collect();
    html! {
        @if !partial.is_empty() {
            div.notice {
                strong {
                    (partial.len()) @if partial.len() == 1 { " type" } @else { " types" }
                    " may lack objects or show older ones"
                }
                @for kind in partial {
                    p {
                        (words(&kind.type_name))
                        @if let Some(reason) = &kind.reason { ": " (text(reason)) }
                    }
                }
            }
        }
    }
}

fn card(tile: &Tile) -> Markup {
    html! {
        div.card {
            span.muted { (tile.name) }
            div.value { (number(tile.objects)) }
            @if let Some(line) = &tile.line {
                svg viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true" {
                    polyline points=(line) {}
                }
                p { span class=(tile.direction) { (tile.change) } " " span.muted { "since the run before" } }
            }
        }
    }
}

fn answer(question: &AnsweredQuestion) -> Markup {
    let answer = &question.answer;
    let (shown, total) = (answer.rows.len() as u64, answer.total);
    let class = |data_type: &str| matches!(data_type, "integer" | "number").then_some("number");
    html! {
        section.card {
            h2 { (text(&question.title)) }
            @if !question.description.is_empty() { p.muted { (text(&question.description)) } }
            @if !answer.partial_tables.is_empty() {
                div.notice {
                    "Made from types that are not complete: " (text(&answer.partial_tables.join(", ")))
                }
            }
            @for warning in &answer.warnings { div.notice { (text(warning)) } }
            p {
                strong {
                    @if shown < total { "The first " (number(shown)) " of " (number(total)) " rows" }
                    @else { (number(total)) @if total == 1 { " row" } @else { " rows" } }
                }
            }
            table {
                thead {
                    tr {
                        @for column in &answer.columns {
                            th scope="col" class=[class(&column.data_type)] { (text(&column.name)) }
                        }
                    }
                }
                tbody {
                    @for row in &answer.rows {
                        tr {
                            @for column in &answer.columns {
                                td class=[class(&column.data_type)] {
                                    bdi { (cell(row.get(&column.name))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn relationships(overview: &Overview) -> Markup {
    let kinds = overview.types.iter().filter(|kind| kind.kind == "relationship");
    let end = |name: &Option<String>| words(name.as_deref().unwrap_or_default());
    html! {
        section.card {
            h2 { "Relationships" }
            table {
                thead { (columns(&["from", "relationship", "to"], &["number"])) }
                tbody {
                    @for kind in kinds {
                        tr {
                            td { (end(&kind.from_type)) }
                            td { (kind.class.join(", ")) }
                            td { (end(&kind.to_type)) }
                            td.number { (number(kind.objects)) }
                        }
                    }
                }
            }
        }
    }
}

fn steps(overview: &Overview) -> Markup {
    html! {
        section.card {
            h2 { "The last run by step" }
            table {
                thead { (columns(&["step", "outcome"], &["rows", "quarantined"])) }
                tbody {
                    @for step in &overview.steps {
                        tr {
                            td { (step.id) }
                            td { (step.outcome) }
                            td.number { (number(step.rows.read)) }
                            td.number { (number(step.rows.quarantined)) }
                        }
                    }
                }
            }
        }
    }
}

fn findings(overview: &Overview) -> Markup {
    let counts = overview.findings.iter().flatten().filter(|(_, count)| **count > 0);
    html! {
        section.card {
            h2 { "Findings" }
            table {
                tbody {
                    @for (severity, count) in counts {
                        tr { td { (severity.name()) } td.number { (number(*count)) } }
                    }
                }
            }
        }
    }
}

fn footer(overview: &Overview, has_personal: bool) -> Markup {
    html! {
        footer {
            p {
                "Made by nexthink-graph " (env!("CARGO_PKG_VERSION"))
                @if let Some(generation) = &overview.generation {
                    " from generation " (generation.id)
                }
                ". "
                @if has_personal { "It may show personal data." } @else { "Personal data is left out." }
            }
        }
    }
}

/// Returns the header of a table with columns of texts, then of numbers.
fn columns(texts: &[&str], numbers: &[&str]) -> Markup {
    html! {
        tr {
            @for name in texts { th scope="col" { (name) } }
            @for name in numbers { th.number scope="col" { (name) } }
        }
    }
}

/// Returns the words for a type: `nexthink_device_installed_package` is "device installed package".
pub(super) fn words(type_name: &str) -> String {
    type_name.trim_start_matches("nexthink_").replace('_', " ")
}

/// Returns a time of RFC 3339 to the minute.
fn minute(time: &str) -> String {
    format!("{} UTC", time.get(..16).unwrap_or(time).replace('T', " "))
}

/// Returns the text of a cell; a list has commas between its items.
fn cell(value: Option<&Value>) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(items)) => text(&items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Some(value) => text(&plain(value)),
    }
}

/// Returns a text with hidden characters as their codes.
fn text(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        if core_terminal::is_hidden(character) {
            write!(visible, "<U+{:04X}>", u32::from(character)).expect("a String takes any text");
        } else {
            visible.push(character);
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_text_without_hidden_characters() {
        let table = [
            (json!("plain"), "plain"),
            (json!("cod\u{202e}exe"), "cod<U+202E>exe"),
            (json!(["a", "b\n"]), "a, b<U+000A>"),
            (json!([1, true]), "1, true"),
            (json!(1.5), "1.5"),
            (json!(null), ""),
        ];
        for (value, expected) in table {
            assert_eq!(cell(Some(&value)), expected, "{value}");
        }
        assert_eq!(cell(None), "");
    }

    #[test]
    fn nothing_in_an_answer_is_markup() {
        let hostile = "<script>alert('x')</script> & \"y\"\u{202e}";
        let question: super::super::QueryAnswer = serde_json::from_value(json!({
            "columns": [{ "name": hostile, "type": "text" }, { "name": "n", "type": "integer" }],
            "rows": [{ hostile: hostile, "n": 7 }],
            "total": 2,
            "partialTables": [hostile],
        }))
        .expect("it is an answer");
        let question = AnsweredQuestion {
            title: hostile.to_owned(),
            description: hostile.to_owned(),
            answer: question,
        };
        let page = answer(&question).into_string();
        assert!(!page.contains("<script>") && !page.contains('\u{202e}'), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 5, "{page}");
        assert!(page.contains("The first 1 of 2 rows"), "{page}");
        assert!(page.contains("<td class=\"number\"><bdi>7</bdi></td>"), "{page}");
    }
}
