//! `[destinations]`: where generations are delivered.

use crate::setting::{Table, choice, flag, integer, path, secret, text};

/// The longest wait that can be configured, in milliseconds.
const WAIT_MS: (u64, u64) = (1, 600_000);

/// `[destinations.jupiterone]`
pub(super) const JUPITERONE: Table = Table {
    path: "destinations.jupiterone",
    sentence: "Deliver every published generation to JupiterOne",
    is_optional: true,
    starters: &[
        "destinations.jupiterone.account",
        "destinations.jupiterone.api_key",
        "destinations.jupiterone.url",
    ],
    settings: &[
        text("destinations.jupiterone.account", "ID of the account in JupiterOne")
            .required()
            .example(r#""b0a1c2d3""#),
        secret("destinations.jupiterone.api_key", "API key of the account")
            .required()
            .example(r#"{ env = "JUPITERONE_API_KEY" }"#),
        text("destinations.jupiterone.url", "API of the account's region")
            .default(r#""https://api.us.jupiterone.io""#)
            .example(r#""https://api.eu.jupiterone.io""#),
        flag(
            "destinations.jupiterone.any_host",
            "Send the API key to a host that is not JupiterOne's",
        ),
        choice(
            "destinations.jupiterone.source",
            &["api", "integration-external", "integration-managed"],
            "What the data is to JupiterOne: a scope of its API, or an integration",
        )
        .default(r#""api""#)
        .example(r#""integration-external""#),
        text("destinations.jupiterone.scope", "Scope of the data; with source `api` only")
            .otherwise("`nexthink-<tenant>-<region>`")
            .example(r#""nexthink-acme-eu""#),
        text(
            "destinations.jupiterone.integration_instance_id",
            "ID of the integration instance; with the other sources",
        )
        .otherwise("required with the other sources")
        .example(r#""5b2c0a9e""#),
        text(
            "destinations.jupiterone.mode",
            "How JupiterOne applies a delivery: `DIFF` makes its data equal to the generation",
        )
        .default(r#""DIFF""#)
        .example(r#""DIFF""#),
        flag(
            "destinations.jupiterone.after_run",
            "Deliver after each run; otherwise with `sync jupiterone` only",
        )
        .default("true")
        .example("false"),
        flag(
            "destinations.jupiterone.persons",
            "Map users to the Persons with their e-mail address",
        ),
        flag("destinations.jupiterone.raw_data", "Send the stored values as raw data too"),
        flag(
            "destinations.jupiterone.audit",
            "Send the events of the audit trail too; needs `[audit]`",
        ),
        integer(
            "destinations.jupiterone.polling.first_ms",
            WAIT_MS,
            "milliseconds",
            "First wait for the end of a job; each further one is half as long again",
        )
        .default("2000")
        .example("1000"),
        integer(
            "destinations.jupiterone.polling.longest_ms",
            WAIT_MS,
            "milliseconds",
            "Longest wait for the end of a job",
        )
        .default("30000")
        .example("60000"),
        integer(
            "destinations.jupiterone.polling.deadline_s",
            (1, 86_400),
            "seconds",
            "Time after which a delivery stops waiting for a job",
        )
        .default("7200")
        .example("3600"),
    ],
};

/// `[destinations.postgres]`
pub(super) const POSTGRES: Table = Table {
    path: "destinations.postgres",
    sentence: "Deliver every published generation to a schema of a Postgres database",
    is_optional: true,
    starters: &[
        "destinations.postgres.host",
        "destinations.postgres.database",
        "destinations.postgres.user",
        "destinations.postgres.password",
    ],
    settings: &[
        text("destinations.postgres.host", "Host of the server, version 12 or newer")
            .required()
            .example(r#""db.example.com""#),
        integer("destinations.postgres.port", (1, 65_535), "TCP port", "Port of the server")
            .default("5432")
            .example("6432"),
        text("destinations.postgres.database", "Database with the schema")
            .required()
            .example(r#""estate""#),
        text("destinations.postgres.user", "Role that writes the tables")
            .required()
            .example(r#""nexthink_graph""#),
        secret("destinations.postgres.password", "Password of the role")
            .otherwise("none is sent")
            .example(r#"{ env = "POSTGRES_PASSWORD" }"#),
        text(
            "destinations.postgres.schema",
            "Schema of this tenant alone, which a delivery creates",
        )
        .otherwise("`nexthink_<tenant>_<region>`")
        .example(r#""nexthink_acme""#),
        text("destinations.postgres.readers", "Role that is granted the right to read the tables")
            .example(r#""analysts""#),
        choice(
            "destinations.postgres.tls",
            &["require", "off"],
            "Encryption of the connection; `off` is for a server on this machine only",
        )
        .default(r#""require""#)
        .example(r#""off""#),
        flag(
            "destinations.postgres.after_run",
            "Deliver after each run; otherwise with `sync postgres` only",
        )
        .default("true")
        .example("false"),
    ],
};

/// `[destinations.delta]`
pub(super) const DELTA: Table = Table {
    path: "destinations.delta",
    sentence: "Deliver every published generation as Delta tables in a folder",
    is_optional: true,
    starters: &["destinations.delta.folder"],
    settings: &[
        path(
            "destinations.delta.folder",
            "Folder of this tenant's tables alone, which a delivery creates",
        )
        .required()
        .example(r#""/srv/lake/nexthink""#),
        integer(
            "destinations.delta.keep_days",
            (0, 36_500),
            "days",
            "How long a version stays after it was replaced, for readers and time travel",
        )
        .default("7")
        .example("30"),
        flag(
            "destinations.delta.after_run",
            "Deliver after each run; otherwise with `sync delta` only",
        )
        .default("true")
        .example("false"),
    ],
};

/// `[destinations.neo4j]`
pub(super) const NEO4J: Table = Table {
    path: "destinations.neo4j",
    sentence: "Deliver every published generation to a Neo4j database",
    is_optional: true,
    starters: &[
        "destinations.neo4j.host",
        "destinations.neo4j.user",
        "destinations.neo4j.password",
    ],
    settings: &[
        text("destinations.neo4j.host", "Host of the server, version 4.4 or newer")
            .required()
            .example(r#""graph.example.com""#),
        integer("destinations.neo4j.port", (1, 65_535), "TCP port", "Port of Bolt")
            .default("7687")
            .example("7688"),
        text("destinations.neo4j.database", "Database of this tenant alone")
            .default(r#""neo4j""#)
            .example(r#""estate""#),
        text("destinations.neo4j.user", "User that writes the graph")
            .required()
            .example(r#""nexthink_graph""#),
        secret("destinations.neo4j.password", "Password of the user")
            .otherwise("the login is without one")
            .example(r#"{ env = "NEO4J_PASSWORD" }"#),
        choice(
            "destinations.neo4j.tls",
            &["require", "off"],
            "Encryption of the connection; `off` is for a server on this machine only",
        )
        .default(r#""require""#)
        .example(r#""off""#),
        flag(
            "destinations.neo4j.after_run",
            "Deliver after each run; otherwise with `sync neo4j` only",
        )
        .default("true")
        .example("false"),
    ],
};
