//! Refuses a query that is too long or too deep before it is parsed.
//!
//! Parser, planner and optimizer call themselves once or more for each level of an expression, so 15,000
//! times `+ 1` would overflow any ordinary stack, which ends the process. No level can come into being
//! without a word or an operator: their number bounds the depth. Values and commas are not counted, since a
//! list of values is flat however long it is. Parentheses are bounded by the parser itself.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::QueryError;

/// The length up to which a query is looked at. A list of 20,000 keys fits.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// The number of words and operators that a query may have.
pub(crate) const MAX_TERMS: usize = 1_000;

/// Checks the text of a query.
///
/// # Errors
/// [`QueryError::TooLong`], [`QueryError::TooComplex`].
pub(crate) fn check(sql: &str) -> Result<(), QueryError> {
    check_length(sql)?;
    // For a text without tokens, the parser reports the mistake.
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
    let terms = tokens.iter().filter(|token| adds_depth(token)).count();
    if terms > MAX_TERMS {
        return Err(QueryError::TooComplex { terms });
    }
    Ok(())
}

/// Checks the length of SQL that J1QL was translated into. It is long because it is a union of many ways,
/// and no deeper than the query, whose words are counted when it is parsed.
///
/// # Errors
/// [`QueryError::TooLong`].
pub(crate) fn check_length(sql: &str) -> Result<(), QueryError> {
    if sql.len() > MAX_BYTES {
        return Err(QueryError::TooLong { bytes: sql.len() });
    }
    Ok(())
}

fn adds_depth(token: &Token) -> bool {
    !matches!(
        token,
        Token::EOF
            | Token::Whitespace(_)
            | Token::Comma
            | Token::Period
            | Token::SemiColon
            | Token::LParen
            | Token::RParen
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::HexStringLiteral(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_bounded_and_lists_of_values_are_not() {
        let list = |rows: usize| format!("select 1 where 'a' in ('b'{})", ", 'c'".repeat(rows));
        let values = format!("select * from (values (1){}) v", ", (2)".repeat(20_000));
        for sql in [list(40_000), values, "select 'unterminated".to_owned()] {
            assert!(check(&sql).is_ok(), "{}", &sql[..40]);
        }
        let too_deep = [
            format!("select 1{}", "::int".repeat(1_000)),
            format!("select 1{}", "+1".repeat(2_000)),
            format!("select 'a'{}", "||'a'".repeat(2_000)),
            format!("select 1 where true{}", " and true".repeat(600)),
            format!("select 'a'{}", " like 'a'".repeat(2_000)),
            format!("select 1{}", " union all select 1".repeat(400)),
            format!("select 1 from a{}", ", a".repeat(1_100)),
            format!("select {}", "- ".repeat(2_000)),
        ];
        for sql in too_deep {
            let checked = check(&sql);
            assert!(matches!(checked, Err(QueryError::TooComplex { .. })), "{}", &sql[..30]);
        }
        let long = format!("select '{}'", "x".repeat(MAX_BYTES));
        assert!(matches!(check(&long), Err(QueryError::TooLong { .. })));
    }
}
