//! The place in a query that an error is about.

use core_j1ql::{J1qlError, Span};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::QueryError;

impl QueryError {
    /// Returns the message, the line of the SQL with a caret under the place, if the error has a place.
    pub fn render(&self, sql: &str) -> Option<String> {
        let span = match self {
            Self::UnknownTable { name, .. }
            | Self::UnknownColumn { name, .. }
            | Self::Withheld { name, .. } => find(sql, name)?,
            Self::Invalid { message } => parser_place(sql, message).or_else(|| {
                let (_, rest) = message.split_once("Invalid function '")?;
                find(sql, rest.split('\'').next()?)
            })?,
            _ => return None,
        };
        let mut error = J1qlError::new(span, self.to_string());
        if let Self::UnknownColumn { name, suggestion: None, .. } = self
            && sql[span.start..].starts_with('"')
        {
            error.help = Some(format!("a text has single quotes: '{name}'"));
        }
        Some(error.render(sql))
    }
}

/// The place that the parser names in its message.
fn parser_place(sql: &str, message: &str) -> Option<Span> {
    let (_, rest) = message.split_once("at Line: ")?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let start = offset(sql, Location { line: line.parse().ok()?, column: column.parse().ok()? })?;
    let length = sql[start..].find(char::is_whitespace).unwrap_or(sql.len() - start);
    Some(Span { start, end: start + length })
}

/// The first place where a name stands, with the name of its table if that stands before it.
fn find(sql: &str, name: &str) -> Option<Span> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    let parts: Vec<&str> = name.split('.').collect();
    let found = place_of(sql, &tokens, &parts);
    found.or_else(|| place_of(sql, &tokens, &parts[parts.len() - 1..]))
}

fn place_of(sql: &str, tokens: &[TokenWithSpan], parts: &[&str]) -> Option<Span> {
    let is_part = |token: &TokenWithSpan, part: &str| match &token.token {
        Token::Word(word) => word.value == part,
        Token::SingleQuotedString(text) => text == part,
        _ => false,
    };
    // Between two parts there is a dot.
    let width = parts.len() * 2 - 1;
    let place = tokens.windows(width).find(|window| {
        parts.iter().zip(window.iter().step_by(2)).all(|(part, token)| is_part(token, part))
            && window.iter().skip(1).step_by(2).all(|token| token.token == Token::Period)
    })?;
    let start = offset(sql, place[0].span.start)?;
    let end = offset(sql, place[width - 1].span.end)?;
    Some(Span { start, end })
}

/// The byte of a place that the tokenizer counts in lines and characters, from 1.
fn offset(sql: &str, location: Location) -> Option<usize> {
    let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
    let line_start: usize = sql.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = sql.get(line_start..)?;
    Some(line_start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at))
}
