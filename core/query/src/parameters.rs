//! Parameters of SQL: `$days` in a query stands for a value that is given beside it. A value stays a
//! value, whatever is in it.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;

use crate::error::QueryError;

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// Text that is read as the type of what the query compares it with; a text where that is unknown.
    Written(String),
    /// A list of texts.
    Texts(Vec<Option<String>>),
    /// No value.
    Null,
}

/// Returns the parameters of a plan, without their `$`, and the types that the plan needs, as far as it tells them.
pub(crate) fn types(plan: &LogicalPlan) -> Result<BTreeMap<String, Option<DataType>>, QueryError> {
    let types = plan.get_parameter_types().map_err(|error| QueryError::from_engine(&error, 0))?;
    let named = types.into_iter();
    Ok(named.map(|(name, known)| (name.trim_start_matches('$').to_owned(), known)).collect())
}

/// Puts nulls of their types in the place of a plan's parameters, texts where the type is unknown.
pub(crate) fn bind_nulls(
    plan: LogicalPlan,
    types: &BTreeMap<String, Option<DataType>>,
) -> Result<LogicalPlan, QueryError> {
    if types.is_empty() {
        return Ok(plan);
    }
    let bound = types.iter().map(|(name, known)| (name.clone(), null(known.as_ref())));
    plan.with_param_values(bound.collect::<Vec<_>>())
        .map_err(|error| QueryError::from_engine(&error, 0))
}

fn null(known: Option<&DataType>) -> ScalarValue {
    known.and_then(|known| ScalarValue::try_from(known).ok()).unwrap_or(ScalarValue::Utf8(None))
}

/// Puts values in the place of a plan's parameters. Every parameter needs a value, and every value a
/// parameter.
pub(crate) fn bind(
    plan: LogicalPlan,
    values: &BTreeMap<String, ParameterValue>,
) -> Result<LogicalPlan, QueryError> {
    let types = types(&plan)?;
    if let Some(name) = values.keys().find(|name| !types.contains_key(name.as_str())) {
        let known = types.keys().cloned().collect();
        return Err(QueryError::UnknownParameter { name: name.clone(), known });
    }
    if types.is_empty() {
        return Ok(plan);
    }
    let mut bound = Vec::new();
    for (name, data_type) in &types {
        let Some(value) = values.get(name) else {
            return Err(QueryError::MissingParameter { name: name.clone() });
        };
        bound.push((name.clone(), scalar(name, value, data_type.as_ref())?));
    }
    plan.with_param_values(bound).map_err(|error| QueryError::from_engine(&error, 0))
}

fn scalar(
    name: &str,
    value: &ParameterValue,
    data_type: Option<&DataType>,
) -> Result<ScalarValue, QueryError> {
    Ok(match value {
        ParameterValue::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        ParameterValue::Integer(number) => ScalarValue::Int64(Some(*number)),
        ParameterValue::Number(number) => ScalarValue::Float64(Some(*number)),
        ParameterValue::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        ParameterValue::Written(text) => match data_type {
            Some(data_type) if !is_text(data_type) => {
                ScalarValue::try_from_string(text.clone(), data_type).map_err(|_| {
                    let expected = crate::tables::type_name(data_type);
                    QueryError::InvalidParameter { name: name.to_owned(), expected }
                })?
            }
            _ => ScalarValue::Utf8(Some(text.clone())),
        },
        ParameterValue::Texts(texts) => {
            let items: Vec<_> = texts.iter().map(|text| ScalarValue::Utf8(text.clone())).collect();
            ScalarValue::List(ScalarValue::new_list(&items, &DataType::Utf8, true))
        }
        ParameterValue::Null => null(data_type),
    })
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string() || other.is_null(),
    }
}
