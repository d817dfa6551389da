//! Expressions that Postgres has and the engine lacks.

use sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType, Expr, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Query, UnaryOperator, Value,
};

use super::select::{aggregated, call, list};
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
        FunctionArguments::Subquery(query) if name == "array" => {
            let mut query: Query = (**query).clone();
            if aggregated(&mut query, "array_agg") {
                return Some(Expr::Subquery(Box::new(query)));
            }
            list(query)
        }
        _ => None,
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
    let doubled = call("replace", vec![pattern.clone(), text("\\"), text("\\\\")]);
    if escape.is_empty() {
        return doubled;
    }
    call("replace", vec![doubled, text(escape), text("\\")])
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
    let is_text = matches!(&**inner, Expr::Value(value)
        if matches!(value.value, Value::SingleQuotedString(_) | Value::Placeholder(_)));
    match type_name(data_type)?.as_str() {
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
        "float8" => DataType::Double(sqlparser::ast::ExactNumberInfo::None),
        "timestamptz" => DataType::Timestamp(None, sqlparser::ast::TimezoneInfo::WithTimeZone),
        _ => return None,
    })
}
