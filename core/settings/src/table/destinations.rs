//! `[destinations.jupiterone]`: where generations are delivered.

use crate::setting::{Table, choice, flag, integer, secret, text};

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
