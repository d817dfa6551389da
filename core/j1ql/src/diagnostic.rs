//! Errors and warnings with the place in the query that they are about.

use std::fmt::Write as _;

/// A range of bytes in the text of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The smallest range that holds both.
    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A query that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct J1qlError {
    /// The problem.
    pub message: String,
    /// The right spelling, if it is known.
    pub help: Option<String>,
    /// The place in the query.
    pub span: Span,
    /// The property that does not exist, if that is the mistake.
    pub unknown_property: Option<String>,
}

impl J1qlError {
    /// An error at a place, without help.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, span, unknown_property: None }
    }

    pub(crate) fn about_property(mut self, property: &str) -> Self {
        self.unknown_property = Some(property.to_owned());
        self
    }

    /// Says how to write it instead.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the message, the line of the query with a caret under the place, and the help.
    pub fn render(&self, query: &str) -> String {
        render(query, &self.message, self.help.as_deref(), self.span)
    }
}

/// A remark on a query that has an answer all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The remark.
    pub message: String,
    /// The place in the query.
    pub span: Span,
    /// The property that does not exist, if that is the reason.
    pub unknown_property: Option<String>,
    /// True if a part of the query holds for everything or for nothing, whatever the data is. The answer is hardly the
    /// one that is meant.
    pub is_mistake: bool,
}

impl Warning {
    /// A remark on something that is understood all the same.
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span, unknown_property: None, is_mistake: false }
    }

    /// A remark on a part of the query that holds for everything or for nothing.
    pub(crate) fn mistake(span: Span, message: impl Into<String>) -> Self {
        Self { is_mistake: true, ..Self::new(span, message) }
    }

    /// Returns the message and the line of the query with a caret under the place.
    pub fn render(&self, query: &str) -> String {
        render(query, &self.message, None, self.span)
    }
}

fn render(query: &str, message: &str, help: Option<&str>, span: Span) -> String {
    let start = query.floor_char_boundary(span.start);
    let line_start = query[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = query[start..].find('\n').map_or(query.len(), |newline| start + newline);
    let line = &query[line_start..line_end];
    let number = query[..line_start].matches('\n').count() + 1;
    let column = query[line_start..start].chars().count() + 1;
    let end = query.floor_char_boundary(span.end.clamp(start, line_end));
    let width = query[start..end].chars().count().max(1);

    let margin = " ".repeat(number.to_string().len());
    let indent = " ".repeat(column - 1);
    // A tab has no certain width, and the caret has to stand under its place.
    let line = line.replace('\t', " ");
    let mut text = format!("{message}\n{margin}--> line {number}, column {column}\n");
    let _ = writeln!(text, "{margin} |\n{number} | {line}");
    let _ = write!(text, "{margin} | {indent}{}", "^".repeat(width));
    if let Some(help) = help {
        let _ = write!(text, "\n{margin} = help: {help}");
    }
    text
}

/// Returns the name that is most similar, if one is similar at all.
pub(crate) fn most_similar<'a>(
    name: &str,
    others: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// The least similarity of two names, from 0 to 1, for one to be offered in place of the other.
    const SIMILAR: f64 = 0.6;

    let name = name.to_lowercase();
    let likeness = |other: &str| strsim::normalized_levenshtein(&name, &other.to_lowercase());
    let scored = others.into_iter().map(|other| (other, likeness(other)));
    let (best, score) = scored.max_by(|one, two| one.1.total_cmp(&two.1))?;
    (score >= SIMILAR).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place_also_after_wide_characters_and_in_later_lines() {
        let query = "FIND Device\n\tWITH näme = 'x'";
        let start = query.find("näme").expect("it is there");
        let error = J1qlError::new(Span { start, end: start + "näme".len() }, "unknown property")
            .with_help("did you mean name?");
        let expected = "unknown property\n --> line 2, column 7\n  |\n2 |  WITH näme = 'x'\n  |       \
                        ^^^^\n  = help: did you mean name?";
        assert_eq!(error.render(query), expected);
    }

    #[test]
    fn a_place_at_the_end_has_a_caret_too() {
        let error = J1qlError::new(Span { start: 4, end: 4 }, "expected an entity");
        assert!(error.render("FIND").ends_with("1 | FIND\n  |     ^"), "{}", error.render("FIND"));
    }
}
