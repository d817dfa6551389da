//! Conditions.
//!
//! A comparison with a property that is undefined does not hold; its negation does. SQL would answer
//! neither, so a negation is never written as `<>` or a bare `NOT`.

use super::{Context, literal};
use crate::dates;
use crate::diagnostic::{J1qlError, Span};
use crate::graph::Kind;
use crate::syntax::{
    Comparison, Filter, Operand, Operator, Path, Piece, Relation, Spanned, Text, Value,
};

/// Between the items of a list that is searched as one text: a character that no value has.
const SEPARATOR: &str = "\u{1f}";

/// A property where a condition is evaluated.
pub(crate) struct Reference {
    /// The column.
    pub(crate) sql: String,
    /// Returns the type of its values; nothing if it is always undefined.
    pub(crate) kind: Option<Kind>,
}

/// Finds the property of a path.
pub(crate) type Resolve<'a> =
    dyn FnMut(&Path, Span, &mut Context<'_>) -> Result<Reference, J1qlError> + 'a;

/// A comparison that is already decided, or one for DataFusion. The latter is null if the property
/// is null, which counts as false.
enum Test {
    Decided(bool),
    Sql(String),
    /// Never null.
    Exact {
        positive: String,
        negated: String,
    },
}

/// Writes a condition.
pub(crate) fn sql(
    filter: &Filter,
    resolve: &mut Resolve<'_>,
    context: &mut Context<'_>,
) -> Result<String, J1qlError> {
    let (parts, word) = match filter {
        Filter::Comparison(comparison) => return comparison_sql(comparison, resolve, context),
        Filter::And(parts) => (parts, " AND "),
        Filter::Or(parts) => (parts, " OR "),
    };
    let parts: Result<Vec<_>, _> = parts.iter().map(|part| sql(part, resolve, context)).collect();
    Ok(format!("({})", parts?.join(word)))
}

fn comparison_sql(
    comparison: &Comparison,
    resolve: &mut Resolve<'_>,
    context: &mut Context<'_>,
) -> Result<String, J1qlError> {
    let Comparison { left, operator, right } = comparison;
    match (&left.value, &right.value) {
        (Operand::Property(one), Operand::Property(other)) => {
            let one = resolve(one, left.span, context)?;
            let other = resolve(other, right.span, context)?;
            context.suggest_quotes(right.span);
            let span = left.span.to(right.span);
            Ok(compare_properties(&one, *operator, &other, span, context))
        }
        (Operand::Property(path), _) => {
            let property = resolve(path, left.span, context)?;
            compare_operand(&property, *operator, right, context)
        }
        (_, Operand::Property(path)) => {
            let span = left.span.to(right.span);
            let relation = operator.relation.flipped().ok_or_else(|| {
                let error = J1qlError::new(span, "the property has to stand on the left here");
                error.with_help("write property ~= 'text'")
            })?;
            let property = resolve(path, right.span, context)?;
            context.suggest_quotes(right.span);
            let operator = Operator { relation, ..*operator };
            compare_operand(&property, operator, left, context)
        }
        _ => {
            let span = left.span.to(right.span);
            let error = J1qlError::new(span, "two values are compared, and no property");
            Err(error.with_help("write property = 'value'"))
        }
    }
}

fn compare_operand(
    property: &Reference,
    operator: Operator,
    operand: &Spanned<Operand>,
    context: &mut Context<'_>,
) -> Result<String, J1qlError> {
    match &operand.value {
        Operand::Value(value) => {
            let test = compare(property, operator.relation, value, operand.span, context)?;
            Ok(finished(test, property, operator.is_negated))
        }
        Operand::Values { values, is_all } => {
            let mut tests = Vec::new();
            for Spanned { value, span } in values {
                let test = compare(property, operator.relation, value, *span, context)?;
                tests.push(finished(test, property, operator.is_negated));
            }
            // Not (a or b) is neither, and not (a and b) lacks one of them.
            let word = if *is_all == operator.is_negated { " OR " } else { " AND " };
            Ok(format!("({})", tests.join(word)))
        }
        Operand::Property(_) => unreachable!("two properties are compared elsewhere"),
    }
}

fn finished(test: Test, property: &Reference, is_negated: bool) -> String {
    match (test, is_negated) {
        (Test::Decided(holds), _) => {
            if holds == is_negated {
                "FALSE".to_owned()
            } else {
                "TRUE".to_owned()
            }
        }
        (Test::Exact { positive, .. } | Test::Sql(positive), false) => positive,
        (Test::Exact { negated, .. }, true) => negated,
        (Test::Sql(positive), true) => format!("({} IS NULL OR NOT ({positive}))", property.sql),
    }
}

/// Compares a property with one value.
fn compare(
    property: &Reference,
    relation: Relation,
    value: &Value,
    span: Span,
    context: &mut Context<'_>,
) -> Result<Test, J1qlError> {
    if matches!(value, Value::Undefined) {
        if relation != Relation::Equal {
            let error = J1qlError::new(span, "undefined is neither greater nor part of anything");
            return Err(error.with_help("write = undefined or != undefined"));
        }
        let Some(_) = property.kind else { return Ok(Test::Decided(true)) };
        let positive = format!("{} IS NULL", property.sql);
        return Ok(Test::Exact { positive, negated: format!("{} IS NOT NULL", property.sql) });
    }
    // A parameter without a value is an error also where the property is unknown.
    let constant = constant(value, property.kind, span, context)?;
    let Some(kind) = property.kind else { return Ok(Test::Decided(false)) };
    let sql = &property.sql;
    match (kind, &constant) {
        (_, Constant::Regex { pattern, flags }) => {
            regex(property, kind, relation, (pattern, flags), span)
        }
        (Kind::Text, Constant::Text(text)) => Ok(Test::Sql(compare_text(sql, relation, text))),
        (Kind::TextList, Constant::Text(text)) => {
            Ok(compare_list(sql, relation, text, span, context))
        }
        (Kind::Number, Constant::Number(number)) => {
            Ok(ordered(sql, relation, number, kind, span, context))
        }
        (Kind::Number, Constant::Time(ms)) => {
            Ok(ordered(sql, relation, &ms.to_string(), kind, span, context))
        }
        (Kind::Time, Constant::Time(ms)) => {
            Ok(ordered(sql, relation, &time(*ms), kind, span, context))
        }
        (Kind::Boolean, Constant::Boolean(value)) => {
            let value = if *value { "TRUE" } else { "FALSE" };
            Ok(ordered(sql, relation, value, kind, span, context))
        }
        (kind, constant) => {
            let message = format!(
                "the property is {}, and {} never equals that",
                kind.describe(),
                constant.describe()
            );
            context.warn(span, message);
            Ok(Test::Decided(false))
        }
    }
}

/// A value with its parameters filled in.
enum Constant {
    Text(String),
    /// As SQL takes it.
    Number(String),
    Boolean(bool),
    Time(i64),
    Regex {
        pattern: String,
        flags: String,
    },
}

impl Constant {
    fn describe(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Time(_) => "a date",
            Self::Regex { .. } => "a regular expression",
        }
    }
}

fn constant(
    value: &Value,
    kind: Option<Kind>,
    span: Span,
    context: &Context<'_>,
) -> Result<Constant, J1qlError> {
    Ok(match value {
        Value::Text(text) => Constant::Text(filled(text, span, context)?),
        Value::Number(number) if kind == Some(Kind::Time) => Constant::Time(milliseconds(*number)),
        Value::Number(number) => Constant::Number(number_literal(*number)),
        Value::Boolean(value) => Constant::Boolean(*value),
        Value::Date(date) => {
            Constant::Time(dates::resolve(date, context.environment.now_ms, span)?)
        }
        Value::Regex { pattern, flags } => {
            Constant::Regex { pattern: pattern.clone(), flags: flags.clone() }
        }
        Value::Parameter(name) => {
            let text = parameter(name, span, context)?;
            typed(text, kind.unwrap_or(Kind::Text)).ok_or_else(|| {
                let described = kind.map_or("a text", Kind::describe);
                let message = format!("the parameter {name} has to be {described}");
                let error = J1qlError::new(span, message);
                if kind != Some(Kind::Time) {
                    return error;
                }
                error.with_help(
                    "write 2026-01-31, 2026-01-31T08:00:00Z or milliseconds since 1970-01-01 UTC",
                )
            })?
        }
        Value::Undefined => unreachable!("undefined is compared elsewhere"),
    })
}

/// Reads the text of a parameter as the kind that it is compared with.
fn typed(text: &str, kind: Kind) -> Option<Constant> {
    match kind {
        Kind::Text | Kind::TextList => Some(Constant::Text(text.to_owned())),
        Kind::Number => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
            Some(Constant::Number(number_literal(number)))
        }
        Kind::Boolean => text.parse().ok().map(Constant::Boolean),
        // As a date first: `2026` is a year, as in `date(2026)`.
        Kind::Time => {
            dates::moment_ms(text.trim()).or_else(|| text.parse().ok()).map(Constant::Time)
        }
    }
}

fn parameter<'a>(name: &str, span: Span, context: &Context<'a>) -> Result<&'a str, J1qlError> {
    context.parameters.borrow_mut().insert(name.to_owned());
    let value = context.environment.parameters.get(name).map(String::as_str);
    value.ok_or_else(|| {
        let error = J1qlError::new(span, format!("the parameter {name} has no value"));
        error.with_help(format!("give it one: --param \"{name}=VALUE\""))
    })
}

/// Fills the parameters of a text in. Their values stay values: nothing in them is read as a query.
pub(crate) fn filled(text: &Text, span: Span, context: &Context<'_>) -> Result<String, J1qlError> {
    let mut filled = String::new();
    for piece in &text.pieces {
        match piece {
            Piece::Literal(literal) => filled.push_str(literal),
            Piece::Parameter(name) => filled.push_str(parameter(name, span, context)?),
        }
    }
    Ok(filled)
}

fn compare_text(sql: &str, relation: Relation, text: &str) -> String {
    let value = literal(text);
    match relation {
        Relation::Contains => format!("contains({sql}, {value})"),
        Relation::StartsWith => format!("starts_with({sql}, {value})"),
        Relation::EndsWith => format!("ends_with({sql}, {value})"),
        ordered => format!("{sql} {} {value}", symbol(ordered)),
    }
}

/// A list compares by its items: one match is enough.
fn compare_list(
    sql: &str,
    relation: Relation,
    text: &str,
    span: Span,
    context: &mut Context<'_>,
) -> Test {
    if relation == Relation::Equal {
        return Test::Sql(format!("array_has({sql}, {})", literal(text)));
    }
    if text.contains(SEPARATOR) {
        return Test::Decided(false);
    }
    // The separator before, between and after the items marks where each begins and ends.
    let between = literal(SEPARATOR);
    let items = format!("array_to_string({sql}, {between})");
    let framed = format!("concat({between}, {items}, {between})");
    let search = match relation {
        Relation::Contains => format!("contains({items}, {})", literal(text)),
        Relation::StartsWith => {
            format!("contains({framed}, {})", literal(&format!("{SEPARATOR}{text}")))
        }
        Relation::EndsWith => {
            format!("contains({framed}, {})", literal(&format!("{text}{SEPARATOR}")))
        }
        _ => {
            context.warn(span, "the property is a list, which has no order");
            return Test::Decided(false);
        }
    };
    // An empty list has no item that an empty text could be part of.
    Test::Sql(format!("(cardinality({sql}) > 0 AND {search})"))
}

fn ordered(
    sql: &str,
    relation: Relation,
    value: &str,
    kind: Kind,
    span: Span,
    context: &mut Context<'_>,
) -> Test {
    if relation.flipped().is_none() {
        context.warn(span, format!("the property is {}, which has no parts", kind.describe()));
        return Test::Decided(false);
    }
    Test::Sql(format!("{sql} {} {value}", symbol(relation)))
}

fn regex(
    property: &Reference,
    kind: Kind,
    relation: Relation,
    (pattern, flags): (&str, &str),
    span: Span,
) -> Result<Test, J1qlError> {
    if !matches!(relation, Relation::Equal | Relation::Contains) {
        let error = J1qlError::new(span, "a regular expression is compared with = or !=");
        return Err(error);
    }
    if kind != Kind::Text {
        let message =
            format!("the property is {}, and a regular expression needs a text", kind.describe());
        return Err(J1qlError::new(span, message).with_help("write ~= 'part' or = 'value'"));
    }
    if pattern.contains("{{") || pattern.contains("${param.") {
        let error = J1qlError::new(span, "a regular expression takes no parameter");
        return Err(error.with_help("write ~= '{{name}}' for a text that is contained"));
    }
    if let Err(error) = regex_syntax::parse(pattern) {
        let reason = match &error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            _ => "it cannot be read".to_owned(),
        };
        return Err(J1qlError::new(span, format!("this is no regular expression: {reason}")));
    }
    let sql = &property.sql;
    let pattern = literal(pattern);
    Ok(Test::Sql(match flags {
        "" => format!("regexp_like({sql}, {pattern})"),
        flags => format!("regexp_like({sql}, {pattern}, {})", literal(flags)),
    }))
}

fn compare_properties(
    one: &Reference,
    operator: Operator,
    other: &Reference,
    span: Span,
    context: &mut Context<'_>,
) -> String {
    let test = match (one.kind, other.kind) {
        (None, _) | (_, None) => Test::Decided(false),
        (Some(left), Some(right)) => {
            properties_test((one, left), operator.relation, (other, right), span, context)
        }
    };
    if let (Test::Sql(positive), true) = (&test, operator.is_negated) {
        return format!("({} IS NULL OR {} IS NULL OR NOT ({positive}))", one.sql, other.sql);
    }
    finished(test, one, operator.is_negated)
}

fn properties_test(
    (one, left): (&Reference, Kind),
    relation: Relation,
    (other, right): (&Reference, Kind),
    span: Span,
    context: &mut Context<'_>,
) -> Test {
    let (a, b) = (&one.sql, &other.sql);
    let sql = match (left, right, relation) {
        (Kind::Text, Kind::Text, Relation::Contains) => format!("contains({a}, {b})"),
        (Kind::Text, Kind::Text, Relation::StartsWith) => format!("starts_with({a}, {b})"),
        (Kind::Text, Kind::Text, Relation::EndsWith) => format!("ends_with({a}, {b})"),
        (Kind::TextList, Kind::Text, Relation::Equal) => format!("array_has({a}, {b})"),
        (Kind::Text, Kind::TextList, Relation::Equal) => format!("array_has({b}, {a})"),
        (Kind::TextList, Kind::TextList, Relation::Equal) => format!("array_has_any({a}, {b})"),
        (Kind::Time, Kind::Number, relation) if relation.flipped().is_some() => {
            format!("CAST({a} AS BIGINT) {} {b}", symbol(relation))
        }
        (Kind::Number, Kind::Time, relation) if relation.flipped().is_some() => {
            format!("{a} {} CAST({b} AS BIGINT)", symbol(relation))
        }
        (left, right, relation)
            if left == right && left != Kind::TextList && relation.flipped().is_some() =>
        {
            format!("{a} {} {b}", symbol(relation))
        }
        (left, right, _) => {
            let message = format!("{} and {} are not alike", left.describe(), right.describe());
            context.warn(span, message);
            return Test::Decided(false);
        }
    };
    Test::Sql(sql)
}

fn symbol(relation: Relation) -> &'static str {
    match relation {
        Relation::Less => "<",
        Relation::LessOrEqual => "<=",
        Relation::Greater => ">",
        Relation::GreaterOrEqual => ">=",
        Relation::Equal | Relation::Contains | Relation::StartsWith | Relation::EndsWith => "=",
    }
}

/// A moment of the type in which times are stored, so that a filter on it reaches the files.
pub(crate) fn time(ms: i64) -> String {
    time_of(&ms.to_string())
}

/// No moment.
pub(crate) fn no_time() -> String {
    time_of("NULL")
}

fn time_of(value: &str) -> String {
    format!("arrow_cast({value}, 'Timestamp(Millisecond, Some(\"UTC\"))')")
}

/// A number as SQL takes it.
pub(crate) fn number_literal(number: f64) -> String {
    /// Up to this value, every whole number has an exact representation.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        return format!("{number:.0}");
    }
    format!("{number:e}")
}

#[expect(clippy::cast_possible_truncation, reason = "a time beyond the range is the last there is")]
fn milliseconds(number: f64) -> i64 {
    number as i64
}
