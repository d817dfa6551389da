//! The columns of the answer, counts and sums among them.
//!
//! The same entity is in as many paths as continue from it. So a count counts distinct keys, and a sum or a mean is
//! computed over a separate table that has every entity once.

use std::fmt::Write as _;

use super::arithmetic::{self, has_aggregate, once_each};
use super::condition::{self, Reference};
use super::paths::Columns;
use super::{
    Body, Context, common_kind, identifier, literal, order_clause, order_key, selected_property,
    where_clause,
};
use crate::dates;
use crate::diagnostic::{J1qlError, Span};
use crate::graph::Kind;
use crate::plan::Plan;
use crate::syntax::{Arithmetic, Expression, Function, Item, Path, Query, Spanned, Value};

/// Names of the tables of sums: there are as many as a query may have.
const SUM_TABLES: [&str; 8] =
    ["sums0", "sums1", "sums2", "sums3", "sums4", "sums5", "sums6", "sums7"];

/// The longest calculation under a root, in bytes of SQL.
const MAX_REPEATED: usize = 4096;

/// Writes the columns of the answer.
pub(crate) fn sql(
    query: &Query,
    items: &[Item],
    plan: &Plan<'_>,
    condition: Option<&str>,
    columns: &mut Columns,
    context: &mut Context<'_>,
) -> Result<Body, J1qlError> {
    let expressions = items.iter().map(|item| &item.expression.value);
    let ordered = query.order.iter().map(|order| &order.expression.value);
    let is_grouped = expressions.chain(ordered).any(has_aggregate);
    let mut writer = Writer {
        plan,
        columns,
        context,
        is_grouped,
        groups: Vec::new(),
        aggregates: Vec::new(),
        sums: Vec::new(),
    };
    let mut outputs: Vec<Output> = Vec::new();
    for item in items {
        for output in writer.item(item)? {
            if outputs.iter().any(|known| known.name == output.name) {
                let message = format!("the column {} is returned twice", output.name);
                let error = J1qlError::new(item.expression.span, message);
                return Err(error.with_help("give it another name: … AS name"));
            }
            outputs.push(output);
        }
    }
    let order = writer.order(query, &outputs)?;
    let select: Vec<String> = outputs
        .iter()
        .map(|output| format!("{} AS {}", output.sql, identifier(&output.name)))
        .collect();
    let distinct = if query.is_unique { "DISTINCT " } else { "" };
    let filter = where_clause(condition);
    let (tables, from) = if is_grouped {
        writer.group_tables(&filter)
    } else {
        (Vec::new(), format!("paths{filter}"))
    };
    let select =
        format!("SELECT {distinct}{}\nFROM {from}{}", select.join(", "), order_clause(&order));
    Ok(Body { select, needs_paths: true, tables })
}

/// A column of the answer.
struct Output {
    name: String,
    sql: String,
}

/// A calculation as SQL.
struct Typed {
    sql: String,
    /// Nothing if it never has a value.
    kind: Option<Kind>,
}

struct Writer<'a, 'b> {
    plan: &'a Plan<'a>,
    columns: &'a mut Columns,
    context: &'a mut Context<'b>,
    is_grouped: bool,
    /// The columns of paths that rows are grouped by.
    groups: Vec<String>,
    /// Aggregates over all paths.
    aggregates: Vec<String>,
    /// Sums and means: the function, the keys that make a value one, the value.
    sums: Vec<(Function, Vec<String>, String)>,
}

impl Writer<'_, '_> {
    fn item(&mut self, item: &Item) -> Result<Vec<Output>, J1qlError> {
        let span = item.expression.span;
        let whole = match &item.expression.value {
            Expression::All(name) => Some(name.value.as_str()),
            Expression::Selector(path) => match path.parts.as_slice() {
                [name] => Some(name.as_str()),
                _ => None,
            },
            _ => None,
        };
        if let Some(name) = whole {
            return self.all_properties(name, span);
        }
        let typed = self.expression(&item.expression)?;
        let name = item.alias.clone().unwrap_or_else(|| item.text.clone());
        Ok(vec![Output { name, sql: typed.sql }])
    }

    /// Every property of a named entity or relationship, each a column.
    fn all_properties(&mut self, name: &str, span: Span) -> Result<Vec<Output>, J1qlError> {
        let slot = self.plan.slot(name, span)?;
        let mut outputs = Vec::new();
        for property in self.plan.properties(slot) {
            let path = Path { parts: vec![name.to_owned(), property.to_owned()] };
            let typed = self.selector(&path, span)?;
            outputs.push(Output { name: format!("{name}.{property}"), sql: typed.sql });
        }
        Ok(outputs)
    }

    fn expression(&mut self, expression: &Spanned<Expression>) -> Result<Typed, J1qlError> {
        let span = expression.span;
        match &expression.value {
            Expression::Selector(path) => self.selector(path, span),
            Expression::All(name) => {
                let message = format!("{}.* is many values", name.value);
                Err(J1qlError::new(span, message).with_help("name one of them"))
            }
            Expression::Value(value) => self.value(value, span),
            Expression::Binary { left, operator, right } => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                if *operator == Arithmetic::Power && left.len() + right.len() > MAX_REPEATED {
                    return Err(J1qlError::new(span, "the calculation of the power is too long"));
                }
                Ok(Typed {
                    sql: arithmetic::sql(&left, *operator, &right),
                    kind: Some(Kind::Number),
                })
            }
            Expression::Call { function, arguments } if function.is_aggregate() => {
                self.aggregate(*function, &arguments[0])
            }
            Expression::Call { function, arguments } => self.call(*function, arguments),
        }
    }

    fn selector(&mut self, path: &Path, span: Span) -> Result<Typed, J1qlError> {
        let Reference { sql, kind } = self.property(path, span)?;
        if !self.is_grouped {
            return Ok(Typed { sql, kind });
        }
        let group = self.groups.iter().position(|known| *known == sql).unwrap_or_else(|| {
            self.groups.push(sql);
            self.groups.len() - 1
        });
        Ok(Typed { sql: format!("groups.\"k{group}\""), kind })
    }

    /// The column of paths for a selector. A property that no type has is an empty text.
    fn property(&mut self, path: &Path, span: Span) -> Result<Reference, J1qlError> {
        if let [name] = path.parts.as_slice()
            && self.plan.has_name(name)
        {
            let message = format!("{name} is an entity or a relationship, not a value");
            let help = format!("name a property, such as {name}.displayName");
            return Err(J1qlError::new(span, message).with_help(help));
        }
        let property = selected_property(self.plan, path, span, self.columns, self.context)?;
        Ok(match property.kind {
            Some(_) => property,
            None => Reference { sql: "CAST(NULL AS VARCHAR)".to_owned(), kind: None },
        })
    }

    fn value(&mut self, value: &Value, span: Span) -> Result<Typed, J1qlError> {
        let (sql, kind) = match value {
            Value::Text(text) => {
                (literal(&condition::filled(text, span, self.context)?), Some(Kind::Text))
            }
            Value::Number(number) => (condition::number_literal(*number), Some(Kind::Number)),
            Value::Boolean(true) => ("TRUE".to_owned(), Some(Kind::Boolean)),
            Value::Boolean(false) => ("FALSE".to_owned(), Some(Kind::Boolean)),
            Value::Date(date) => {
                let ms = dates::resolve(date, self.context.environment.now_ms, span)?;
                (condition::time(ms), Some(Kind::Time))
            }
            Value::Undefined => ("CAST(NULL AS VARCHAR)".to_owned(), None),
            Value::Parameter(_) | Value::Regex { .. } => {
                let error = J1qlError::new(span, "this value cannot be returned");
                return Err(error.with_help("put a parameter in quotes: '{{name}}'"));
            }
        };
        Ok(Typed { sql, kind })
    }

    /// A calculation that arithmetic can take; a time counts its milliseconds.
    fn number(&mut self, expression: &Spanned<Expression>) -> Result<String, J1qlError> {
        let typed = self.expression(expression)?;
        match typed.kind {
            Some(Kind::Number) => Ok(typed.sql),
            Some(Kind::Time) => Ok(format!("CAST({} AS BIGINT)", typed.sql)),
            None => Ok("CAST(NULL AS DOUBLE)".to_owned()),
            Some(kind) => {
                let message =
                    format!("this is {}, and a calculation needs a number", kind.describe());
                Err(J1qlError::new(expression.span, message))
            }
        }
    }

    fn call(
        &mut self,
        function: Function,
        arguments: &[Spanned<Expression>],
    ) -> Result<Typed, J1qlError> {
        let number = |sql| Ok(Typed { sql, kind: Some(Kind::Number) });
        match function {
            Function::Concat => {
                let texts: Result<Vec<String>, J1qlError> = arguments
                    .iter()
                    .map(|argument| Ok(as_text(&self.expression(argument)?)))
                    .collect();
                let sql = format!("concat({})", texts?.join(", "));
                Ok(Typed { sql, kind: Some(Kind::Text) })
            }
            Function::Coalesce => self.coalesce(arguments),
            Function::Merge => self.merge(arguments),
            Function::Abs => number(format!("abs({})", self.number(&arguments[0])?)),
            Function::Sqrt => {
                // The root of a negative number is undefined, and not an error or NaN.
                let value = self.number(&arguments[0])?;
                // The calculation stands there twice, so roots of roots would grow without bound.
                if value.len() > MAX_REPEATED {
                    let span = arguments[0].span;
                    return Err(J1qlError::new(span, "the calculation under the root is too long"));
                }
                number(format!("CASE WHEN {value} >= 0 THEN sqrt({value}) END"))
            }
            Function::Ceil => number(format!("ceil({})", self.number(&arguments[0])?)),
            Function::Floor => number(format!("floor({})", self.number(&arguments[0])?)),
            Function::Round => number(format!("round({})", self.number(&arguments[0])?)),
            Function::Count | Function::Min | Function::Max | Function::Average | Function::Sum => {
                self.aggregate(function, &arguments[0])
            }
        }
    }

    fn coalesce(&mut self, arguments: &[Spanned<Expression>]) -> Result<Typed, J1qlError> {
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.expression(argument)?);
        }
        let kinds: Vec<Kind> = values.iter().filter_map(|value| value.kind).collect();
        let Some(kind) = common_kind(&kinds) else {
            return Ok(Typed { sql: "CAST(NULL AS VARCHAR)".to_owned(), kind: None });
        };
        let is_shared = kinds.iter().all(|known| *known == kind);
        let values = values.iter().filter(|value| value.kind.is_some());
        let values: Vec<String> = values
            .map(|value| if is_shared { value.sql.clone() } else { as_text(value) })
            .collect();
        Ok(Typed { sql: format!("coalesce({})", values.join(", ")), kind: Some(kind) })
    }

    /// The distinct values as a list. An empty text represents an undefined value and is removed again.
    fn merge(&mut self, arguments: &[Spanned<Expression>]) -> Result<Typed, J1qlError> {
        let mut lists = Vec::new();
        for argument in arguments {
            let value = self.expression(argument)?;
            lists.push(if value.kind == Some(Kind::TextList) {
                format!("coalesce({}, make_array(''))", value.sql)
            } else {
                format!("make_array(coalesce({}, ''))", as_text(&value))
            });
        }
        let all = format!("array_concat({})", lists.join(", "));
        let sql = format!("array_remove_all(array_distinct({all}), '')");
        Ok(Typed { sql, kind: Some(Kind::TextList) })
    }

    fn aggregate(
        &mut self,
        function: Function,
        argument: &Spanned<Expression>,
    ) -> Result<Typed, J1qlError> {
        let span = argument.span;
        if has_aggregate(&argument.value) {
            return Err(J1qlError::new(span, "a count or sum within another has no meaning"));
        }
        if function == Function::Count {
            let sql = self.count(argument)?;
            return Ok(self.over_paths(sql, Some(Kind::Number)));
        }
        // Aggregated values are not grouped by.
        let is_grouped = std::mem::replace(&mut self.is_grouped, false);
        let value = self.expression(argument);
        self.is_grouped = is_grouped;
        let Typed { sql, kind } = value?;
        let is_number = matches!(kind, Some(Kind::Number) | None);
        match function {
            Function::Min | Function::Max if kind == Some(Kind::TextList) => {
                Err(J1qlError::new(span, "a list has neither a least nor a greatest value"))
            }
            Function::Min => Ok(self.over_paths(format!("min({sql})"), kind)),
            Function::Max => Ok(self.over_paths(format!("max({sql})"), kind)),
            _ if !is_number => {
                let kind = kind.map_or("undefined", Kind::describe);
                let message = format!("{} needs a number, and this is {kind}", function.name());
                Err(J1qlError::new(span, message))
            }
            _ => {
                let keys = self.keys_of(argument)?;
                if keys.is_empty() {
                    let message = format!("{} needs a property", function.name());
                    let help = self.plan.counting_help();
                    return Err(J1qlError::new(span, message).with_help(help));
                }
                let sql = if kind.is_some() { sql } else { "CAST(NULL AS DOUBLE)".to_owned() };
                self.sums.push((function, keys, sql));
                let sql = format!("{}.\"value\"", Self::sum_table(self.sums.len() - 1, span)?);
                Ok(Typed { sql, kind: Some(Kind::Number) })
            }
        }
    }

    fn sum_table(number: usize, span: Span) -> Result<&'static str, J1qlError> {
        SUM_TABLES.get(number).copied().ok_or_else(|| {
            J1qlError::new(span, format!("a query has at most {} sums and means", SUM_TABLES.len()))
        })
    }

    fn over_paths(&mut self, sql: String, kind: Option<Kind>) -> Typed {
        let number = self.aggregates.iter().position(|known| *known == sql).unwrap_or_else(|| {
            self.aggregates.push(sql);
            self.aggregates.len() - 1
        });
        Typed { sql: format!("groups.\"a{number}\""), kind }
    }

    /// Counts the distinct entities of a name, or those of them that have a property.
    fn count(&mut self, argument: &Spanned<Expression>) -> Result<String, J1qlError> {
        let Expression::Selector(path) = &argument.value else {
            let error =
                J1qlError::new(argument.span, "count takes a name or one of its properties");
            return Err(error.with_help(self.plan.counting_help()));
        };
        let whole = Path { parts: vec![path.parts[0].clone(), "_key".to_owned()] };
        let key = selected_property(self.plan, &whole, argument.span, self.columns, self.context)?;
        if path.parts.len() == 1 {
            return Ok(format!("count(DISTINCT {})", key.sql));
        }
        let property = self.property(path, argument.span)?;
        Ok(format!("count(DISTINCT CASE WHEN {} IS NOT NULL THEN {} END)", property.sql, key.sql))
    }

    /// The keys of all entities and relationships that a calculation takes values from.
    fn keys_of(&mut self, expression: &Spanned<Expression>) -> Result<Vec<String>, J1qlError> {
        let mut keys = Vec::new();
        match &expression.value {
            Expression::Selector(path) => {
                let slot = self.plan.slot(&path.parts[0], expression.span)?;
                keys.push(self.columns.add(slot, "_key"));
            }
            Expression::Binary { left, right, .. } => {
                keys.extend(self.keys_of(left)?);
                keys.extend(self.keys_of(right)?);
            }
            Expression::Call { arguments, .. } => {
                for argument in arguments {
                    keys.extend(self.keys_of(argument)?);
                }
            }
            Expression::All(_) | Expression::Value(_) => {}
        }
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    /// The tables of groups and of sums, and how they are joined.
    fn group_tables(&self, filter: &str) -> (Vec<(&'static str, String)>, String) {
        let keys: Vec<String> = self
            .groups
            .iter()
            .enumerate()
            .map(|(number, sql)| format!("{sql} AS \"k{number}\""))
            .collect();
        let names: Vec<String> = (0..keys.len()).map(|number| format!("\"k{number}\"")).collect();
        let mut columns = keys.clone();
        for (number, sql) in self.aggregates.iter().enumerate() {
            columns.push(format!("{sql} AS \"a{number}\""));
        }
        if columns.is_empty() {
            columns.push("count(*) AS \"rows\"".to_owned());
        }
        let by = |names: &[String]| {
            if names.is_empty() {
                String::new()
            } else {
                format!("\nGROUP BY {}", names.join(", "))
            }
        };
        let groups =
            format!("SELECT {}\nFROM paths{filter}{}", columns.join(", "), by(&self.groups));
        let mut tables = vec![("groups", groups)];
        let mut from = "groups".to_owned();
        for (table, (function, entity_keys, value)) in SUM_TABLES.into_iter().zip(&self.sums) {
            let mut inner = keys.clone();
            inner.extend(
                entity_keys.iter().enumerate().map(|(n, key)| format!("{key} AS \"e{n}\"")),
            );
            inner.push(format!("{value} AS \"value\""));
            // Paths without the entities have no value, even if the calculation has a default.
            let present: Vec<String> =
                (0..entity_keys.len()).map(|n| format!("\"e{n}\" IS NOT NULL")).collect();
            let mut outer = names.clone();
            outer.push(format!("{} AS \"value\"", once_each(*function)));
            let sums = format!(
                "SELECT {}\nFROM (SELECT DISTINCT {} FROM paths{filter}) AS once\nWHERE {}{}",
                outer.join(", "),
                inner.join(", "),
                present.join(" OR "),
                by(&names)
            );
            tables.push((table, sums));
            let pairs: Vec<String> = names
                .iter()
                .map(|name| format!("(groups.{name} IS NOT DISTINCT FROM {table}.{name})"))
                .collect();
            if pairs.is_empty() {
                let _ = write!(from, "\nCROSS JOIN {table}");
            } else {
                let _ = write!(from, "\nLEFT JOIN {table} ON {}", pairs.join(" AND "));
            }
        }
        (tables, from)
    }

    fn order(&mut self, query: &Query, outputs: &[Output]) -> Result<Vec<String>, J1qlError> {
        let mut keys = Vec::new();
        for order in &query.order {
            let key = self.order_column(query, &order.expression, outputs)?;
            keys.push(order_key(&key, order.is_descending));
        }
        Ok(keys)
    }

    fn order_column(
        &mut self,
        query: &Query,
        expression: &Spanned<Expression>,
        outputs: &[Output],
    ) -> Result<String, J1qlError> {
        if matches!(expression.value, Expression::Value(_)) {
            let error = J1qlError::new(expression.span, "a value orders nothing");
            return Err(error.with_help("name a returned column or a property"));
        }
        if let Expression::Selector(path) = &expression.value {
            let name = path.joined();
            if let Some(output) = outputs.iter().find(|output| output.name == name) {
                return Ok(identifier(&output.name));
            }
        }
        let known = self.groups.len();
        let typed = self.expression(expression)?;
        if let Some(output) = outputs.iter().find(|output| output.sql == typed.sql) {
            return Ok(identifier(&output.name));
        }
        if query.is_unique || self.groups.len() > known {
            let error =
                J1qlError::new(expression.span, "the order is by a column that is not returned");
            return Err(error.with_help("return it, or order by one of the returned columns"));
        }
        Ok(typed.sql)
    }
}

fn as_text(value: &Typed) -> String {
    match value.kind {
        Some(Kind::Text) | None => value.sql.clone(),
        Some(Kind::TextList) => format!("array_to_string({}, {})", value.sql, literal(", ")),
        Some(_) => format!("CAST({} AS VARCHAR)", value.sql),
    }
}
