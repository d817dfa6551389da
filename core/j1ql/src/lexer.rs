//! The words, values and symbols of a query.
//!
//! Queries are pasted from web pages and chats, so curly quotes count as straight ones and invisible
//! characters are skipped, each with a warning.

use core_terminal::is_invisible;

use crate::diagnostic::{J1qlError, Span, Warning};

/// A piece of the query and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// The kind of a token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// A keyword, a name or a verb.
    Word(String),
    /// A text in quotes, without them.
    Text(String),
    /// A number as it stands, without a sign.
    Number(String),
    /// `/pattern/flags`.
    Regex {
        pattern: String,
        flags: String,
    },
    /// `${param.name}` or `{{name}}` outside quotes.
    Parameter(String),
    /// `[tag.special-name]`, without the brackets.
    Bracketed(String),
    /// `date(2026-01-31)`: the text between the parentheses.
    Date(String),
    Symbol(Symbol),
    /// The end of the query.
    End,
}

/// An operator or a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Symbol {
    Open,
    Close,
    Pipe,
    Comma,
    Dot,
    Star,
    Plus,
    Minus,
    Slash,
    Caret,
    Question,
    Hash,
    Bang,
    Out,
    In,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    EndsWith,
    NotContains,
    NotStartsWith,
    NotEndsWith,
}

/// Symbols by their text, the longest first, so that `!=` is not read as `!`.
const SYMBOLS: [(&str, Symbol); 27] = [
    ("!~=", Symbol::NotContains),
    ("!^=", Symbol::NotStartsWith),
    ("!$=", Symbol::NotEndsWith),
    ("<<", Symbol::In),
    (">>", Symbol::Out),
    ("<=", Symbol::LessOrEqual),
    (">=", Symbol::GreaterOrEqual),
    ("!=", Symbol::NotEqual),
    ("~=", Symbol::Contains),
    ("^=", Symbol::StartsWith),
    ("$=", Symbol::EndsWith),
    ("=", Symbol::Equal),
    ("<", Symbol::Less),
    (">", Symbol::Greater),
    ("(", Symbol::Open),
    (")", Symbol::Close),
    ("|", Symbol::Pipe),
    (",", Symbol::Comma),
    (".", Symbol::Dot),
    ("*", Symbol::Star),
    ("+", Symbol::Plus),
    ("-", Symbol::Minus),
    ("/", Symbol::Slash),
    ("^", Symbol::Caret),
    ("?", Symbol::Question),
    ("#", Symbol::Hash),
    ("!", Symbol::Bang),
];

impl Symbol {
    /// The symbol as it is written.
    pub(crate) fn text(self) -> &'static str {
        let found = SYMBOLS.iter().find(|(_, symbol)| *symbol == self);
        found.map_or("", |(text, _)| text)
    }

    /// Returns whether a value follows, so that a slash begins a regular expression.
    fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
                | Self::Contains
                | Self::StartsWith
                | Self::EndsWith
                | Self::NotContains
                | Self::NotStartsWith
                | Self::NotEndsWith
        )
    }
}

/// Cuts a query into tokens; the last one is [`TokenKind::End`].
pub(crate) fn tokens(query: &str) -> Result<(Vec<Token>, Vec<Warning>), J1qlError> {
    let mut lexer = Lexer { query, at: 0, tokens: Vec::new(), warnings: Vec::new() };
    loop {
        lexer.skip_blanks()?;
        let start = lexer.at;
        let Some(first) = lexer.peek() else { break };
        let kind = lexer.token(first)?;
        lexer.tokens.push(Token { kind, span: Span { start, end: lexer.at } });
    }
    let end = Span { start: query.len(), end: query.len() };
    lexer.tokens.push(Token { kind: TokenKind::End, span: end });
    Ok((lexer.tokens, lexer.warnings))
}

struct Lexer<'a> {
    query: &'a str,
    at: usize,
    tokens: Vec<Token>,
    warnings: Vec<Warning>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.query[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error(&self, start: usize, message: impl Into<String>) -> J1qlError {
        J1qlError::new(Span { start, end: self.at.max(start + 1) }, message)
    }

    /// Skips white space, comments and invisible characters.
    fn skip_blanks(&mut self) -> Result<(), J1qlError> {
        while let Some(next) = self.peek() {
            if next.is_whitespace() {
                self.at += next.len_utf8();
            } else if is_invisible(next) {
                let span = Span { start: self.at, end: self.at + next.len_utf8() };
                let message = "an invisible character from a pasted text is skipped".to_owned();
                self.warnings.push(Warning::new(span, message));
                self.at = span.end;
            } else if self.rest().starts_with("/*") {
                let start = self.at;
                let Some(length) = self.rest().find("*/") else {
                    self.at = self.query.len();
                    return Err(self.error(start, "the comment has no end").with_help("add */"));
                };
                self.at += length + 2;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn token(&mut self, first: char) -> Result<TokenKind, J1qlError> {
        if let Some(close) = closing_quote(first) {
            return self.text(first, close);
        }
        if first.is_ascii_digit() {
            return Ok(TokenKind::Number(self.number()));
        }
        if is_word_start(first) {
            let word = self.take_while(is_word_part);
            // A time has colons in it, which stand nowhere else in a query.
            if word.eq_ignore_ascii_case("date") && self.rest().starts_with('(') {
                return Ok(TokenKind::Date(self.between("(", ")", "the date")?));
            }
            return Ok(TokenKind::Word(word));
        }
        if first == '[' {
            let what = "a property name in brackets";
            return Ok(TokenKind::Bracketed(self.between("[", "]", what)?));
        }
        if self.rest().starts_with("{{") {
            let name = self.between("{{", "}}", "a variable")?;
            return Ok(TokenKind::Parameter(name.trim().to_owned()));
        }
        if self.rest().starts_with("${") {
            let name = self.between("${", "}", "a parameter")?;
            return Ok(TokenKind::Parameter(parameter_name(&name)));
        }
        if first == '/' && self.expects_regex() {
            return self.regex();
        }
        self.symbol(first)
    }

    fn symbol(&mut self, first: char) -> Result<TokenKind, J1qlError> {
        let start = self.at;
        let found = SYMBOLS.iter().find(|(text, _)| self.rest().starts_with(text));
        if let Some((text, symbol)) = found {
            self.at += text.len();
            return Ok(TokenKind::Symbol(*symbol));
        }
        self.at += first.len_utf8();
        let shown = first.escape_debug();
        let error = self.error(start, format!("`{shown}` has no meaning here"));
        Err(match first {
            ';' => error.with_help("a query has no semicolon at its end"),
            '`' => error.with_help("write texts in quotes, and names as they are"),
            _ => error,
        })
    }

    /// Returns whether a slash begins a regular expression: only where a value can stand.
    fn expects_regex(&self) -> bool {
        match self.tokens.last().map(|token| &token.kind) {
            Some(TokenKind::Symbol(symbol)) => symbol.is_comparison() || *symbol == Symbol::Open,
            Some(TokenKind::Word(word)) => {
                word.eq_ignore_ascii_case("or") || word.eq_ignore_ascii_case("and")
            }
            _ => false,
        }
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let length = rest.find(|next| !accept(next)).unwrap_or(rest.len());
        let taken = rest[..length].to_owned();
        self.at += length;
        taken
    }

    fn number(&mut self) -> String {
        let mut number = self.take_while(|next| next.is_ascii_digit());
        let fraction = self.rest().strip_prefix('.').unwrap_or_default();
        if fraction.starts_with(|next: char| next.is_ascii_digit()) {
            self.at += 1;
            number.push('.');
            number.push_str(&self.take_while(|next| next.is_ascii_digit()));
        }
        number
    }

    fn between(&mut self, open: &str, close: &str, what: &str) -> Result<String, J1qlError> {
        let start = self.at;
        let inner = &self.query[start + open.len()..];
        let Some(length) = inner.find(close) else {
            self.at = start + open.len();
            let error = self.error(start, format!("{what} has no end"));
            return Err(error.with_help(format!("add {close}")));
        };
        let inner = inner[..length].to_owned();
        self.at = start + open.len() + length + close.len();
        Ok(inner)
    }

    /// Reads a text in quotes. A backslash escapes a quote or itself and is kept before anything else,
    /// since `'ACME\jdoe'` is an account.
    fn text(&mut self, open: char, close: &[char]) -> Result<TokenKind, J1qlError> {
        let start = self.at;
        self.at += open.len_utf8();
        if !open.is_ascii() {
            let span = Span { start, end: self.at };
            let message = "a curly quote from a pasted text counts as a straight one".to_owned();
            self.warnings.push(Warning::new(span, message));
        }
        let mut text = String::new();
        while let Some(next) = self.peek() {
            self.at += next.len_utf8();
            if close.contains(&next) {
                return Ok(TokenKind::Text(text));
            }
            let escaped = self.peek().filter(|after| matches!(after, '\'' | '"' | '\\'));
            match escaped {
                Some(escaped) if next == '\\' => {
                    text.push(escaped);
                    self.at += escaped.len_utf8();
                }
                _ => text.push(next),
            }
        }
        let error =
            J1qlError::new(Span { start, end: start + open.len_utf8() }, "the text has no end");
        Err(error.with_help("add the closing quote"))
    }

    fn regex(&mut self) -> Result<TokenKind, J1qlError> {
        let start = self.at;
        self.at += 1;
        let mut pattern = String::new();
        while let Some(next) = self.peek() {
            self.at += next.len_utf8();
            match next {
                '/' => {
                    let flags = self.take_while(|next| next.is_ascii_alphabetic());
                    return Ok(TokenKind::Regex { pattern, flags });
                }
                '\\' if self.rest().starts_with('/') => {
                    pattern.push('/');
                    self.at += 1;
                }
                // An escaped backslash must not hide the slash after it.
                '\\' if self.rest().starts_with('\\') => {
                    pattern.push_str("\\\\");
                    self.at += 1;
                }
                other => pattern.push(other),
            }
        }
        let error =
            J1qlError::new(Span { start, end: start + 1 }, "the regular expression has no end");
        Err(error.with_help("add the closing /"))
    }
}

/// The name of a parameter: `param.` is a prefix that the name does not need.
fn parameter_name(written: &str) -> String {
    let name = written.trim();
    name.strip_prefix("param.").unwrap_or(name).to_owned()
}

fn is_word_start(character: char) -> bool {
    character.is_alphabetic() || character == '_' || character == '@'
}

fn is_word_part(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '@')
}

/// The quotes that may end a text which begins with this one.
fn closing_quote(open: char) -> Option<&'static [char]> {
    match open {
        '\'' => Some(&['\'']),
        '"' => Some(&['"']),
        '\u{2018}' | '\u{2019}' | '\u{201A}' => Some(&['\u{2018}', '\u{2019}', '\'']),
        '\u{201C}' | '\u{201D}' | '\u{201E}' => Some(&['\u{201C}', '\u{201D}', '"']),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(query: &str) -> Vec<TokenKind> {
        let (tokens, _) = tokens(query).expect("it has tokens");
        tokens.into_iter().map(|token| token.kind).collect()
    }

    fn word(text: &str) -> TokenKind {
        TokenKind::Word(text.to_owned())
    }

    fn symbol(symbol: Symbol) -> TokenKind {
        TokenKind::Symbol(symbol)
    }

    #[test]
    fn operators_are_read_whole() {
        let query = "a!~=b !^= !$= != <= << >> ~= ^= $= ^ !";
        let symbols: Vec<_> = kinds(query)
            .into_iter()
            .filter_map(|kind| match kind {
                TokenKind::Symbol(symbol) => Some(symbol.text()),
                _ => None,
            })
            .collect();
        let expected = ["!~=", "!^=", "!$=", "!=", "<=", "<<", ">>", "~=", "^=", "$=", "^", "!"];
        assert_eq!(symbols, expected);
    }

    #[test]
    fn a_unit_may_follow_its_number_without_a_space() {
        let expected = [TokenKind::Number("7".to_owned()), word("day"), TokenKind::End];
        assert_eq!(kinds("7day"), expected);
        assert_eq!(kinds("1.5")[0], TokenKind::Number("1.5".to_owned()));
        let expected = [TokenKind::Number("1".to_owned()), symbol(Symbol::Dot), word("x")];
        assert_eq!(kinds("1.x")[..3], expected);
    }

    #[test]
    fn a_backslash_escapes_quotes_and_itself_only() {
        let text = |query| match &kinds(query)[0] {
            TokenKind::Text(text) => text.clone(),
            other => panic!("no text: {other:?}"),
        };
        assert_eq!(text(r"'ACME\jdoe'"), r"ACME\jdoe");
        assert_eq!(text(r"'it\'s'"), "it's");
        assert_eq!(text(r"'C:\\'"), r"C:\");
        assert_eq!(text(r#""o'neill""#), "o'neill");
    }

    #[test]
    fn a_slash_begins_a_regular_expression_only_where_a_value_stands() {
        let regex = TokenKind::Regex { pattern: "^a/b$".to_owned(), flags: "i".to_owned() };
        assert_eq!(kinds(r"name = /^a\/b$/i")[2], regex);
        assert_eq!(kinds("count(a)/2")[4], symbol(Symbol::Slash));
        assert_eq!(kinds("a /* a comment */ b").len(), 3);
    }

    #[test]
    fn pasted_quotes_and_invisible_characters_are_read_with_a_warning() {
        let (tokens, warnings) =
            tokens("FIND\u{200B}\u{61C} x = \u{201C}a\u{201D}").expect("it has tokens");
        assert_eq!(tokens[3].kind, TokenKind::Text("a".to_owned()));
        assert_eq!(warnings.len(), 3);
    }

    #[test]
    fn parameters_are_read_in_both_forms() {
        let expected = TokenKind::Parameter("days".to_owned());
        assert_eq!(kinds("${param.days}")[0], expected);
        assert_eq!(kinds("{{ days }}")[0], expected);
    }

    #[test]
    fn what_has_no_end_is_an_error_at_its_beginning() {
        for (query, start) in [("a = 'x", 4), ("a = /x", 4), ("[a", 0), ("{{a", 0), ("a /* b", 2)] {
            let error = tokens(query).expect_err("it has no end");
            assert_eq!(error.span.start, start, "{query}");
            assert!(error.help.is_some(), "{query}");
        }
    }
}
