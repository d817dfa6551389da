//! Expressions that Postgres has and the engine lacks.

use sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType, ExactNumberInfo, Expr, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, Query, TimezoneInfo, TypedString, UnaryOperator, Value,
};

use super::select::{aggregated, call, list};
use super::times;
use crate::catalog::{CLASS_NAME, CLASS_OID, PG_CATALOG, PUBLIC, TYPE_OID, WORD_PREFIX};
use crate::decode;

/// Names that are functions without parentheses.
const WORDS: [&str; 7] = [
    "current_catalog",
    "current_database",
    "current_role",
    "current_schema",
    "current_user",
    "session_user",
    "user",
];

/// Types of names and letters, which are texts here.
const TEXTS: [&str; 11] = [
    "name",
    "char",
    "bpchar",
    "citext",
    "regproc",
    "regprocedure",
    "regnamespace",
    "regrole",
    "sql_identifier",
    "character_data",
    "yes_or_no",
];

/// The most bits of a number that `float(bits)` holds in single precision. `float` alone is double precision.
const SINGLE_BITS: u64 = 24;

/// Replaces an expression whose parts were replaced before.
pub(super) fn rewrite(expr: &mut Expr) {
    let replacement = match expr {
        Expr::Identifier(name) if name.quote_style.is_none() && is_word(&name.value) => {
            Some(word(&name.value))
        }
        // The whole name of a column begins with its database and schema.
        Expr::CompoundIdentifier(parts) if parts.len() > 2 => {
            let rest = parts.split_off(parts.len() - 2);
            Some(Expr::CompoundIdentifier(rest))
        }
        Expr::Function(_) => function(expr),
        Expr::Subquery(query) => {
            aggregated(query, "first_value");
            None
        }
        Expr::Collate { expr, .. } => Some((**expr).clone()),
        Expr::BinaryOp { op, .. } => {
            operator(op);
            None
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => contains(left, right),
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => contains(left, right)
            .map(|contains| Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(contains) }),
        Expr::Cast { .. } => cast(expr),
        Expr::TypedString(typed) => typed_string(typed),
        Expr::AtTimeZone { timestamp, time_zone } => Some(times::in_zone(timestamp, time_zone)),
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            if let Some(escape) = escape_char.take() {
                **pattern = escaped_by_backslash(pattern, &escape.value);
            }
            None
        }
        Expr::Value(value) => {
            let text = match &value.value {
                Value::EscapedStringLiteral(text) => Some(text.clone()),
                Value::DollarQuotedString(text) => Some(text.value.clone()),
                _ => None,
            };
            text.map(|text| Expr::Value(Value::SingleQuotedString(text).into()))
        }
        _ => None,
    };
    if let Some(replacement) = replacement {
        *expr = replacement;
    }
}

fn is_word(name: &str) -> bool {
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// A call of the function that a word means. The engine's parser takes some of these words for something else.
fn word(name: &str) -> Expr {
    call(&format!("{WORD_PREFIX}{}", name.to_lowercase()), Vec::new())
}

/// Drops the schema of a function, and makes `array(select …)` a value.
fn function(expr: &mut Expr) -> Option<Expr> {
    let Expr::Function(function) = expr else { return None };
    let parts = &mut function.name.0;
    let schema = parts.first().and_then(ObjectNamePart::as_ident).map(|name| name.value.clone());
    if parts.len() > 1
        && matches!(schema.as_deref(), Some(PG_CATALOG | PUBLIC | "information_schema"))
    {
        parts.remove(0);
    }
    let name =
        parts.last().and_then(ObjectNamePart::as_ident).map(|name| name.value.to_lowercase());
    let name = name.unwrap_or_default();
    match &mut function.args {
        _ if is_word(&name) => Some(word(&name)),
        FunctionArguments::None | FunctionArguments::List(_) => times::function(function),
        FunctionArguments::Subquery(query) if name == "array" => {
            let mut query: Query = (**query).clone();
            if aggregated(&mut query, "array_agg") {
                return Some(Expr::Subquery(Box::new(query)));
            }
            list(query)
        }
        FunctionArguments::Subquery(_) => None,
    }
}

/// Names an operator without its schema: `operator(pg_catalog.~)`.
fn operator(op: &mut BinaryOperator) {
    let BinaryOperator::PGCustomBinaryOperator(parts) = op else { return };
    *op = match parts.last().map(String::as_str) {
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        Some("~~") => BinaryOperator::PGLikeMatch,
        Some("!~~") => BinaryOperator::PGNotLikeMatch,
        Some("~~*") => BinaryOperator::PGILikeMatch,
        Some("!~~*") => BinaryOperator::PGNotILikeMatch,
        Some("=") => BinaryOperator::Eq,
        Some("<>") => BinaryOperator::NotEq,
        Some("<") => BinaryOperator::Lt,
        Some("<=") => BinaryOperator::LtEq,
        Some(">") => BinaryOperator::Gt,
        Some(">=") => BinaryOperator::GtEq,
        Some("+") => BinaryOperator::Plus,
        Some("-") => BinaryOperator::Minus,
        Some("||") => BinaryOperator::StringConcat,
        _ => return,
    };
}

/// Makes a pattern with the only character for escapes that the engine knows.
fn escaped_by_backslash(pattern: &Expr, escape: &Value) -> Expr {
    let Value::SingleQuotedString(escape) = escape else { return pattern.clone() };
    if escape == "\\" {
        return pattern.clone();
    }
    let text = |text: &str| Expr::Value(Value::SingleQuotedString(text.to_owned()).into());
    if let Expr::Value(value) = pattern
        && let Value::SingleQuotedString(pattern) = &value.value
    {
        return text(&escaped_pattern(pattern, escape));
    }
    let replaced =
        |pattern, from: &str, to: &str| call("replace", vec![pattern, text(from), text(to)]);
    let doubled = replaced(pattern.clone(), "\\", "\\\\");
    if escape.is_empty() {
        return doubled;
    }
    // The escape character itself, while the single ones are replaced.
    let mark = "\u{1}";
    let itself = match escape.as_str() {
        "%" | "_" => format!("\\{escape}"),
        other => other.to_owned(),
    };
    let marked = replaced(doubled, &escape.repeat(2), mark);
    replaced(replaced(marked, escape, "\\"), mark, &itself)
}

/// The same for a pattern that is a text.
fn escaped_pattern(pattern: &str, escape: &str) -> String {
    let mut escaped = String::new();
    let mut chars = pattern.chars();
    while let Some(mut c) = chars.next() {
        let is_escaped = escape.chars().eq([c]);
        if is_escaped {
            // One at the end means itself.
            c = chars.next().unwrap_or(c);
        }
        if c == '\\' || (is_escaped && matches!(c, '%' | '_')) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Compares with any item of a list.
fn contains(left: &Expr, right: &Expr) -> Option<Expr> {
    match right {
        // A query of rows; one of a list was made a value before.
        Expr::Subquery(_) => None,
        Expr::Value(value) => {
            let Value::SingleQuotedString(text) = &value.value else {
                return Some(call("array_has", vec![right.clone(), left.clone()]));
            };
            let items = literals(text)?;
            Some(Expr::InList { expr: Box::new(left.clone()), list: items, negated: false })
        }
        Expr::Nested(inner) => contains(left, inner),
        right => Some(call("array_has", vec![right.clone(), left.clone()])),
    }
}

/// Returns the items of a list that is written as a text.
fn literals(text: &str) -> Option<Vec<Expr>> {
    let items = decode::list(text)?.into_iter();
    let items = items.map(|item| item.map_or(Value::Null, Value::SingleQuotedString));
    Some(items.map(|value| Expr::Value(value.into())).collect())
}

/// Replaces types that the engine does not know.
fn cast(expr: &mut Expr) -> Option<Expr> {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return None };
    if let DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) = data_type {
        let Expr::Value(value) = &**inner else { return None };
        let Value::SingleQuotedString(text) = &value.value else { return None };
        let kind = known(item).unwrap_or_else(|| (**item).clone());
        let items = literals(text)?.into_iter().map(|item| casted(item, kind.clone()));
        return Some(call("make_array", items.collect()));
    }
    let is_parameter =
        matches!(&**inner, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)));
    if times::is_zoned_type(data_type) {
        // The engine tells the type of a parameter by a cast alone.
        let inner = if is_parameter { expr.clone() } else { (**inner).clone() };
        return Some(times::zoned(inner));
    }
    let is_text = is_parameter
        || matches!(&**inner, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
    let Some(name) = type_name(data_type) else {
        *data_type = known(data_type)?;
        return None;
    };
    match name.as_str() {
        "regclass" if is_text => Some(call(CLASS_OID, vec![(**inner).clone()])),
        // A number of a table, which Postgres shows as its name.
        "regclass" => Some(call(CLASS_NAME, vec![(**inner).clone()])),
        "regtype" if is_text => Some(call(TYPE_OID, vec![(**inner).clone()])),
        "regtype" => {
            let null = Expr::Value(Value::Null.into());
            Some(call("format_type", vec![(**inner).clone(), null]))
        }
        _ => {
            *data_type = known(data_type)?;
            None
        }
    }
}

/// Replaces the type of a literal such as `timestamptz '2026-03-01'`.
fn typed_string(typed: &mut TypedString) -> Option<Expr> {
    if times::is_zoned_type(&typed.data_type) {
        return Some(times::zoned(Expr::Value(typed.value.clone())));
    }
    typed.data_type = known(&typed.data_type)?;
    None
}

fn casted(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: sqlparser::ast::CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

/// Returns the name of a type without its schema; none for those that the parser knows and the engine too.
fn type_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Regclass => Some("regclass".to_owned()),
        DataType::Custom(ObjectName(parts), _) => {
            let name = parts.last().and_then(ObjectNamePart::as_ident).map(name_of)?;
            Some(name)
        }
        DataType::Char(_) | DataType::Character(_) => Some("char".to_owned()),
        _ => None,
    }
}

fn name_of(name: &Ident) -> String {
    name.value.to_lowercase()
}

/// Returns the type of the engine for one of the catalog.
fn known(data_type: &DataType) -> Option<DataType> {
    if let DataType::Float(precision) = data_type {
        let is_single =
            matches!(precision, ExactNumberInfo::Precision(bits) if *bits <= SINGLE_BITS);
        return (!is_single).then_some(DataType::Double(ExactNumberInfo::None));
    }
    let name = type_name(data_type)?;
    if TEXTS.contains(&&*name) {
        return Some(DataType::Text);
    }
    Some(match name.as_str() {
        "oid" | "xid" | "cardinal_number" | "int8" | "bigint" => DataType::BigInt(None),
        "int4" | "integer" | "int" => DataType::Integer(None),
        "int2" | "smallint" => DataType::SmallInt(None),
        "bool" | "boolean" => DataType::Boolean,
        "text" | "varchar" => DataType::Text,
        "float8" => DataType::Double(ExactNumberInfo::None),
        "timestamptz" => DataType::Timestamp(None, TimezoneInfo::Tz),
        _ => return None,
    })
}
