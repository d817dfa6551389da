//! The place in a query that an error is about.

use core_j1ql::{J1qlError, Span};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::QueryError;
use crate::wording::{mistyped_call, unknown_function, unknown_qualifier};

impl QueryError {
    /// Returns the message, the line of the SQL with a caret under the place, if the error has a place.
    pub fn render(&self, sql: &str) -> Option<String> {
        let span = match self {
            Self::UnknownTable { name, .. }
            | Self::UnknownColumn { name, .. }
            | Self::AmbiguousColumn { name }
            | Self::Withheld { name, .. } => find(sql, name)?,
            Self::UnreadableText { text, .. } => find_text(sql, text)?,
            Self::Invalid { message } => {
                parser_place(sql, message).or_else(|| named_place(sql, message))?
            }
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

/// The place of the function, table or alias that the message is about.
fn named_place(sql: &str, message: &str) -> Option<Span> {
    let call = || mistyped_call(message)?.split('(').next();
    find(sql, unknown_function(message).or_else(|| unknown_qualifier(message)).or_else(call)?)
}

/// The first place where a text stands in single quotes.
fn find_text(sql: &str, text: &str) -> Option<Span> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    let is_it = |token: &&TokenWithSpan| matches!(&token.token, Token::SingleQuotedString(found) if found == text);
    let span = tokens.iter().find(is_it)?.span;
    Some(Span { start: offset(sql, span.start)?, end: offset(sql, span.end)? })
}

/// The first place where a name stands, with the name of its table if that stands before it.
fn find(sql: &str, name: &str) -> Option<Span> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    let parts: Vec<&str> = name.split('.').collect();
    // A name without a table is rather one that stands without a table in the query.
    let found = place_of(sql, &tokens, &parts, true);
    found.or_else(|| place_of(sql, &tokens, &parts[parts.len() - 1..], false))
}

/// The first place of a name's parts. With `is_whole`, no further part stands before them.
fn place_of(sql: &str, tokens: &[TokenWithSpan], parts: &[&str], is_whole: bool) -> Option<Span> {
    let is_part = |token: &TokenWithSpan, part: &str| match &token.token {
        Token::Word(word) => word.value == part,
        Token::SingleQuotedString(text) => text == part,
        _ => false,
    };
    // Between two parts there is a dot.
    let width = parts.len() * 2 - 1;
    let mut windows = tokens.windows(width).enumerate();
    let (_, place) = windows.find(|(at, window)| {
        let is_preceded = at.checked_sub(1).is_some_and(|at| tokens[at].token == Token::Period);
        !(is_whole && is_preceded)
            && parts.iter().zip(window.iter().step_by(2)).all(|(part, token)| is_part(token, part))
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
