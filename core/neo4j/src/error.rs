//! Failures at a database, their meaning, and their remedies.

use core_destination::{DeliveryError, ServerErrorKind};
use core_http::SetupError;

/// A failure at a database. No text of it shows a cell: of errors about data the code alone is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Neo4jError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] SetupError),
    /// No connection.
    #[error(
        "no connection to {place}: {reason}; is the host right, does the server listen there for Bolt, and does it \
         speak TLS (`server.bolt.tls_level`)?"
    )]
    Unreachable {
        /// The place.
        place: String,
        /// The reason.
        reason: String,
    },
    /// The server speaks another protocol, or another version of it.
    #[error(
        "{place} does not speak Bolt 4.4 or 5: is this the port of Bolt (7687, not 7474), and is it Neo4j 4.4 or newer?"
    )]
    NotBolt {
        /// The place.
        place: String,
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
    #[error("{place} refused the login of user {user} ({code}): check the user and its password")]
    Login {
        /// The place.
        place: String,
        /// The user.
        user: String,
        /// The server's code.
        code: String,
    },
    /// The database has objects of our types that are not ours.
    #[error(
        "database {database} has objects of the type {label} that this program did not make: name another database in \
         `destinations.neo4j.database`, or remove them"
    )]
    ForeignGraph {
        /// The database.
        database: String,
        /// The label of nodes, or the type of relationships.
        label: String,
    },
    /// The database has another tenant.
    #[error(
        "database {database} has the graph of tenant {found}, and this is tenant {tenant}: name another database in \
         `destinations.neo4j.database`"
    )]
    ForeignTenant {
        /// The database.
        database: String,
        /// Its tenant.
        found: String,
        /// Ours.
        tenant: String,
    },
    /// A newer version of the program wrote the graph.
    #[error(
        "database {database} was written by a newer version of this program (format {found}): update this one"
    )]
    NewerFormat {
        /// The database.
        database: String,
        /// Its format.
        found: i64,
    },
    /// The database has a newer generation.
    #[error(
        "database {database} has generation {found}, which is newer than {ours}: this store may be an old copy; if it \
         is the right one, deliver once with `--accept-destination`"
    )]
    NewerGeneration {
        /// The database.
        database: String,
        /// Its generation.
        found: String,
        /// Ours.
        ours: String,
    },
    /// The database has been through an erasure that the generation has not been through.
    #[error(
        "database {database} has been through erasure {erasure}, and generation {ours} has not: this store may be from \
         before it, and would bring the erased back; if the erasure was lifted, deliver once with `--accept-destination`"
    )]
    BeforeErasure {
        /// The database.
        database: String,
        /// The erasure, by its id.
        erasure: String,
        /// Our generation.
        ours: String,
    },
    /// Another delivery has begun since.
    #[error(
        "another delivery to database {database} has begun since: this one gave up; deliver again when that one is over"
    )]
    TakenOver {
        /// The database.
        database: String,
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
    #[error(
        "{action} failed: the database has {found} of {expected}; does another program write there? Remove \
         what is not ours, or deliver with `--full`"
    )]
    Rows {
        /// The action.
        action: String,
        /// The number that is there.
        found: u64,
        /// The number that was to be there.
        expected: u64,
    },
    /// A statement failed.
    #[error("{action} failed at {place} ({code}){reason}")]
    Statement {
        /// The action.
        action: String,
        /// The place.
        place: String,
        /// The server's code, or words where there is none.
        code: String,
        /// The server's message, where that cannot show a cell, and the remedy.
        reason: String,
        /// The kind.
        kind: ServerErrorKind,
    },
}

impl Neo4jError {
    /// The kind.
    pub fn kind(&self) -> ServerErrorKind {
        match self {
            Self::Tls(_)
            | Self::NotBolt { .. }
            | Self::ForeignGraph { .. }
            | Self::ForeignTenant { .. }
            | Self::NewerFormat { .. }
            | Self::NewerGeneration { .. }
            | Self::BeforeErasure { .. } => ServerErrorKind::Configuration,
            Self::Login { .. } => ServerErrorKind::Credentials,
            Self::Unreachable { .. } | Self::TlsFailed { .. } | Self::TakenOver { .. } => {
                ServerErrorKind::Unreachable
            }
            Self::Column { .. } | Self::Rows { .. } => ServerErrorKind::Refused,
            Self::Statement { kind, .. } => *kind,
        }
    }

    /// A refused login.
    pub(crate) fn login(code: &str, place: &str, user: &str) -> Self {
        if code.starts_with("Neo.ClientError.Security.") {
            let (place, user) = (place.to_owned(), user.to_owned());
            return Self::Login { place, user, code: code.to_owned() };
        }
        Self::statement(code, "", "the login", place)
    }

    /// A statement that the server refused; `action` says what it was for.
    pub(crate) fn statement(code: &str, message: &str, action: &str, place: &str) -> Self {
        let (kind, fix) = meaning(code);
        let message = if is_about_names(code) { format!(": {message}") } else { String::new() };
        Self::Statement {
            action: action.to_owned(),
            place: place.to_owned(),
            code: if code.is_empty() { "no code".to_owned() } else { code.to_owned() },
            reason: format!("{message}{fix}"),
            kind,
        }
    }

    /// A connection that ended before the answer.
    pub(crate) fn broken(action: &str, place: &str, reason: &str) -> Self {
        Self::Statement {
            action: action.to_owned(),
            place: place.to_owned(),
            code: "no answer".to_owned(),
            reason: format!(": {reason}; what was written stays, and the next delivery goes on"),
            kind: ServerErrorKind::Unreachable,
        }
    }
}

/// Returns the meaning of a code: whose turn it is, and what to do.
fn meaning(code: &str) -> (ServerErrorKind, &'static str) {
    let is = |class: &str| code.starts_with(class);
    if is("Neo.ClientError.Security.Forbidden") {
        let fix = ": give the user the right to read, write, and create constraints and indexes (roles `architect` or \
                   `admin`)";
        (ServerErrorKind::Configuration, fix)
    } else if is("Neo.ClientError.Security.") {
        (ServerErrorKind::Credentials, ": check the user and its password")
    } else if is("Neo.ClientError.Database.") {
        let fix = ": create the database, or correct `destinations.neo4j.database`";
        (ServerErrorKind::Configuration, fix)
    } else if is("Neo.ClientError.Cluster.NotALeader")
        || is("Neo.ClientError.General.ForbiddenOnReadOnly")
    {
        let fix = ": this server only reads; name the one that writes in `destinations.neo4j.host`";
        (ServerErrorKind::Configuration, fix)
    } else if is("Neo.TransientError.") {
        (ServerErrorKind::Unreachable, ": the next delivery goes on")
    } else {
        (ServerErrorKind::Refused, ": see the server's log")
    }
}

/// Returns true if the server's message about this code names databases, users or rights and never a value.
fn is_about_names(code: &str) -> bool {
    let classes =
        ["Neo.ClientError.Security.Forbidden", "Neo.ClientError.Database.DatabaseNotFound"];
    classes.iter().any(|class| code.starts_with(class))
}

impl From<Neo4jError> for DeliveryError {
    fn from(error: Neo4jError) -> Self {
        error.kind().of_delivery(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_kind_and_something_to_do() {
        for (code, kind, part) in [
            ("Neo.ClientError.Security.Forbidden", ServerErrorKind::Configuration, "constraints"),
            ("Neo.ClientError.Security.Unauthorized", ServerErrorKind::Credentials, "password"),
            ("Neo.ClientError.Database.DatabaseNotFound", ServerErrorKind::Configuration, "create"),
            (
                "Neo.ClientError.Cluster.NotALeader",
                ServerErrorKind::Configuration,
                "destinations.neo4j.host",
            ),
            (
                "Neo.TransientError.Transaction.DeadlockDetected",
                ServerErrorKind::Unreachable,
                "goes on",
            ),
            ("Neo.ClientError.Schema.ConstraintValidationFailed", ServerErrorKind::Refused, "log"),
            ("", ServerErrorKind::Refused, "log"),
        ] {
            let (found, fix) = meaning(code);
            assert_eq!(found, kind, "{code}");
            assert!(fix.contains(part), "{code}: {fix}");
        }
    }

    #[test]
    fn messages_about_values_are_not_repeated() {
        for (code, is_told) in [
            ("Neo.ClientError.Schema.ConstraintValidationFailed", false),
            ("Neo.ClientError.Statement.TypeError", false),
            ("Neo.TransientError.General.OutOfMemoryError", false),
            ("Neo.ClientError.Security.Forbidden", true),
            ("Neo.ClientError.Database.DatabaseNotFound", true),
        ] {
            let error = Neo4jError::statement(code, "a canary", "writing", "database g at h:1");
            let text = error.to_string();
            assert_eq!(text.contains("canary"), is_told, "{text}");
            assert!(text.starts_with("writing failed at database g at h:1 (Neo."), "{text}");
        }
    }

    #[test]
    fn a_refused_login_names_the_user_and_another_failure_its_code() {
        let login = |code| Neo4jError::login(code, "database g at h:1", "writer");
        let refused = login("Neo.ClientError.Security.Unauthorized");
        assert_eq!(refused.kind(), ServerErrorKind::Credentials);
        assert!(refused.to_string().contains("refused the login of user writer"), "{refused}");
        let other = login("Neo.TransientError.General.DatabaseUnavailable");
        assert_eq!(other.kind(), ServerErrorKind::Unreachable);
        assert!(other.to_string().contains("DatabaseUnavailable"), "{other}");
    }

    #[test]
    fn only_what_the_settings_can_mend_is_a_wrong_configuration() {
        let taken = Neo4jError::TakenOver { database: "g".to_owned() };
        assert!(matches!(DeliveryError::from(taken), DeliveryError::Failed(_)));
        let foreign = Neo4jError::NewerFormat { database: "g".to_owned(), found: 9 };
        assert!(matches!(DeliveryError::from(foreign), DeliveryError::Configuration(_)));
    }
}
