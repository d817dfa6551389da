//! Times with a zone: the engine's `timestamptz` has none, and its `AT TIME ZONE` changes no time.

use sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart,
    TimezoneInfo, TypedString, Value,
};

use super::select::call;

/// The type of times with a zone, as the engine's function `arrow_cast` takes it.
const ZONED: &str = "Timestamp(ns, \"UTC\")";

/// The functions that return a time with a zone in Postgres, and one without here.
const ZONED_FUNCTIONS: [&str; 6] = [
    "clock_timestamp",
    "current_timestamp",
    "now",
    "statement_timestamp",
    "to_timestamp",
    "transaction_timestamp",
];

/// Returns true for `timestamptz` and `timestamp with time zone`.
pub(super) fn is_zoned_type(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz))
}

/// Returns true for `timestamp` and `timestamp without time zone`.
fn is_local_type(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone))
}

/// Makes a time with a zone of a time or a text.
pub(super) fn zoned(expr: Expr) -> Expr {
    let zoned = Expr::Value(Value::SingleQuotedString(ZONED.to_owned()).into());
    call("arrow_cast", vec![expr, zoned])
}

/// Replaces the calls of functions whose times have a zone in Postgres.
pub(super) fn function(function: &Function) -> Option<Expr> {
    match (&*name_of(function)?, arguments(function).as_slice()) {
        ("timezone", [zone, time]) => Some(in_zone(time, zone)),
        (name, _) if ZONED_FUNCTIONS.contains(&name) => {
            Some(zoned(Expr::Function(function.clone())))
        }
        _ => None,
    }
}

/// Returns `time AT TIME ZONE zone`: the local time of a time with a zone, and the time with a zone of a local one.
///
/// Only the form of an expression tells which it is. A column counts as one with a zone: those of all tables are.
pub(super) fn in_zone(time: &Expr, zone: &Expr) -> Expr {
    let at = |time: Expr| Expr::AtTimeZone {
        timestamp: Box::new(time),
        time_zone: Box::new(zone.clone()),
    };
    if is_local(time) {
        return at(time.clone());
    }
    call("to_local_time", vec![at(zoned(time.clone()))])
}

/// Returns true for an expression that has no zone, by its form.
fn is_local(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) => {
            is_local_type(data_type)
        }
        Expr::Nested(inner) => is_local(inner),
        Expr::BinaryOp { left, right, .. } => is_local(left) || is_local(right),
        Expr::Function(function) => match name_of(function).as_deref() {
            Some("localtimestamp" | "to_local_time") => true,
            Some("arrow_cast") => false,
            // Such as `date_trunc`, whose result is like its argument.
            _ => arguments(function).into_iter().any(is_local),
        },
        _ => false,
    }
}

fn name_of(function: &Function) -> Option<String> {
    let name = function.name.0.last().and_then(ObjectNamePart::as_ident)?;
    Some(name.value.to_lowercase())
}

fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let arguments = list.args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    arguments.collect()
}
