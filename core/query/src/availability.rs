//! Tells which saved questions have an answer in a generation, without asking them.

use crate::error::QueryError;
use crate::parameters::ParameterValue;
use crate::questions::{Language, Parameter, ParameterKind, Question, QuestionError};
use crate::session::QuerySession;

impl QuerySession {
    /// Returns why a question cannot be asked here, for example because a table is missing or a column is withheld;
    /// none if it can. The question is planned and not run. `now_ms` is the time that dates in J1QL are relative to,
    /// in milliseconds since 1970-01-01 UTC.
    ///
    /// Questions about history are not planned, since their tables are added only when they are asked.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn unavailability(&self, question: &Question, now_ms: i64) -> Option<String> {
        let planned = match question.language {
            Language::Sql => match self.types_with_history(&question.query) {
                Ok(types) if types.is_empty() => {
                    self.reduced_sql(&question.query).and_then(|(sql, _)| self.check(&sql))
                }
                Ok(_) => return None,
                Err(error) => Err(error),
            },
            Language::J1ql => {
                let values = question
                    .parameters
                    .iter()
                    .map(|parameter| (parameter.name.clone(), parameter.any_value().to_text()));
                let parameters = values.collect();
                match self.reduced_j1ql(&question.query, now_ms, &parameters) {
                    Ok((compiled, _)) if compiled.history.is_empty() => self.check(&compiled.sql),
                    Ok(_) => return None,
                    Err(error) => return Some(error.message),
                }
            }
        };
        match planned {
            Ok(()) => None,
            // The list of all tables would be longer than the list of questions.
            Err(QueryError::UnknownTable { name, condition: None, .. }) => {
                Some(format!("there is no table {name}"))
            }
            Err(QueryError::UnknownColumn { name, .. }) => {
                Some(format!("there is no column {name}"))
            }
            Err(error) => Some(error.to_string()),
        }
    }
}

impl Parameter {
    /// The default, or else a value of its type.
    fn any_value(&self) -> ParameterValue {
        let default = self.default.as_deref().map(|default| self.value(default));
        let other = || match self.kind {
            ParameterKind::Text => ParameterValue::Text("text".to_owned()),
            ParameterKind::Integer => ParameterValue::Integer(self.minimum.unwrap_or(1)),
            ParameterKind::Number => ParameterValue::Number(1.0),
            ParameterKind::Boolean => ParameterValue::Boolean(true),
            ParameterKind::Network => ParameterValue::Text("10.0.0.0/8".to_owned()),
            ParameterKind::Version => ParameterValue::Text("1".to_owned()),
        };
        default.and_then(Result::<_, QuestionError>::ok).unwrap_or_else(other)
    }
}
