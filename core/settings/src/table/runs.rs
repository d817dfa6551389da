//! `[store]`, `[schedule]`, `[monitoring]` and `[retention]`: where generations are, when they are made, who is told,
//! and how long they are kept.

use crate::setting::{Table, choice, integer, path, secret, text};

/// `[store]`
pub(super) const STORE: Table = Table {
    path: "store",
    sentence: "Where generations are kept",
    is_optional: false,
    starters: &[],
    settings: &[
        text(
            "store.location",
            "Folder of the store, or its address in a bucket: `s3://BUCKET/FOLDER` or `az://CONTAINER/FOLDER`",
        )
        .default(r#""nexthink-graph-store""#)
        .example(r#""/srv/nexthink-graph""#),
        path("store.working_folder", "Folder of the working copies of a store in a bucket")
            .default(r#""nexthink-graph-work""#)
            .example(r#""/var/lib/nexthink-graph/work""#),
        integer(
            "store.deleted_objects_kept_days",
            DAYS,
            "days",
            "Time that the bucket keeps deleted objects, such as old versions",
        )
        .otherwise("it must keep none")
        .example("30"),
    ],
};

/// `[schedule]`
pub(super) const SCHEDULE: Table = Table {
    path: "schedule",
    sentence: "When `nexthink-graph schedule` starts runs",
    is_optional: true,
    starters: &["schedule.interval"],
    settings: &[
        text(
            "schedule.interval",
            "`DISABLED`, or minutes, hours or days: `30 minutes`, `6 hours`, `1 day`",
        )
        .default(r#""DISABLED""#)
        .example(r#""6 hours""#),
        text("schedule.cron", "Cron pattern of five fields, in place of the interval")
            .example(r#""0 6 * * 1-5""#),
        text("schedule.time_zone", "Zone of the cron pattern")
            .otherwise("UTC")
            .example(r#""Europe/Zurich""#),
        choice(
            "schedule.missed",
            &["once", "skip"],
            "`once`: one run makes up for times that passed while the program was off; `skip`: none does",
        )
        .default(r#""once""#)
        .example(r#""skip""#),
    ],
};

/// `[monitoring]`
pub(super) const MONITORING: Table = Table {
    path: "monitoring",
    sentence: "Who is told that runs succeed",
    is_optional: true,
    starters: &[],
    settings: &[secret(
        "monitoring.heartbeat",
        "Address to request after each run that has published and delivered, as monitoring services give out; it is \
         secret",
    )
    .example(r#"{ env = "HEARTBEAT_URL" }"#)],
};

/// A hundred years: as good as for ever, and far from any overflow.
const DAYS: (u64, u64) = (1, 36_500);

/// `[retention]`
pub(super) const RETENTION: Table = Table {
    path: "retention",
    sentence: "How long everything in the store is kept",
    is_optional: false,
    starters: &[],
    settings: &[
        integer(
            "retention.generations_days",
            DAYS,
            "days",
            "Time that generations are kept; the published one stays until the next",
        )
        .default("90")
        .example("30"),
        integer(
            "retention.every_generation_days",
            DAYS,
            "days",
            "Time that every generation is kept; afterwards one a day",
        )
        .default("7")
        .example("14"),
        integer(
            "retention.staging_hours",
            DAYS,
            "hours",
            "Time that unfinished downloads and generations are kept",
        )
        .default("24")
        .example("48"),
        integer("retention.ledger_days", DAYS, "days", "Time that entries of the ledger are kept")
            .default("400")
            .example("800"),
        integer(
            "retention.audit_days",
            DAYS,
            "days",
            "Time that events of the audit trail are kept",
        )
        .default("180")
        .example("365"),
    ],
};
