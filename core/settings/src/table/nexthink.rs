//! `[account]` and `[nexthink]`: which tenant is read, and how Nexthink is reached.

use crate::setting::{Table, flag, integer, path, secret, text};

/// `[account]`
pub(super) const ACCOUNT: Table = Table {
    path: "account",
    sentence: "How the tenant is shown in the graph",
    is_optional: false,
    starters: &[],
    settings: &[
        text("account.name", "Name of the account")
            .otherwise("the tenant's name")
            .example(r#""Acme""#),
        text("account.description", "Description of the account").example(r#""Production""#),
        flag(
            "account.tag_entities",
            "Give every entity the account's name as `tag.AccountName`; needs `account.name`",
        ),
    ],
};

/// The longest wait that can be configured, in milliseconds.
const WAIT_MS: (u64, u64) = (1, 600_000);

/// The longest time-out that can be configured, in seconds.
const TIMEOUT_S: (u64, u64) = (1, 3_600);

/// `[nexthink]`
pub(super) const NEXTHINK: Table = Table {
    path: "nexthink",
    sentence: "The tenant of Nexthink, its credential, and how its API is called",
    is_optional: false,
    starters: &[],
    settings: &[
        text(
            "nexthink.tenant",
            "Tenant, or its address `https://acme.eu.nexthink.cloud`, which gives the region too",
        )
        .required()
        .example(r#""acme""#),
        text("nexthink.region", "Region: us, eu, pac or meta")
            .otherwise("that of the address in `nexthink.tenant`")
            .example(r#""eu""#),
        text("nexthink.client_id", "Client ID of the API credential")
            .otherwise("required unless everything is read from `queries.*.files`")
            .example(r#""0a1b2c3d""#),
        secret("nexthink.client_secret", "Secret of the API credential")
            .otherwise("required unless everything is read from `queries.*.files`")
            .example(r#"{ env = "NEXTHINK_CLIENT_SECRET" }"#),
        text("nexthink.time_zone", "Zone of times that name none: the tenant's regional zone")
            .default(r#""UTC""#)
            .example(r#""Europe/Zurich""#),
        path("nexthink.ca_file", "PEM file with authorities to trust besides those of the system")
            .example(r#""company-ca.pem""#),
        text(
            "nexthink.proxy",
            "Address of a proxy; `none`; or `environment`, which reads HTTPS_PROXY and NO_PROXY",
        )
        .default(r#""environment""#)
        .example(r#""none""#),
        integer(
            "nexthink.daily_exports",
            (1, 10_000),
            "exports",
            "Exports that the program may start a day; less if other programs export too",
        )
        .default("50")
        .example("40"),
        integer("nexthink.parallel_exports", (1, 64), "exports", "Exports that run at once")
            .default("4")
            .example("2"),
        integer(
            "nexthink.polling.first_ms",
            WAIT_MS,
            "milliseconds",
            "First and shortest wait for an export",
        )
        .default("1000")
        .example("2000"),
        integer(
            "nexthink.polling.longest_ms",
            WAIT_MS,
            "milliseconds",
            "Longest wait for an export; in between it is 1.5 % of the time waited so far",
        )
        .default("30000")
        .example("60000"),
        integer(
            "nexthink.polling.deadline_s",
            (1, 86_400),
            "seconds",
            "Time after which an export is given up",
        )
        .default("3600")
        .example("7200"),
        integer("nexthink.retry.attempts", (1, 100), "attempts", "Attempts of a failing call")
            .default("8")
            .example("4"),
        integer(
            "nexthink.retry.longest_ms",
            WAIT_MS,
            "milliseconds",
            "Longest wait between attempts, unless Nexthink asks for a longer one",
        )
        .otherwise("60000, or 300000 where Nexthink throttles")
        .example("120000"),
        integer("nexthink.timeouts.connect_s", TIMEOUT_S, "seconds", "Time for a connection")
            .default("10")
            .example("20"),
        integer(
            "nexthink.timeouts.idle_s",
            TIMEOUT_S,
            "seconds",
            "Time for the next bytes; more if a proxy scans files first",
        )
        .default("30")
        .example("300"),
        integer("nexthink.timeouts.answer_s", TIMEOUT_S, "seconds", "Time for a whole answer")
            .default("60")
            .example("120"),
        text("nexthink.endpoints.login", "Address of the login host, for `simulate`")
            .otherwise("computed; with one of the three, all are required")
            .example(r#""http://127.0.0.1:8480""#),
        text("nexthink.endpoints.api", "Address of the API, for `simulate`")
            .otherwise("computed")
            .example(r#""http://127.0.0.1:8480""#),
        text("nexthink.endpoints.files", "Address of the host of results, for `simulate`")
            .otherwise("computed")
            .example(r#""http://127.0.0.1:8482""#),
    ],
};
