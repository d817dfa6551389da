//! Statements of a session: which there are in a text, and which of them the session answers itself.
//!
//! Only words are looked at here. A parser calls itself for each level of a statement, and a session must survive
//! every text; the process of the query parses it, with a limit.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::request::CopyFormat;

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Nothing but space and comments.
    Empty,
    /// Anything that the process of queries answers or refuses.
    Query,
    Begin,
    Commit,
    Rollback,
    /// Marks a place in a transaction, or forgets one. Only settings change in a transaction, and these stay as they are.
    Savepoint(&'static str),
    RollbackTo,
    Set {
        name: String,
        value: String,
        /// True if it holds for the transaction alone.
        is_local: bool,
    },
    /// The same as a query: `select set_config('name', 'value', is_local)`.
    SetConfig {
        name: String,
        value: String,
        is_local: bool,
    },
    /// Sets what a transaction is: it reads one generation, whatever is asked for.
    SetTransaction,
    Show(String),
    Reset(Option<String>),
    DiscardAll,
    /// Drops what a session never has.
    Discard,
    Deallocate(Option<String>),
    Unlisten,
    Declare {
        cursor: String,
        query: String,
        is_held: bool,
    },
    Fetch {
        cursor: String,
        count: Option<u32>,
    },
    Close(Option<String>),
    Copy {
        query: String,
        format: CopyFormat,
    },
    /// A statement that other servers know and this one does not.
    Unsupported(String),
}

/// The text of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// The number of characters before it in what the client has sent; none if it is not in there as it is.
    pub(crate) before: Option<usize>,
}

impl Text {
    /// A text that was made of what the client has sent.
    pub(crate) fn made(text: String) -> Self {
        Self { text, before: None }
    }
}

/// Returns the statements of a text.
pub(crate) fn split(text: &str) -> Vec<Text> {
    let Some(tokens) = tokens(text) else {
        return vec![Text { text: text.to_owned(), before: Some(0) }];
    };
    let mut statements = Vec::new();
    let (mut start, mut before) = (0, 0);
    for (token, at) in &tokens {
        if *token == Token::SemiColon {
            let statement = &text[start..*at];
            statements.push(Text { text: statement.to_owned(), before: Some(before) });
            start = at + 1;
            before += statement.chars().count() + 1;
        }
    }
    statements.push(Text { text: text[start..].to_owned(), before: Some(before) });
    statements
}

/// Returns the tokens of a text with the places at which they begin; none if it has an end that is open.
fn tokens(text: &str) -> Option<Vec<(Token, usize)>> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().ok()?;
    let mut lines = vec![0];
    lines.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    let mut place = Place { text, lines, line: 0, column: 0, at: 0 };
    let placed = tokens.into_iter().map(|token| {
        let at = place.of(&token);
        (token.token, at)
    });
    Some(placed.collect())
}

/// Finds places in bytes. Tokens come in order, so each line is walked through once.
struct Place<'a> {
    text: &'a str,
    lines: Vec<usize>,
    line: usize,
    column: u64,
    at: usize,
}

impl Place<'_> {
    fn of(&mut self, token: &TokenWithSpan) -> usize {
        let start = token.span.start;
        let line = usize::try_from(start.line).unwrap_or(1).saturating_sub(1);
        if line != self.line || self.at == 0 {
            self.line = line;
            self.column = 1;
            self.at = self.lines.get(line).copied().unwrap_or(self.text.len());
        }
        while self.column < start.column {
            let Some(c) = self.text[self.at..].chars().next() else { break };
            self.at += c.len_utf8();
            self.column += 1;
        }
        self.at
    }
}

impl Command {
    /// Reads what a statement is.
    pub(crate) fn parse(statement: &str) -> Self {
        let Some(tokens) = tokens(statement) else { return Self::Query };
        let mut words = Words { statement, tokens: Vec::new(), next: 0 };
        let is_space =
            |token: &Token| matches!(token, Token::Whitespace(_) | Token::EOF | Token::SemiColon);
        words.tokens = tokens.into_iter().filter(|(token, _)| !is_space(token)).collect();
        words.command().unwrap_or(Self::Query)
    }
}

/// The words of a statement, one after the other.
struct Words<'a> {
    statement: &'a str,
    tokens: Vec<(Token, usize)>,
    next: usize,
}

impl Words<'_> {
    /// Returns the statement; none if it is a query or nothing known.
    fn command(&mut self) -> Option<Command> {
        let Some(first) = self.word() else {
            return self.tokens.is_empty().then_some(Command::Empty);
        };
        Some(match first.as_str() {
            "begin" | "start" => Command::Begin,
            "commit" | "end" => Command::Commit,
            "rollback" | "abort" => {
                if self.has("to") {
                    Command::RollbackTo
                } else {
                    Command::Rollback
                }
            }
            "savepoint" => Command::Savepoint("SAVEPOINT"),
            "release" => Command::Savepoint("RELEASE"),
            "set" => self.set()?,
            "select" => self.set_config()?,
            "show" => match self.word()?.as_str() {
                "tables" | "columns" => return None,
                "time" if self.has("zone") => Command::Show("TimeZone".to_owned()),
                "transaction" => Command::Show("transaction_isolation".to_owned()),
                name => Command::Show(name.to_owned()),
            },
            "reset" => Command::Reset(Some(self.word()?).filter(|name| name != "all")),
            "discard" if self.has("all") => Command::DiscardAll,
            "discard" => Command::Discard,
            "deallocate" => {
                self.has("prepare");
                let is_all = self.has("all");
                Command::Deallocate(if is_all { None } else { Some(self.name()?) })
            }
            "unlisten" => Command::Unlisten,
            "declare" => self.declare()?,
            "fetch" => self.fetch(),
            "close" => {
                let is_all = self.has("all");
                Command::Close(if is_all { None } else { Some(self.name()?) })
            }
            "copy" => self.copy(),
            "prepare" | "execute" | "move" | "listen" | "notify" | "lock" | "do" | "call" => {
                Command::Unsupported(first.to_uppercase())
            }
            _ => return None,
        })
    }

    /// Takes a word without quotes, in lower case.
    fn word(&mut self) -> Option<String> {
        match &self.tokens.get(self.next)?.0 {
            Token::Word(word) if word.quote_style.is_none() => {
                self.next += 1;
                Some(word.value.to_lowercase())
            }
            _ => None,
        }
    }

    /// Takes a word if it is this one.
    fn has(&mut self, expected: &str) -> bool {
        let start = self.next;
        let is_it = self.word().is_some_and(|word| word == expected);
        if !is_it {
            self.next = start;
        }
        is_it
    }

    /// Takes a name with or without quotes.
    fn name(&mut self) -> Option<String> {
        let Token::Word(word) = &self.tokens.get(self.next)?.0 else { return None };
        self.next += 1;
        let is_quoted = word.quote_style.is_some();
        Some(if is_quoted { word.value.clone() } else { word.value.to_lowercase() })
    }

    fn takes(&mut self, expected: &Token) -> bool {
        let is_it = self.tokens.get(self.next).is_some_and(|(token, _)| token == expected);
        self.next += usize::from(is_it);
        is_it
    }

    /// Takes a number.
    fn number(&mut self) -> Option<u32> {
        let Token::Number(number, _) = &self.tokens.get(self.next)?.0 else { return None };
        let number = number.parse().ok()?;
        self.next += 1;
        Some(number)
    }

    /// Takes a text in quotes.
    fn text(&mut self) -> Option<String> {
        let text = match &self.tokens.get(self.next)?.0 {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
            _ => return None,
        };
        self.next += 1;
        Some(text)
    }

    /// Returns the statement from the next word on.
    fn rest(&self) -> Option<String> {
        let (_, at) = self.tokens.get(self.next)?;
        Some(self.statement[*at..].to_owned())
    }

    fn set(&mut self) -> Option<Command> {
        // `session` and `local` may stand before a name.
        let is_local = !self.has("session") && self.has("local");
        let name = self.word()?;
        let name = match name.as_str() {
            "transaction" | "characteristics" => return Some(Command::SetTransaction),
            "role" | "authorization" | "constraints" => {
                return Some(Command::Unsupported(format!("SET {}", name.to_uppercase())));
            }
            "time" if self.has("zone") => "TimeZone".to_owned(),
            "names" => "client_encoding".to_owned(),
            _ => name,
        };
        if !self.takes(&Token::Eq) {
            self.has("to");
        }
        let values = self.tokens.get(self.next..)?.iter().map(|(token, _)| match token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
            Token::Comma => ",".to_owned(),
            Token::Word(word) => word.value.clone(),
            other => other.to_string(),
        });
        let value = values.collect::<Vec<_>>().join(" ").replace(" ,", ",");
        Some(Command::Set { name, value, is_local })
    }

    /// `set_config('name', 'value', is_local)` and nothing else.
    fn set_config(&mut self) -> Option<Command> {
        if self.has("pg_catalog") {
            self.takes(&Token::Period);
        }
        if !(self.has("set_config") && self.takes(&Token::LParen)) {
            return None;
        }
        let name = self.text()?;
        self.takes(&Token::Comma);
        let value = self.text()?;
        self.takes(&Token::Comma);
        let is_local = self.has("true");
        if !is_local && !self.has("false") {
            return None;
        }
        let is_whole = self.takes(&Token::RParen) && self.next == self.tokens.len();
        is_whole.then_some(Command::SetConfig { name, value, is_local })
    }

    /// `declare name [options] cursor [with hold] for query`
    fn declare(&mut self) -> Option<Command> {
        let cursor = self.name()?;
        let mut is_held = false;
        while !self.has("for") {
            let word = self.word()?;
            if word == "with" {
                is_held = true;
            }
            if word == "without" {
                self.has("hold");
            }
        }
        Some(Command::Declare { cursor, query: self.rest()?, is_held })
    }

    /// `fetch [direction] [from|in] name`
    fn fetch(&mut self) -> Command {
        let start = self.next;
        let mut count = Some(1);
        if self.has("forward") {
            count = self.number().or(if self.has("all") { None } else { Some(1) });
        } else if self.has("all") {
            count = None;
        } else if let Some(number) = self.number() {
            count = Some(number);
        } else {
            self.has("next");
        }
        let is_preposition = self.has("from") || self.has("in");
        if !is_preposition && self.next + 1 > self.tokens.len() {
            // The only word is the name.
            self.next = start;
        }
        match self.name() {
            Some(cursor) if self.next == self.tokens.len() => Command::Fetch { cursor, count },
            _ => Command::Unsupported("FETCH in another direction than forward".to_owned()),
        }
    }

    /// `copy (query) to stdout [[with] (options)]`, with the options of older versions too.
    fn copy(&mut self) -> Command {
        let unsupported = || Command::Unsupported("COPY other than TO STDOUT".to_owned());
        let Some(query) = self.copied() else { return unsupported() };
        if !(self.has("to") && self.has("stdout")) {
            return unsupported();
        }
        let mut format = CopyFormat {
            is_csv: false,
            delimiter: '\t',
            has_header: false,
            null: "\\N".to_owned(),
        };
        let (mut delimiter, mut null) = (None, None);
        while self.next < self.tokens.len() {
            match self.word().as_deref() {
                Some("csv") => format.is_csv = true,
                Some("header") => {
                    format.has_header = !(self.has("false") || self.has("off"));
                    let _ = self.has("true") || self.has("on");
                }
                Some("delimiter" | "delimiters") => {
                    self.has("as");
                    let text = self.text().unwrap_or_default();
                    let mut chars = text.chars();
                    delimiter = chars.next().filter(|_| chars.next().is_none());
                    if delimiter.is_none() {
                        return unsupported();
                    }
                }
                Some("null") => {
                    self.has("as");
                    null = self.text();
                }
                Some("encoding") => {
                    self.text();
                }
                Some("with" | "format" | "text") => {}
                None if [Token::LParen, Token::RParen, Token::Comma]
                    .iter()
                    .any(|token| self.takes(token)) => {}
                _ => return unsupported(),
            }
        }
        if format.is_csv {
            (format.delimiter, format.null) = (',', String::new());
        }
        format.delimiter = delimiter.unwrap_or(format.delimiter);
        format.null = null.unwrap_or(format.null);
        Command::Copy { query, format }
    }

    /// Takes the query or the table that is copied.
    fn copied(&mut self) -> Option<String> {
        let start = self.tokens.get(self.next)?.1;
        if self.takes(&Token::LParen) {
            let mut depth = 1;
            while depth > 0 {
                match self.tokens.get(self.next)?.0 {
                    Token::LParen => depth += 1,
                    Token::RParen => depth -= 1,
                    _ => {}
                }
                self.next += 1;
            }
            let end = self.tokens.get(self.next - 1)?.1;
            return Some(self.statement[start + 1..end].to_owned());
        }
        // A table, with or without some of its columns.
        self.name()?;
        while self.takes(&Token::Period) {
            self.name()?;
        }
        let end = self.tokens.get(self.next)?.1;
        let table = self.statement[start..end].trim();
        if !self.takes(&Token::LParen) {
            return Some(format!("select * from {table}"));
        }
        let start = self.tokens.get(self.next)?.1;
        while !self.takes(&Token::RParen) {
            self.tokens.get(self.next)?;
            self.next += 1;
        }
        let end = self.tokens.get(self.next - 1)?.1;
        Some(format!("select {} from {table}", &self.statement[start..end]))
    }
}

#[cfg(test)]
mod tests;
