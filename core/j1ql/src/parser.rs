//! Reads a query into its tree.

mod filter;
mod returns;

use core_terminal::is_invisible;

use crate::diagnostic::{J1qlError, Span, Warning, most_similar};
use crate::lexer::{self, Symbol, Token, TokenKind};
use crate::syntax::{
    Direction, Element, Entities, Head, Name, Piece, Query, Spanned, Step, Text, Verb,
};

/// The most optional parts of a query: each doubles the number of paths.
const MOST_OPTIONALS: usize = 6;
/// The depth to which parentheses may be nested, so that no query exhausts the stack.
const DEEPEST_NESTING: usize = 64;
/// The most words and operators: an expression is as deep as it has of them.
const MOST_TERMS: usize = 1_000;
/// The longest query, in bytes.
const LONGEST_QUERY: usize = 64 * 1024;

/// Keywords, which end whatever stands before them. A property of such a name needs brackets.
const KEYWORDS: [&str; 13] = [
    "FIND", "WITH", "AS", "THAT", "WHERE", "RETURN", "ORDER", "BY", "SKIP", "LIMIT", "AND", "OR",
    "TO",
];

/// Words of SQL, with their counterparts in J1QL.
const FOREIGN: [(&str, &str); 15] = [
    ("SELECT", "begin with FIND and name the columns after RETURN"),
    ("FROM", "name the entities after FIND"),
    ("JOIN", "follow a relationship: FIND Device THAT INSTALLED Application"),
    ("GROUP", "there is no GROUP BY: everything returned outside of a count, sum … groups"),
    ("HAVING", "count in the query and choose in what reads the answer"),
    ("DISTINCT", "write FIND UNIQUE … RETURN …"),
    ("IN", "write a list of values: osName = ('Windows 10' OR 'Windows 11')"),
    ("LIKE", "write ~= for contains, ^= for starts with, $= for ends with"),
    ("NOT", "negate the operator: != !~= !^= !$=, or the step: THAT !HAS"),
    ("IS", "write = undefined or != undefined"),
    ("NULL", "write undefined"),
    ("OFFSET", "write SKIP: FIND Device SKIP 20 LIMIT 10"),
    ("BETWEEN", "write a >= 1 AND a <= 5"),
    ("CASE", "there are no conditions in RETURN; coalesce(a, b) takes the first value there is"),
    ("COERCE", "there is no COERCE: values keep their type"),
];

/// Returns whether a text is meant as J1QL: it begins with `FIND`, after white space and comments.
pub fn is_j1ql(text: &str) -> bool {
    let is_blank = |next: char| next.is_whitespace() || is_invisible(next);
    let mut rest = text.trim_start_matches(is_blank);
    while let Some(comment) = rest.strip_prefix("/*") {
        let after = comment.split_once("*/").map_or("", |(_, after)| after);
        rest = after.trim_start_matches(is_blank);
    }
    let word = rest.split(|next: char| !next.is_alphanumeric()).next().unwrap_or_default();
    word.eq_ignore_ascii_case("find")
}

/// Reads a query.
///
/// # Errors
///
/// [`J1qlError`] with the place of the mistake.
pub fn parse(query: &str) -> Result<(Query, Vec<Warning>), J1qlError> {
    if query.len() > LONGEST_QUERY {
        let span = Span { start: LONGEST_QUERY, end: query.len() };
        let message = format!("the query is longer than {LONGEST_QUERY} bytes");
        return Err(J1qlError::new(span, message));
    }
    let (tokens, warnings) = lexer::tokens(query)?;
    check_terms(&tokens)?;
    let mut parser = Parser { query, tokens, at: 0, depth: 0 };
    let parsed = parser.query()?;
    Ok((parsed, warnings))
}

/// Refuses a query with too many conditions to plan.
fn check_terms(tokens: &[Token]) -> Result<(), J1qlError> {
    let is_term = |token: &&Token| {
        use Symbol::{Close, Comma, Dot, Open};
        match &token.kind {
            TokenKind::Word(_) => true,
            TokenKind::Symbol(symbol) => !matches!(symbol, Comma | Dot | Open | Close),
            _ => false,
        }
    };
    match tokens.iter().filter(is_term).nth(MOST_TERMS) {
        None => Ok(()),
        Some(token) => {
            let message = format!("the query has more than {MOST_TERMS} words and operators");
            Err(J1qlError::new(token.span, message))
        }
    }
}

struct Parser<'a> {
    query: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Query, J1qlError> {
        self.take_word("FIND");
        let unique = self.span();
        let is_unique = self.take_word("UNIQUE");
        let start = self.entities()?;
        let mut query = Query {
            is_unique,
            start,
            elements: self.elements()?,
            condition: None,
            returns: None,
            order: Vec::new(),
            skip: None,
            limit: None,
        };
        self.clauses(&mut query)?;
        if is_unique && query.returns.is_none() {
            let error = J1qlError::new(unique, "UNIQUE needs a RETURN");
            return Err(error.with_help("add RETURN with the columns that make a row"));
        }
        Ok(query)
    }

    /// Reads the clauses after the path, in any order, each once.
    fn clauses(&mut self, query: &mut Query) -> Result<(), J1qlError> {
        loop {
            let span = self.span();
            let twice = if self.take_word("WHERE") {
                let condition = self.filter()?;
                query.condition.replace(condition).is_some()
            } else if self.take_word("RETURN") {
                let returns = self.returns()?;
                query.returns.replace(returns).is_some()
            } else if self.take_word("ORDER") {
                self.expect_word("BY")?;
                let order = self.order()?;
                !std::mem::replace(&mut query.order, order).is_empty()
            } else if self.take_word("SKIP") {
                let rows = self.whole_number()?;
                query.skip.replace(rows).is_some()
            } else if self.take_word("LIMIT") {
                let rows = self.whole_number()?;
                query.limit.replace(rows).is_some()
            } else if self.kind() == &TokenKind::End {
                return Ok(());
            } else {
                return Err(self.unexpected("THAT, WHERE, RETURN, ORDER BY, SKIP or LIMIT"));
            };
            if twice {
                return Err(J1qlError::new(span, "the clause stands in the query twice"));
            }
        }
    }

    fn elements(&mut self) -> Result<Vec<Element>, J1qlError> {
        let mut elements = Vec::new();
        let mut optionals = 0;
        loop {
            let start = self.span();
            if self.take_word("THAT") {
                elements.push(Element::Step(Box::new(self.step()?)));
            } else if self.take(Symbol::Open) {
                optionals += 1;
                if optionals > MOST_OPTIONALS {
                    let message = format!("a query has at most {MOST_OPTIONALS} optional parts");
                    let error = J1qlError::new(start, message);
                    return Err(error.with_help("ask in two queries"));
                }
                elements.push(self.optional(start)?);
            } else {
                return Ok(elements);
            }
        }
    }

    /// Reads the rest of `(THAT … THAT …)? AS name`.
    fn optional(&mut self, start: Span) -> Result<Element, J1qlError> {
        self.expect_word("THAT")?;
        let mut steps = vec![self.step()?];
        while self.take_word("THAT") {
            steps.push(self.step()?);
        }
        self.expect(Symbol::Close)?;
        if !self.take(Symbol::Question) {
            let error = self.unexpected("? after the parenthesis");
            return Err(
                error.with_help("(THAT …)? is optional; without ? leave the parentheses out")
            );
        }
        let alias = self.alias()?;
        Ok(Element::Optional { steps, alias, span: start.to(self.previous_span()) })
    }

    /// Reads a step after `THAT`.
    fn step(&mut self) -> Result<Step, J1qlError> {
        let is_negated = self.take(Symbol::Bang);
        let start = self.span();
        let verb = self.verb()?;
        let verb = Spanned { value: verb, span: start.to(self.previous_span()) };
        let mut direction = Direction::Both;
        let mut alias = None;
        loop {
            if self.take(Symbol::Out) {
                direction = Direction::Out;
            } else if self.take(Symbol::In) {
                direction = Direction::In;
            } else if alias.is_none() && self.is_word("AS") {
                alias = self.alias()?;
            } else if !self.take_word("TO") {
                break;
            }
        }
        let entities = self.entities()?;
        Ok(Step { is_negated, verb, direction, alias, entities })
    }

    fn verb(&mut self) -> Result<Verb, J1qlError> {
        if self.take(Symbol::Open) {
            let names = self.alternatives("a relationship")?;
            self.expect(Symbol::Close)?;
            return Ok(Verb::Names(names));
        }
        let name = self.name("a relationship, such as HAS or RELATES TO")?;
        if name.value.eq_ignore_ascii_case("RELATES") {
            return Ok(Verb::Any);
        }
        Ok(Verb::Names(vec![name]))
    }

    fn entities(&mut self) -> Result<Entities, J1qlError> {
        let start = self.span();
        let head = self.head()?;
        let head = Spanned { value: head, span: start.to(self.previous_span()) };
        let filter = if self.take_word("WITH") { Some(self.filter()?) } else { None };
        let alias = self.alias()?;
        if alias.is_some() && self.is_word("WITH") {
            let error = J1qlError::new(self.span(), "WITH stands after AS");
            return Err(error.with_help("write the condition first: Device WITH … AS device"));
        }
        Ok(Entities { head, filter, alias })
    }

    fn head(&mut self) -> Result<Head, J1qlError> {
        let expected = "an entity: a class such as Device, a type such as nexthink_device, or *";
        match self.kind().clone() {
            TokenKind::Symbol(Symbol::Star) => {
                self.at += 1;
                Ok(Head::Any)
            }
            TokenKind::Symbol(Symbol::Hash) => {
                let error = J1qlError::new(self.span(), "smart classes are not known here");
                Err(error.with_help("name a class or a type, with a condition after WITH"))
            }
            TokenKind::Symbol(Symbol::Open) => {
                self.at += 1;
                let names = self.alternatives(expected)?;
                self.expect(Symbol::Close)?;
                Ok(Head::Names(names))
            }
            TokenKind::Text(text) => {
                self.at += 1;
                Ok(Head::FullText(template(&text)))
            }
            _ => Ok(Head::Names(vec![self.name(expected)?])),
        }
    }

    /// Reads `a|b|c`.
    fn alternatives(&mut self, expected: &str) -> Result<Vec<Name>, J1qlError> {
        let mut names = vec![self.name(expected)?];
        while self.take(Symbol::Pipe) {
            names.push(self.name(expected)?);
        }
        Ok(names)
    }

    fn alias(&mut self) -> Result<Option<Name>, J1qlError> {
        if !self.take_word("AS") {
            return Ok(None);
        }
        self.name("a name after AS").map(Some)
    }

    fn name(&mut self, expected: &str) -> Result<Name, J1qlError> {
        match self.kind() {
            TokenKind::Word(word) if !is_keyword(word) => {
                let name = Spanned { value: word.clone(), span: self.span() };
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    fn whole_number(&mut self) -> Result<u64, J1qlError> {
        let number = match self.kind() {
            TokenKind::Number(number) => number.parse().ok(),
            _ => None,
        };
        // The engine counts rows in 63 bits.
        let is_whole = |number: &String| number.bytes().all(|digit| digit.is_ascii_digit());
        if let TokenKind::Number(written) = self.kind()
            && is_whole(written)
            && number.is_none_or(|rows: u64| i64::try_from(rows).is_err())
        {
            let error = J1qlError::new(self.span(), "the number of rows is too large");
            return Err(error.with_help(format!("write at most {}, or no LIMIT", i64::MAX)));
        }
        let number = number.ok_or_else(|| self.unexpected("a whole number of rows"))?;
        self.at += 1;
        Ok(number)
    }

    /// Reads something nested, unless it is nested too deep.
    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, J1qlError>,
    ) -> Result<T, J1qlError> {
        if self.depth == DEEPEST_NESTING {
            let message = format!("parentheses are nested more than {DEEPEST_NESTING} deep");
            return Err(J1qlError::new(self.span(), message));
        }
        self.depth += 1;
        let inner = read(self);
        self.depth -= 1;
        inner
    }

    fn kind(&self) -> &TokenKind {
        &self.tokens[self.at].kind
    }

    /// The token this many places ahead; the end beyond it.
    fn ahead(&self, places: usize) -> &TokenKind {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + places).min(last)].kind
    }

    fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    fn previous_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(self.kind(), TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_word(&mut self, keyword: &str) -> bool {
        let found = self.is_word(keyword);
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, keyword: &str) -> Result<(), J1qlError> {
        if self.take_word(keyword) { Ok(()) } else { Err(self.unexpected(keyword)) }
    }

    fn take(&mut self, symbol: Symbol) -> bool {
        let found = self.kind() == &TokenKind::Symbol(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: Symbol) -> Result<(), J1qlError> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(symbol.text())) }
    }

    /// The error for a token that cannot stand where it does.
    fn unexpected(&self, expected: &str) -> J1qlError {
        let found = match self.kind() {
            TokenKind::Word(word) => format!("`{word}`"),
            TokenKind::Number(number) => format!("`{number}`"),
            TokenKind::Symbol(symbol) => format!("`{}`", symbol.text()),
            TokenKind::Text(_) => "a text".to_owned(),
            TokenKind::Regex { .. } => "a regular expression".to_owned(),
            TokenKind::Parameter(_) => "a parameter".to_owned(),
            TokenKind::Bracketed(_) => "a property in brackets".to_owned(),
            TokenKind::Date(_) => "a date".to_owned(),
            TokenKind::End => "the end of the query".to_owned(),
        };
        let error = J1qlError::new(self.span(), format!("expected {expected}, found {found}"));
        if let Some(text) = self.unquoted_text() {
            return error.with_help(format!("a text needs quotes: '{text}'"));
        }
        let before = self.at.checked_sub(1).map(|before| &self.tokens[before].kind);
        match self.kind() {
            TokenKind::Symbol(Symbol::Equal)
                if before == Some(&TokenKind::Symbol(Symbol::Equal)) =>
            {
                return error.with_help("write one =");
            }
            TokenKind::Symbol(Symbol::Bang) => {
                return error.with_help(
                    "! negates an operator, as in osName != 'macOS', or a step: THAT !HAS Alert",
                );
            }
            _ => {}
        }
        let TokenKind::Word(word) = self.kind() else { return error };
        // `DISTINCT name` and `CASE WHEN` were read as the name of a property, with something behind it.
        let before = match before {
            Some(TokenKind::Word(before)) => instead_of(before),
            _ => None,
        };
        if let Some(instead) = instead_of(word).or(before) {
            return error.with_help(instead);
        }
        if let Some(TokenKind::Word(after)) = self.tokens.get(self.at + 1).map(|token| &token.kind)
            && after.starts_with(|first: char| first.is_uppercase())
            && !is_keyword(after)
            // Else the next word is no entity, but `Device.osName`.
            && self.tokens.get(self.at + 2).map(|token| &token.kind)
                != Some(&TokenKind::Symbol(Symbol::Dot))
        {
            return error.with_help(format!("a step begins with THAT: THAT {word} {after}"));
        }
        match most_similar(word, KEYWORDS) {
            Some(keyword) if !keyword.eq_ignore_ascii_case(word) => {
                error.with_help(format!("did you mean {keyword}?"))
            }
            _ => error,
        }
    }
}

/// Returns J1QL's counterpart of a word of SQL.
fn instead_of(word: &str) -> Option<&'static str> {
    let found = FOREIGN.iter().find(|(foreign, _)| foreign.eq_ignore_ascii_case(word));
    found.map(|(_, instead)| *instead)
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// Cuts a text at its parameters, `{{name}}` and `${param.name}`.
fn template(text: &str) -> Text {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(found) = next_parameter(rest) {
        if found.start > 0 {
            pieces.push(Piece::Literal(rest[..found.start].to_owned()));
        }
        pieces.push(Piece::Parameter(found.name));
        rest = &rest[found.end..];
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Text { pieces }
}

struct FoundParameter {
    start: usize,
    end: usize,
    name: String,
}

fn next_parameter(text: &str) -> Option<FoundParameter> {
    let find = |open: &str, close: &str| {
        let start = text.find(open)?;
        let inner = &text[start + open.len()..];
        let length = inner.find(close)?;
        let name = inner[..length].trim();
        let end = start + open.len() + length + close.len();
        Some(FoundParameter { start, end, name: name.to_owned() })
    };
    let found = [find("{{", "}}"), find("${param.", "}")];
    found.into_iter().flatten().min_by_key(|parameter| parameter.start)
}
