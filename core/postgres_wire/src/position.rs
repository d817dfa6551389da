//! The place of an error in the text of a client, which shows it with a caret.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// Returns the position of a place in a text: its characters are counted from 1.
pub(crate) fn at(text: &str, place: Location) -> Option<usize> {
    let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(place.column).ok().filter(|column| *column > 0)?;
    let before: usize =
        text.split_inclusive('\n').take(line).map(|line| line.chars().count()).sum();
    Some(before + column)
}

/// Returns the position that the message of the parser tells in words.
pub(crate) fn told(text: &str, message: &str) -> Option<usize> {
    if message.ends_with("found: EOF") {
        return Some(text.trim_end().chars().count() + 1);
    }
    let (_, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    at(text, Location { line: line.parse().ok()?, column: column.parse().ok()? })
}

/// Returns the position of the first table or column of a name, which may have the name of its table before it.
pub(crate) fn of_name(text: &str, name: &str) -> Option<usize> {
    let tokens = tokens(text)?;
    let wanted: Vec<String> = tokens_of_name(&self::tokens(name)?);
    let is_word = |token: &TokenWithSpan, wanted: &str| match &token.token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(wanted),
        _ => false,
    };
    let last = wanted.last()?;
    let found = (0..tokens.len()).filter(|at| is_word(&tokens[*at], last)).filter(|at| {
        // A name that is given in the query is not one that is missing.
        at.checked_sub(1).is_none_or(|before| !is_word(&tokens[before], "as"))
    });
    let starts = found.map(|at| {
        // The names before it, as far as the text has them.
        let mut start = at;
        let mut known = 1;
        for part in wanted.iter().rev().skip(1) {
            let has_part = start >= 2
                && tokens[start - 1].token == Token::Period
                && is_word(&tokens[start - 2], part);
            if !has_part {
                break;
            }
            start -= 2;
            known += 1;
        }
        (known, start)
    });
    // The first of those that have most of the name.
    let (_, start) = starts.min_by_key(|(known, start)| (std::cmp::Reverse(*known), *start))?;
    at(text, tokens[start].span.start)
}

/// Returns the words of a name.
fn tokens_of_name(tokens: &[TokenWithSpan]) -> Vec<String> {
    let words = tokens.iter().filter_map(|token| match &token.token {
        Token::Word(word) => Some(word.value.clone()),
        _ => None,
    });
    words.collect()
}

/// Returns the tokens of a text, without space and comments.
fn tokens(text: &str) -> Option<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().ok()?;
    let is_space = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    Some(tokens.into_iter().filter(|token| !is_space(token)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what a text has from a position on.
    fn rest(text: &str, position: Option<usize>) -> Option<String> {
        Some(text.chars().skip(position? - 1).collect())
    }

    #[test]
    fn the_place_of_a_parser_is_counted_in_characters_over_all_lines() {
        let text = "select 'größe',\n  1 frm x";
        let message = "Expected: end of statement, found: x at Line: 2, Column: 9";
        assert_eq!(rest(text, told(text, message)).as_deref(), Some("x"));
        let text = "select name from  ";
        let end = told(text, "Expected: identifier, found: EOF");
        assert_eq!(end, Some("select name from".len() + 1));
        assert_eq!(told(text, "the recursion limit is exceeded"), None);
    }

    #[test]
    fn a_name_is_found_where_it_is_used() {
        for (text, name, expected) in [
            ("select nam from device", "nam", "nam from device"),
            ("select name as nam from d where nam > 1", "nam", "nam > 1"),
            ("select 'nam', d.NAM from device d", "d.nam", "d.NAM from device d"),
            ("select a.nam, b.nam from a, b", "b.nam", "b.nam from a, b"),
            ("select nam from device", "device.nam", "nam from device"),
            ("select\n\"no Such\" from d", "\"no Such\"", "\"no Such\" from d"),
            ("select 1 from /* devic */ devic", "public.devic", "devic"),
        ] {
            assert_eq!(rest(text, of_name(text, name)).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(of_name("select 1", "nam"), None);
        assert_eq!(of_name("select 'open", "open"), None);
    }
}
