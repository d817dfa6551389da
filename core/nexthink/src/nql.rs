//! Reads an NQL text as far as needed to detect whether the query leaves out rows.
//!
//! Anyone with the permission may edit a saved query, and neither its export nor the header reveals that. A query
//! with a `limit` looks complete, and the missing rows would count as gone. This is not a parser of NQL: it splits
//! the text into its stages and reads their first words, so an unknown clause changes nothing.

use crate::escape::escaped;

/// The longest clause that is shown, in characters.
const CLAUSE_CAP: usize = 120;

/// The limits of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryLimits {
    /// The clause that caps the number of rows, such as `limit 100`.
    pub limit: Option<String>,
    /// The time frame of its table, such as `during past 7d`: of objects, those that were active then.
    pub time_frame: Option<String>,
    /// The clauses that select rows, such as `where device.entity == "…"`. Quoted texts are left out, since they may
    /// name a person.
    pub filters: Vec<String>,
}

impl QueryLimits {
    /// Reads a query. Returns nothing for a text that ends within quotes or a comment, of which no clause
    /// can be trusted.
    pub fn parse(query: &str) -> Option<Self> {
        let mut stages = stages(query)?.into_iter();
        let mut limits = Self::default();
        let table = stages.next().unwrap_or_default();
        let frame = split_word(&table).map(|(_, frame)| frame.to_owned());
        limits.time_frame = frame.filter(|frame| !frame.is_empty());
        for stage in stages {
            match split_word(&stage).map(|(word, _)| word.to_ascii_lowercase()).as_deref() {
                Some("limit" | "top") => limits.limit = Some(stage),
                // `with` keeps the objects that have such an event; `include` keeps all of them.
                Some("where" | "with") => limits.filters.push(stage),
                _ => {}
            }
        }
        Some(limits)
    }

    /// The same without the filter that compares nothing but `column` with one text: that is the
    /// parameter of a query, which this program fills in itself.
    #[must_use]
    pub fn without_parameter(mut self, column: &str) -> Self {
        self.filters.retain(|filter| {
            let condition =
                filter.strip_prefix("where ").and_then(|rest| rest.strip_prefix(column));
            let compared = condition.map(str::trim_start).and_then(|rest| rest.strip_prefix('='));
            let value = compared.map(|rest| rest.strip_prefix('=').unwrap_or(rest).trim());
            !matches!(value, Some("\"…\"" | "'…'"))
        });
        self
    }
}

/// The stages between the pipes, on one line each, without comments and with `…` for quoted texts.
fn stages(query: &str) -> Option<Vec<String>> {
    let mut stages = vec![String::new()];
    let mut rest = query.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(character) = rest.next() {
        let stage = stages.last_mut()?;
        match (character, rest.peek()) {
            ('"' | '\'', _) => {
                skip_quoted(&mut rest, character)?;
                stage.extend([character, '…', character]);
            }
            ('/', Some('*')) => {
                rest.next();
                skip_comment(&mut rest)?;
                stage.push(' ');
            }
            ('/', Some('/')) => {
                while rest.next_if(|character| *character != '\n').is_some() {}
                stage.push(' ');
            }
            ('|', _) => stages.push(String::new()),
            _ => stage.push(character),
        }
    }
    let on_one_line = |stage: &String| {
        let words: Vec<&str> = stage.split_whitespace().collect();
        escaped(&words.join(" "), CLAUSE_CAP)
    };
    Some(stages.iter().map(on_one_line).collect())
}

/// Skips to the end of a quoted text; a quote within it is escaped by a backslash.
fn skip_quoted(rest: &mut impl Iterator<Item = char>, quote: char) -> Option<()> {
    loop {
        match rest.next()? {
            '\\' => drop(rest.next()?),
            character if character == quote => return Some(()),
            _ => {}
        }
    }
}

fn skip_comment(rest: &mut impl Iterator<Item = char>) -> Option<()> {
    let mut last = ' ';
    loop {
        let character = rest.next()?;
        if last == '*' && character == '/' {
            return Some(());
        }
        last = character;
    }
}

/// The first word of a stage and the rest; nothing if the stage is empty.
fn split_word(stage: &str) -> Option<(&str, &str)> {
    Some(stage.split_once(' ').unwrap_or((stage, ""))).filter(|(word, _)| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(limit: Option<&str>, time_frame: Option<&str>, filters: &[&str]) -> QueryLimits {
        QueryLimits {
            limit: limit.map(str::to_owned),
            time_frame: time_frame.map(str::to_owned),
            filters: filters.iter().map(|&filter| filter.to_owned()).collect(),
        }
    }

    #[test]
    fn h10_what_leaves_rows_out_is_found_outside_of_quotes_and_comments() {
        for (query, expected) in [
            ("", limits(None, None, &[])),
            ("x", limits(None, None, &[])),
            ("devices\n| list device.uid,\n  device.name", limits(None, None, &[])),
            ("devices | list device.uid | limit 100", limits(Some("limit 100"), None, &[])),
            ("devices|list device.uid|LIMIT\n 5", limits(Some("LIMIT 5"), None, &[])),
            (
                "devices during past 7d | list device.uid | sort device.name desc | limit 10",
                limits(Some("limit 10"), Some("during past 7d"), &[]),
            ),
            (
                "devices | where device.entity == \"Paris | limit 5\" and a in ['x', 'y']\n| list a",
                limits(None, None, &["where device.entity == \"…\" and a in ['…', '…']"]),
            ),
            (
                "devices | where a == \"say \\\"| limit 1\\\"\" | with execution.crashes during past 1d",
                limits(None, None, &["where a == \"…\"", "with execution.crashes during past 1d"]),
            ),
            ("devices /* | limit 5 */ | list a // | where b == 1\n", limits(None, None, &[])),
            ("devices | list limit, device.limit | compute limit = 5", limits(None, None, &[])),
            ("devices | include web.errors during past 7d | list a", limits(None, None, &[])),
            ("\u{feff}alert.alerts from 2026-01-01 to 2026-01-02 | list a", {
                limits(None, Some("from 2026-01-01 to 2026-01-02"), &[])
            }),
            (
                "devices | where a == 1 | | limit 7 |",
                limits(Some("limit 7"), None, &["where a == 1"]),
            ),
        ] {
            assert_eq!(QueryLimits::parse(query), Some(expected), "{query:?}");
        }
    }

    #[test]
    fn a_text_that_ends_in_quotes_or_a_comment_is_not_guessed_at() {
        for query in ["devices | where a == \"b | limit 5", "devices /* | limit 5", "a | 'b\\"] {
            assert_eq!(QueryLimits::parse(query), None, "{query:?}");
        }
    }

    #[test]
    fn the_parameter_of_a_partition_is_no_filter() {
        for (condition, remains) in [
            ("device.uid == \"*\"", false),
            ("device.uid = '*'", false),
            ("device.uid==\"0*\"", false),
            ("device.uid == \"*\" and device.entity == \"x\"", true),
            ("device.uid != \"*\"", true),
            ("device.uid.other == \"*\"", true),
        ] {
            let query = format!("devices | where {condition} | list device.uid");
            let limits =
                QueryLimits::parse(&query).expect("a whole text").without_parameter("device.uid");
            assert_eq!(!limits.filters.is_empty(), remains, "{condition}");
        }
    }

    #[test]
    fn a_clause_is_shown_without_values_and_without_control_characters() {
        let query = format!(
            "devices | where a == \"jane@acme.example\" or b == \u{1b}[31m{}",
            "c".repeat(500)
        );
        let limits = QueryLimits::parse(&query).expect("a whole text");
        let shown = &limits.filters[0];
        assert!(shown.starts_with("where a == \"…\" or b == \\u{1b}[31mccc"), "{shown}");
        assert!(shown.chars().count() < 140, "{shown}");
    }
}
