//! Conditions, and the values in them.

use super::{Parser, is_keyword, template};
use crate::dates;
use crate::diagnostic::J1qlError;
use crate::lexer::{Symbol, TokenKind};
use crate::syntax::{
    Comparison, Date, DateBase, Filter, Offset, Operand, Operator, Path, Relation, Spanned, Unit,
    Value,
};

/// The operators with their symbols.
const OPERATORS: [(Symbol, Relation, bool); 12] = [
    (Symbol::Equal, Relation::Equal, false),
    (Symbol::NotEqual, Relation::Equal, true),
    (Symbol::Less, Relation::Less, false),
    (Symbol::LessOrEqual, Relation::LessOrEqual, false),
    (Symbol::Greater, Relation::Greater, false),
    (Symbol::GreaterOrEqual, Relation::GreaterOrEqual, false),
    (Symbol::Contains, Relation::Contains, false),
    (Symbol::StartsWith, Relation::StartsWith, false),
    (Symbol::EndsWith, Relation::EndsWith, false),
    (Symbol::NotContains, Relation::Contains, true),
    (Symbol::NotStartsWith, Relation::StartsWith, true),
    (Symbol::NotEndsWith, Relation::EndsWith, true),
];

/// The units of time as they may be written.
const UNITS: [(&[&str], Unit); 4] = [
    (&["hour", "hours", "hr", "hrs"], Unit::Hour),
    (&["day", "days"], Unit::Day),
    (&["month", "months", "mo", "mos"], Unit::Month),
    (&["year", "years", "yr", "yrs"], Unit::Year),
];

impl Parser<'_> {
    /// Reads a condition. `AND` binds more tightly than `OR`.
    pub(super) fn filter(&mut self) -> Result<Filter, J1qlError> {
        self.nested(|parser| {
            let mut parts = vec![parser.conjunction()?];
            while parser.take_word("OR") {
                parts.push(parser.conjunction()?);
            }
            Ok(single_or(parts, Filter::Or))
        })
    }

    fn conjunction(&mut self) -> Result<Filter, J1qlError> {
        let mut parts = vec![self.condition()?];
        while self.take_word("AND") {
            parts.push(self.condition()?);
        }
        Ok(single_or(parts, Filter::And))
    }

    fn condition(&mut self) -> Result<Filter, J1qlError> {
        if self.kind() == &TokenKind::Symbol(Symbol::Open) && !self.is_value_list() {
            self.at += 1;
            let filter = self.filter()?;
            self.expect(Symbol::Close)?;
            return Ok(filter);
        }
        let left = self.operand()?;
        let operator = self.operator()?;
        let right = self.operand()?;
        Ok(Filter::Comparison(Comparison { left, operator, right }))
    }

    /// Returns whether a parenthesis holds values rather than conditions: after its first value comes no
    /// operator.
    fn is_value_list(&self) -> bool {
        let is_value = match self.ahead(1) {
            TokenKind::Text(_)
            | TokenKind::Number(_)
            | TokenKind::Regex { .. }
            | TokenKind::Parameter(_) => true,
            TokenKind::Word(word) => constant(word).is_some(),
            _ => false,
        };
        let ends = match self.ahead(2) {
            TokenKind::Symbol(Symbol::Close) => true,
            TokenKind::Word(word) => {
                word.eq_ignore_ascii_case("OR") || word.eq_ignore_ascii_case("AND")
            }
            _ => false,
        };
        is_value && ends
    }

    fn operator(&mut self) -> Result<Operator, J1qlError> {
        let found = match self.kind() {
            TokenKind::Symbol(symbol) => OPERATORS.iter().find(|(known, ..)| known == symbol),
            _ => None,
        };
        let Some((_, relation, is_negated)) = found else {
            // `NOT osName = 'a'` reads as a property NOT without an operator.
            let is_not = self.at.checked_sub(1).is_some_and(|before| {
                matches!(&self.tokens[before].kind, TokenKind::Word(word) if word == "NOT")
            });
            if is_not {
                self.at -= 1;
                return Err(self.unexpected("a property"));
            }
            return Err(self.unexpected("an operator, such as = or ~="));
        };
        self.at += 1;
        Ok(Operator { is_negated: *is_negated, relation: *relation })
    }

    /// The text around this token that lacks quotes: a word on the right of an operator, and what stands behind it.
    pub(super) fn unquoted_text(&self) -> Option<&str> {
        let [operator, word] = [2, 1]
            .map(|places| self.at.checked_sub(places).map(|before| &self.tokens[before].kind));
        let (Some(TokenKind::Symbol(symbol)), Some(TokenKind::Word(word))) = (operator, word)
        else {
            return None;
        };
        let is_operator = OPERATORS.iter().any(|(known, ..)| known == symbol);
        let is_more = match self.kind() {
            TokenKind::Number(_) => true,
            TokenKind::Symbol(symbol) => {
                matches!(symbol, Symbol::Minus | Symbol::Plus | Symbol::Slash | Symbol::Star)
            }
            _ => false,
        };
        if !(is_operator && is_more) || is_keyword(word) {
            return None;
        }
        let (start, end) = (self.previous_span().start, self.span().end);
        let ends = |next: char| next.is_whitespace() || next == ')';
        let rest = self.query[end..].find(ends).unwrap_or(self.query.len() - end);
        Some(&self.query[start..end + rest])
    }

    fn operand(&mut self) -> Result<Spanned<Operand>, J1qlError> {
        let start = self.span();
        let value = if self.take(Symbol::Open) {
            self.value_list()?
        } else if let Some(value) = self.value()? {
            Operand::Value(value)
        } else {
            Operand::Property(self.path("a property or a value")?)
        };
        Ok(Spanned { value, span: start.to(self.previous_span()) })
    }

    /// Reads the rest of `('a' OR 'b')`.
    fn value_list(&mut self) -> Result<Operand, J1qlError> {
        let mut values = vec![self.listed_value()?];
        let mut is_all = None;
        loop {
            let span = self.span();
            let all = if self.take_word("OR") || self.take(Symbol::Pipe) {
                false
            } else if self.take_word("AND") {
                true
            } else if self.take(Symbol::Comma) {
                let error = J1qlError::new(span, "values are not separated by commas");
                return Err(error.with_help("write ('a' OR 'b') for any of them"));
            } else {
                break;
            };
            if is_all.is_some_and(|before| before != all) {
                return Err(J1qlError::new(span, "a list of values has either OR or AND"));
            }
            is_all = Some(all);
            values.push(self.listed_value()?);
        }
        self.expect(Symbol::Close)?;
        match is_all {
            Some(is_all) => Ok(Operand::Values { values, is_all }),
            None => Ok(values
                .pop()
                .map_or(Operand::Value(Value::Undefined), |only| Operand::Value(only.value))),
        }
    }

    fn listed_value(&mut self) -> Result<Spanned<Value>, J1qlError> {
        let start = self.span();
        let value = self.value()?.ok_or_else(|| self.unexpected("a value"))?;
        Ok(Spanned { value, span: start.to(self.previous_span()) })
    }

    /// Reads a value, if one stands here.
    pub(super) fn value(&mut self) -> Result<Option<Value>, J1qlError> {
        let value = match self.kind().clone() {
            TokenKind::Text(text) => Value::Text(template(&text)),
            TokenKind::Regex { pattern, flags } => {
                if let Some(flag) = flags.chars().find(|flag| !"ims".contains(*flag)) {
                    let message = format!("regular expressions have no flag {flag}");
                    return Err(J1qlError::new(self.span(), message).with_help("i ignores case"));
                }
                Value::Regex { pattern, flags }
            }
            TokenKind::Parameter(name) => Value::Parameter(name),
            TokenKind::Number(number) => Value::Number(self.number(&number)?),
            TokenKind::Symbol(Symbol::Minus) => match self.ahead(1).clone() {
                TokenKind::Number(number) => {
                    self.at += 1;
                    Value::Number(-self.number(&number)?)
                }
                _ => return Ok(None),
            },
            TokenKind::Date(text) => {
                let base = DateBase::At(self.moment(&text)?);
                self.at += 1;
                return self.date_from(base).map(Some);
            }
            TokenKind::Word(word) if word.eq_ignore_ascii_case("date") && self.is_now() => {
                self.at += 3;
                return self.date_from(DateBase::Now).map(Some);
            }
            TokenKind::Word(word) => match constant(&word) {
                Some(value) => value,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(value))
    }

    fn number(&self, text: &str) -> Result<f64, J1qlError> {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| J1qlError::new(self.span(), "the number is too large"))
    }

    /// Reads a property: `name`, `tag.Owner`, `[tag.special-name]`, `alias.name`.
    pub(super) fn path(&mut self, expected: &str) -> Result<Path, J1qlError> {
        let mut parts = Vec::new();
        loop {
            let part = match self.kind() {
                TokenKind::Word(word) if !parts.is_empty() || !is_keyword(word) => word.clone(),
                TokenKind::Bracketed(name) => name.clone(),
                _ => return Err(self.unexpected(expected)),
            };
            parts.push(part);
            self.at += 1;
            let follows = matches!(self.ahead(1), TokenKind::Word(_) | TokenKind::Bracketed(_));
            if !(follows && self.take(Symbol::Dot)) {
                return Ok(Path { parts });
            }
        }
    }

    /// Returns whether `date` begins `date.now`, and is no property.
    fn is_now(&self) -> bool {
        self.ahead(1) == &TokenKind::Symbol(Symbol::Dot)
            && matches!(self.ahead(2), TokenKind::Word(word) if word.eq_ignore_ascii_case("now"))
    }

    /// Reads the offset of a time: `- 7 days`.
    fn date_from(&mut self, base: DateBase) -> Result<Value, J1qlError> {
        let mut offsets = Vec::new();
        // A sign before anything else than a number belongs to a calculation around the date.
        while matches!(self.ahead(1), TokenKind::Number(_)) {
            let sign = if self.take(Symbol::Plus) {
                1
            } else if self.take(Symbol::Minus) {
                -1
            } else {
                break;
            };
            offsets.push(self.offset(sign)?);
        }
        Ok(Value::Date(Date { base, offsets }))
    }

    fn offset(&mut self, sign: i64) -> Result<Offset, J1qlError> {
        let amount = match self.kind() {
            TokenKind::Number(number) => number.parse::<i64>().ok(),
            _ => None,
        };
        let amount = amount.ok_or_else(|| self.unexpected("a whole number of hours, days …"))?;
        self.at += 1;
        let unit = match self.kind() {
            TokenKind::Word(word) => unit(word),
            _ => None,
        };
        let unit = unit.ok_or_else(|| {
            let error = self.unexpected("hours, days, months or years");
            error.with_help("two weeks are 14 days: date.now - 14 days")
        })?;
        self.at += 1;
        Ok(Offset { amount: amount * sign, unit })
    }

    /// Reads the content of `date(…)`.
    fn moment(&self, text: &str) -> Result<i64, J1qlError> {
        dates::moment_ms(text.trim().trim_matches(['\'', '"'])).ok_or_else(|| {
            let error = J1qlError::new(self.span(), "this is no date");
            error.with_help("write date(2026-01-31) or date(2026-01-31T08:00:00Z)")
        })
    }
}

fn unit(word: &str) -> Option<Unit> {
    let found =
        UNITS.iter().find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(word)));
    found.map(|(_, unit)| *unit)
}

fn constant(word: &str) -> Option<Value> {
    match word.to_ascii_lowercase().as_str() {
        "true" => Some(Value::Boolean(true)),
        "false" => Some(Value::Boolean(false)),
        "undefined" => Some(Value::Undefined),
        _ => None,
    }
}

fn single_or(mut parts: Vec<Filter>, several: impl Fn(Vec<Filter>) -> Filter) -> Filter {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    several(parts)
}
