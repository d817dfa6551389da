//! Failures at a database, their meaning, and their remedies.

use core_destination::{DeliveryError, ServerErrorKind};
use core_http::{SetupError, describe_tls_failure};
use tokio_postgres::error::SqlState;

/// A failure at a database. No text of it shows a cell: of errors about data the code alone is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] SetupError),
    /// No connection.
    #[error(
        "no connection to {place}: {reason}; is the host right, does the server listen there, and does it speak TLS \
         (`ssl = on`)?"
    )]
    Unreachable {
        /// The place.
        place: String,
        /// The reason.
        reason: String,
    },
    /// TLS with the server failed.
    #[error("no TLS connection to {place}: {reason}")]
    TlsFailed {
        /// The place.
        place: String,
        /// The reason, what to do, and the words of the TLS library.
        reason: String,
    },
    /// The login was refused.
    #[error(
        "{place} refused the login of role {user} ({code}): check the user, its password and pg_hba.conf"
    )]
    Login {
        /// The place.
        place: String,
        /// The role.
        user: String,
        /// The SQLSTATE.
        code: String,
    },
    /// The schema has tables that are not ours.
    #[error(
        "schema {schema} has tables that this program did not make, such as {table}: name an empty or a new schema in \
         `destinations.postgres.schema`"
    )]
    ForeignSchema {
        /// The schema.
        schema: String,
        /// One of the tables.
        table: String,
    },
    /// The schema has another tenant.
    #[error(
        "schema {schema} has the tables of tenant {found}, and this is tenant {tenant}: name another schema in \
         `destinations.postgres.schema`"
    )]
    ForeignTenant {
        /// The schema.
        schema: String,
        /// Its tenant.
        found: String,
        /// Ours.
        tenant: String,
    },
    /// A newer version of the program wrote the schema.
    #[error(
        "schema {schema} was written by a newer version of this program (format {found}): update this one"
    )]
    NewerFormat {
        /// The schema.
        schema: String,
        /// Its format.
        found: i32,
    },
    /// The schema has a newer generation.
    #[error(
        "schema {schema} has generation {found}, which is newer than {ours}: this store may be an old copy; if it is \
         the right one, deliver once with `--accept-destination`"
    )]
    NewerGeneration {
        /// The schema.
        schema: String,
        /// Its generation.
        found: String,
        /// Ours.
        ours: String,
    },
    /// The schema has been through an erasure that the generation has not been through.
    #[error(
        "schema {schema} has been through erasure {erasure}, and generation {ours} has not: this store may be from before \
         it, and would bring the erased back; if the erasure was lifted, deliver once with `--accept-destination`"
    )]
    BeforeErasure {
        /// The schema.
        schema: String,
        /// The erasure, by its id.
        erasure: String,
        /// Our generation.
        ours: String,
    },
    /// Another delivery to the schema is under way.
    #[error("another delivery to schema {schema} is under way: try again when it is over")]
    Busy {
        /// The schema.
        schema: String,
    },
    /// A name that Postgres would cut.
    #[error(
        "the name {name} has more than 63 bytes, which Postgres would cut: no table can have it"
    )]
    LongName {
        /// The name.
        name: String,
    },
    /// A column whose type no generation has.
    #[error("column {column} of {type_name} has the type {found}, which no generation has")]
    Column {
        /// The `_type`.
        type_name: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// Rows did not arrive.
    #[error("{action} failed{reason}")]
    Rows {
        /// The action.
        action: String,
        /// The number that arrived.
        reason: String,
    },
    /// A transaction from before the delivery is still open.
    #[error(
        "the tables were not rewritten at {place}: a transaction from before the delivery is still open, for which the \
         server keeps the removed rows; end it (see `pg_stat_activity` and `pg_replication_slots`), and the next delivery tries again"
    )]
    OpenTransaction {
        /// The place.
        place: String,
    },
    /// A statement failed.
    #[error("{action} failed at {place} ({code}){reason}")]
    Statement {
        /// The action.
        action: String,
        /// The place.
        place: String,
        /// The SQLSTATE, or a word where there is none.
        code: String,
        /// The server's message, where that cannot show a cell, and the remedy.
        reason: String,
        /// The kind.
        kind: ServerErrorKind,
    },
}

impl PostgresError {
    /// The kind.
    pub fn kind(&self) -> ServerErrorKind {
        match self {
            Self::Tls(_)
            | Self::ForeignSchema { .. }
            | Self::ForeignTenant { .. }
            | Self::NewerFormat { .. }
            | Self::NewerGeneration { .. }
            | Self::BeforeErasure { .. } => ServerErrorKind::Configuration,
            Self::Login { .. } => ServerErrorKind::Credentials,
            Self::Unreachable { .. }
            | Self::TlsFailed { .. }
            | Self::Busy { .. }
            | Self::OpenTransaction { .. } => ServerErrorKind::Unreachable,
            Self::LongName { .. } | Self::Column { .. } | Self::Rows { .. } => {
                ServerErrorKind::Refused
            }
            Self::Statement { kind, .. } => *kind,
        }
    }

    /// A failed connection.
    pub(crate) fn connecting(error: &tokio_postgres::Error, place: &str, user: &str) -> Self {
        let place = place.to_owned();
        match error.code() {
            Some(state) if state.code().starts_with("28") => {
                Self::Login { place, user: user.to_owned(), code: state.code().to_owned() }
            }
            Some(state) => Self::statement(error, "the login", &place).with_code(state.code()),
            None => match describe_tls_failure(error) {
                Some(reason) => Self::TlsFailed { place, reason },
                None => Self::Unreachable { place, reason: without_cells(error) },
            },
        }
    }

    /// A failed statement; `action` says what it was for.
    pub(crate) fn statement(error: &tokio_postgres::Error, action: &str, place: &str) -> Self {
        let Some(state) = error.code() else {
            return Self::Statement {
                action: action.to_owned(),
                place: place.to_owned(),
                code: "no answer".to_owned(),
                reason: format!(": {}; nothing of it is there", without_cells(error)),
                kind: ServerErrorKind::Unreachable,
            };
        };
        let (kind, fix) = meaning(state);
        let message = error.as_db_error().filter(|_| is_about_names(state));
        let message = message.map(|error| format!(": {}", error.message())).unwrap_or_default();
        Self::Statement {
            action: action.to_owned(),
            place: place.to_owned(),
            code: state.code().to_owned(),
            reason: format!("{message}{fix}"),
            kind,
        }
    }

    /// The role lacks a right that a delivery needs.
    pub(crate) fn no_right(action: &str, place: &str) -> Self {
        let (kind, fix) = meaning(&SqlState::INSUFFICIENT_PRIVILEGE);
        Self::Statement {
            action: action.to_owned(),
            place: place.to_owned(),
            code: SqlState::INSUFFICIENT_PRIVILEGE.code().to_owned(),
            reason: fix.to_owned(),
            kind,
        }
    }

    fn with_code(self, code: &str) -> Self {
        match self {
            Self::Statement { action, place, reason, kind, .. } => {
                Self::Statement { action, place, code: code.to_owned(), reason, kind }
            }
            other => other,
        }
    }
}

/// Returns the meaning of a state: whose turn it is, and what to do.
fn meaning(state: &SqlState) -> (ServerErrorKind, &'static str) {
    match state.code() {
        "42501" => (
            ServerErrorKind::Configuration,
            ": give the role the right to create the schema (`GRANT CREATE ON DATABASE`), or make it the owner of the \
             schema and of its tables",
        ),
        "3D000" => (
            ServerErrorKind::Configuration,
            ": create the database, or correct `destinations.postgres.database`",
        ),
        "2BP01" => (
            ServerErrorKind::Configuration,
            ": a view or another object of yours is built on it; drop that, and create it again after the delivery",
        ),
        "42704" => (
            ServerErrorKind::Configuration,
            ": does the role of `destinations.postgres.readers` exist?",
        ),
        "55P03" | "40P01" | "40001" => (
            ServerErrorKind::Unreachable,
            ": a reader or another program holds a table; the next delivery tries again",
        ),
        code if code.starts_with("53") => {
            (ServerErrorKind::Refused, ": the server lacks space, memory or connections")
        }
        code if code.starts_with("57") || code.starts_with("08") => (
            ServerErrorKind::Unreachable,
            ": the server stops or starts; the next delivery tries again",
        ),
        code if code.starts_with("25") => {
            (ServerErrorKind::Configuration, ": is this a read-only copy of the database?")
        }
        _ => (ServerErrorKind::Refused, ": see the server's log"),
    }
}

/// Returns true if the server's message about this state names tables, roles or settings and never a value.
fn is_about_names(state: &SqlState) -> bool {
    let code = state.code();
    ["3D", "42501", "42704", "2BP01", "53", "55", "57", "25"]
        .iter()
        .any(|class| code.starts_with(class))
}

/// The causes of an error of the connection, which has no cell.
fn without_cells(error: &tokio_postgres::Error) -> String {
    let mut text = String::from("the connection failed");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

impl From<PostgresError> for DeliveryError {
    fn from(error: PostgresError) -> Self {
        error.kind().of_delivery(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_kind_and_something_to_do() {
        for (code, kind, part) in [
            ("42501", ServerErrorKind::Configuration, "GRANT CREATE"),
            ("3D000", ServerErrorKind::Configuration, "create the database"),
            ("2BP01", ServerErrorKind::Configuration, "view"),
            ("55P03", ServerErrorKind::Unreachable, "tries again"),
            ("53100", ServerErrorKind::Refused, "space"),
            ("57P01", ServerErrorKind::Unreachable, "stops or starts"),
            ("25006", ServerErrorKind::Configuration, "read-only"),
            ("23505", ServerErrorKind::Refused, "log"),
        ] {
            let (found, fix) = meaning(&SqlState::from_code(code));
            assert_eq!(found, kind, "{code}");
            assert!(fix.contains(part), "{code}: {fix}");
        }
    }

    #[test]
    fn messages_about_values_are_not_repeated() {
        for (code, is_safe) in
            [("23505", false), ("22P02", false), ("22021", false), ("42501", true), ("53200", true)]
        {
            assert_eq!(is_about_names(&SqlState::from_code(code)), is_safe, "{code}");
        }
    }
}
