//! The columns that a query returns, and their order.

use super::{Parser, instead_of, is_keyword};
use crate::diagnostic::{J1qlError, most_similar};
use crate::lexer::{Symbol, TokenKind};
use crate::syntax::{
    Arithmetic, Expression, Function, Item, Name, Order, Path, Returns, Spanned, Value,
};

type Operand = Spanned<Expression>;

impl Parser<'_> {
    pub(super) fn returns(&mut self) -> Result<Returns, J1qlError> {
        // Anything may be named `tree`.
        let is_name = self.ahead(1) == &TokenKind::Symbol(Symbol::Dot);
        if !is_name && self.take_word("TREE") {
            return Ok(Returns::Tree);
        }
        let mut items = vec![self.item()?];
        while self.take(Symbol::Comma) {
            items.push(self.item()?);
        }
        let is_column = matches!(self.kind(), TokenKind::Word(word) if !is_keyword(word))
            && matches!(self.ahead(1), TokenKind::Symbol(Symbol::Open | Symbol::Dot));
        if is_column {
            let error = self.unexpected("a comma before the next column");
            return Err(match &error.help {
                Some(_) => error,
                None => error.with_help("columns are separated by commas"),
            });
        }
        Ok(Returns::Items(items))
    }

    fn item(&mut self) -> Result<Item, J1qlError> {
        let expression = self.expression()?;
        let span = expression.span;
        let text = self.query[span.start..span.end].to_owned();
        let mut alias = None;
        if self.take_word("AS") {
            alias = Some(match self.kind().clone() {
                TokenKind::Text(text) => {
                    self.at += 1;
                    text
                }
                _ => self.name("a name after AS")?.value,
            });
        }
        Ok(Item { expression, alias, text })
    }

    pub(super) fn order(&mut self) -> Result<Vec<Order>, J1qlError> {
        let mut order = Vec::new();
        loop {
            let expression = self.expression()?;
            let is_descending = self.take_word("DESC");
            if !is_descending {
                self.take_word("ASC");
            }
            order.push(Order { expression, is_descending });
            if !self.take(Symbol::Comma) {
                return Ok(order);
            }
        }
    }

    /// Reads a calculation: `+` and `-` bind the least, then `*` and `/`, then `^` from the right.
    fn expression(&mut self) -> Result<Operand, J1qlError> {
        self.nested(|parser| {
            let mut left = parser.term()?;
            loop {
                let operator = if parser.take(Symbol::Plus) {
                    Arithmetic::Add
                } else if parser.take(Symbol::Minus) {
                    Arithmetic::Subtract
                } else {
                    return Ok(left);
                };
                left = binary(left, operator, parser.term()?);
            }
        })
    }

    fn term(&mut self) -> Result<Operand, J1qlError> {
        let mut left = self.power()?;
        loop {
            let operator = if self.take(Symbol::Star) {
                Arithmetic::Multiply
            } else if self.take(Symbol::Slash) {
                Arithmetic::Divide
            } else {
                return Ok(left);
            };
            left = binary(left, operator, self.power()?);
        }
    }

    fn power(&mut self) -> Result<Operand, J1qlError> {
        // A minus before a number belongs to the number; before anything else it takes it from zero.
        let start = self.span();
        let is_number = matches!(self.ahead(1), TokenKind::Number(_));
        if !is_number && self.take(Symbol::Minus) {
            let zero = Spanned { value: Expression::Value(Value::Number(0.0)), span: start };
            let negated = self.nested(Self::power)?;
            return Ok(binary(zero, Arithmetic::Subtract, negated));
        }
        let base = self.primary()?;
        if !self.take(Symbol::Caret) {
            return Ok(base);
        }
        let exponent = self.nested(Self::power)?;
        Ok(binary(base, Arithmetic::Power, exponent))
    }

    fn primary(&mut self) -> Result<Operand, J1qlError> {
        let start = self.span();
        if self.take(Symbol::Open) {
            let inner = self.expression()?;
            self.expect(Symbol::Close)?;
            return Ok(Spanned { value: inner.value, span: start.to(self.previous_span()) });
        }
        let value = if let Some(value) = self.literal()? {
            Expression::Value(value)
        } else if self.ahead(1) == &TokenKind::Symbol(Symbol::Open) {
            self.call()?
        } else {
            self.selector()?
        };
        Ok(Spanned { value, span: start.to(self.previous_span()) })
    }

    /// Reads a value that a calculation can have.
    fn literal(&mut self) -> Result<Option<Value>, J1qlError> {
        let span = self.span();
        match self.value()? {
            Some(Value::Regex { .. }) => {
                Err(J1qlError::new(span, "a regular expression is no value"))
            }
            value => Ok(value),
        }
    }

    fn selector(&mut self) -> Result<Expression, J1qlError> {
        let span = self.span();
        let is_all = self.ahead(1) == &TokenKind::Symbol(Symbol::Dot)
            && self.ahead(2) == &TokenKind::Symbol(Symbol::Star);
        let path = self.path("a name, a property such as device.name, or a function")?;
        if !is_all {
            return Ok(Expression::Selector(path));
        }
        self.expect(Symbol::Dot)?;
        self.expect(Symbol::Star)?;
        let Path { parts } = path;
        Ok(Expression::All(Name { value: parts.join("."), span }))
    }

    fn call(&mut self) -> Result<Expression, J1qlError> {
        let name = self.name("a function")?;
        let Some(function) = Function::named(&name.value) else {
            let names: Vec<_> = Function::names().collect();
            let message = format!("there is no function {}", name.value);
            let similar = most_similar(&name.value, names.iter().copied());
            let help = match (instead_of(&name.value), similar) {
                (Some(instead), _) => instead.to_owned(),
                (None, Some(similar)) => format!("did you mean {similar}?"),
                (None, None) => format!("the functions are {}", names.join(", ")),
            };
            return Err(J1qlError::new(name.span, message).with_help(help));
        };
        self.expect(Symbol::Open)?;
        if function == Function::Count && self.kind() == &TokenKind::Symbol(Symbol::Star) {
            let error = J1qlError::new(self.span(), "count(*) is SQL");
            return Err(error.with_help("name what to count: FIND Device AS d RETURN count(d)"));
        }
        let mut arguments = vec![self.expression()?];
        while self.take(Symbol::Comma) {
            arguments.push(self.expression()?);
        }
        self.expect(Symbol::Close)?;
        let takes_many =
            matches!(function, Function::Concat | Function::Coalesce | Function::Merge);
        if !takes_many && arguments.len() > 1 {
            let message = format!("{} takes one argument", function.name());
            return Err(J1qlError::new(arguments[1].span, message));
        }
        Ok(Expression::Call { function, arguments })
    }
}

fn binary(left: Operand, operator: Arithmetic, right: Operand) -> Operand {
    let span = left.span.to(right.span);
    let value = Expression::Binary { left: Box::new(left), operator, right: Box::new(right) };
    Spanned { value, span }
}
