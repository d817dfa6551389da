//! Errors as Postgres clients get them: a code that programs decide by, and a message for people.

use core_query::QueryError;

use crate::position;

/// The codes of `SQLSTATE` in use.
pub(crate) mod state {
    pub(crate) const PROTOCOL: &str = "08P01";
    pub(crate) const UNSUPPORTED: &str = "0A000";
    pub(crate) const INVALID_VALUE: &str = "22023";
    pub(crate) const INVALID_TEXT: &str = "22P02";
    pub(crate) const INVALID_BINARY: &str = "22P03";
    pub(crate) const OUT_OF_RANGE: &str = "22003";
    pub(crate) const DATA: &str = "22000";
    pub(crate) const READ_ONLY: &str = "25006";
    pub(crate) const FAILED_TRANSACTION: &str = "25P02";
    pub(crate) const NO_TRANSACTION: &str = "25P01";
    pub(crate) const NO_STATEMENT: &str = "26000";
    pub(crate) const NO_TLS: &str = "28000";
    pub(crate) const PASSWORD: &str = "28P01";
    pub(crate) const NO_PORTAL: &str = "34000";
    pub(crate) const NO_DATABASE: &str = "3D000";
    pub(crate) const WITHHELD: &str = "42501";
    pub(crate) const SYNTAX: &str = "42601";
    pub(crate) const AMBIGUOUS_COLUMN: &str = "42702";
    pub(crate) const NO_COLUMN: &str = "42703";
    pub(crate) const NO_SETTING: &str = "42704";
    pub(crate) const NO_FUNCTION: &str = "42883";
    pub(crate) const NO_TABLE: &str = "42P01";
    pub(crate) const NO_PARAMETER: &str = "42P02";
    pub(crate) const TAKEN_CURSOR: &str = "42P03";
    pub(crate) const TAKEN_STATEMENT: &str = "42P05";
    pub(crate) const MEMORY: &str = "53200";
    pub(crate) const TOO_MANY: &str = "53300";
    pub(crate) const LIMIT: &str = "53400";
    pub(crate) const TOO_LONG: &str = "54000";
    pub(crate) const TOO_COMPLEX: &str = "54001";
    pub(crate) const CANCELED: &str = "57014";
    pub(crate) const STOPPED: &str = "57P01";
    pub(crate) const IDLE: &str = "57P05";
    pub(crate) const FILE: &str = "58030";
    pub(crate) const INTERNAL: &str = "XX000";
    pub(crate) const DAMAGED: &str = "XX001";
}

/// An error for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireError {
    /// The code.
    pub(crate) state: &'static str,
    /// The message, without a cell, token or secret.
    pub(crate) message: String,
    /// The place in the query that it is about, if it is known.
    pub(crate) about: Option<About>,
}

/// The place in a query that an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// A position: the characters of the text are counted from 1.
    Position(usize),
    /// A table or a column by its name.
    Name(String),
}

impl WireError {
    pub(crate) fn new(state: &'static str, message: impl Into<String>) -> Self {
        Self { state, message: message.into(), about: None }
    }

    /// The same error, about a place.
    pub(crate) fn about(self, about: Option<About>) -> Self {
        Self { about, ..self }
    }

    /// The same error with its position in the text of a client, which has `before` characters before the query.
    pub(crate) fn placed(self, query: &str, before: Option<usize>) -> Self {
        let position = match &self.about {
            Some(About::Position(position)) => Some(*position),
            Some(About::Name(name)) => position::of_name(query, name),
            None => None,
        };
        let position = position.zip(before).map(|(position, before)| before + position);
        self.about(position.map(About::Position))
    }

    /// Returns the position, if it is known.
    pub(crate) fn position(&self) -> Option<usize> {
        match self.about {
            Some(About::Position(position)) => Some(position),
            _ => None,
        }
    }

    /// An error of this program or machine.
    pub(crate) fn internal(error: &anyhow::Error) -> Self {
        Self::new(state::INTERNAL, format!("{error:#}"))
    }
}

impl From<core_engine::Failure> for WireError {
    fn from(failure: core_engine::Failure) -> Self {
        let code = failure.error.downcast_ref::<QueryError>().map_or(state::INTERNAL, of_query);
        Self::new(code, format!("{:#}", failure.error))
    }
}

impl From<QueryError> for WireError {
    fn from(error: QueryError) -> Self {
        let code = of_query(&error);
        match &error {
            QueryError::MissingParameter { name } => {
                return Self::new(code, format!("the parameter ${name} has no value"));
            }
            QueryError::UnknownParameter { name, .. } => {
                return Self::new(code, format!("the query has no parameter ${name}"));
            }
            _ => {}
        }
        let about = match &error {
            QueryError::UnknownTable { name, .. }
            | QueryError::UnknownColumn { name, .. }
            | QueryError::AmbiguousColumn { name }
            | QueryError::Withheld { name, .. } => Some(About::Name(name.clone())),
            error => error.unknown_function().map(|name| About::Name(name.to_owned())),
        };
        let failure = core_reading::of_query(error, core_engine::FailureKind::Configuration);
        Self::new(code, format!("{:#}", failure.error)).about(about)
    }
}

/// Returns the code of an error of a query.
fn of_query(error: &QueryError) -> &'static str {
    match error {
        QueryError::Store(_) => state::DAMAGED,
        QueryError::Open { .. } | QueryError::Output(_) => state::FILE,
        QueryError::ReadOnly { .. } => state::READ_ONLY,
        QueryError::UnknownTable { .. } => state::NO_TABLE,
        QueryError::UnknownColumn { .. } => state::NO_COLUMN,
        QueryError::AmbiguousColumn { .. } => state::AMBIGUOUS_COLUMN,
        QueryError::Withheld { .. } => state::WITHHELD,
        QueryError::TooLong { .. } | QueryError::TooComplex { .. } => state::TOO_COMPLEX,
        error if error.unknown_function().is_some() => state::NO_FUNCTION,
        QueryError::Invalid { .. } => state::SYNTAX,
        QueryError::MissingParameter { .. } | QueryError::UnknownParameter { .. } => {
            state::NO_PARAMETER
        }
        QueryError::InvalidParameter { .. } | QueryError::UnreadableText { .. } => {
            state::INVALID_TEXT
        }
        QueryError::MemoryLimit { .. } => state::MEMORY,
        QueryError::Execution { .. } => state::DATA,
        _ => state::INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_tell_errors_apart_by_their_codes() {
        let unknown_table = QueryError::UnknownTable {
            name: "nexthink_package".to_owned(),
            suggestion: None,
            tables: Vec::new(),
            condition: None,
        };
        let unknown_function =
            QueryError::Invalid { message: "Invalid function 'now2'".to_owned() };
        let mistyped = QueryError::Invalid {
            message: "No function matches the given name and argument types 'sum(Utf8View)'. Add"
                .to_owned(),
        };
        let table = [
            (unknown_table, "42P01"),
            (QueryError::ReadOnly { statement: "DELETE".to_owned() }, "25006"),
            (unknown_function, "42883"),
            (mistyped, "42883"),
            (QueryError::AmbiguousColumn { name: "name".to_owned() }, "42702"),
            (QueryError::Invalid { message: "Expected: an expression".to_owned() }, "42601"),
            (QueryError::MemoryLimit { limit_bytes: 1 }, "53200"),
            (QueryError::TooLong { bytes: 9 }, "54001"),
            (
                QueryError::Withheld { name: "name".to_owned(), remedy: "sign in".to_owned() },
                "42501",
            ),
        ];
        for (error, code) in table {
            let message = error.to_string();
            assert_eq!(WireError::from(error).state, code, "{message}");
        }
    }
}
