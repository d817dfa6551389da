//! `[audit]`: how the audit trail is read.

use crate::setting::{Table, choice, flag, integer, secret, text, texts};

/// The time for which Nexthink keeps audit logs, in days (Nexthink, data retention).
const SOURCE_DAYS: u64 = 180;

/// The shortest look-back of the saved query, in hours: of less nothing would count as read.
const LEAST_HOURS: u64 = 48;

/// `[audit]`
pub(super) const AUDIT: Table = Table {
    path: "audit",
    sentence: "Read the audit trail with every run",
    is_optional: true,
    starters: &["audit.account", "audit.password"],
    settings: &[
        choice(
            "audit.source",
            &["rest", "nql"],
            "`rest`: the Audit Trail API; `nql`: the table `platform.audit_logs`, through a saved query",
        )
        .default(r#""rest""#)
        .example(r#""nql""#),
        choice(
            "audit.auth",
            &["basic", "oauth"],
            "`basic`: a local account with administrator rights; `oauth`: an API client",
        )
        .default(r#""basic""#)
        .example(r#""oauth""#),
        text("audit.account", "Name of the account, or ID of the API client")
            .otherwise("required with `rest`")
            .example(r#""audit-reader""#),
        secret("audit.password", "Password of the account, or secret of the API client")
            .otherwise("required with `rest`")
            .example(r#"{ env = "NEXTHINK_AUDIT_PASSWORD" }"#),
        flag("audit.portal", "Read the web interface's own trail")
            .default("true")
            .example("false"),
        texts("audit.engines", "Names of Engines whose trails to read; `*` alone: all connected ones")
            .default("[]")
            .example(r#"["*"]"#),
        text("audit.time_zone", "Zone of times that name none")
            .otherwise("`nexthink.time_zone`")
            .example(r#""UTC""#),
        integer("audit.since_days", (1, SOURCE_DAYS), "days", "How far back the first run reads")
            .default("180")
            .example("30"),
        integer("audit.overlap_hours", (1, 11), "hours", "How late an event may appear")
            .default("1")
            .example("2"),
        text("audit.host", "Host of the Audit Trail API")
            .otherwise("computed from tenant and region")
            .example(r#""acme.eu.nexthink.cloud""#),
        flag("audit.any_host", "Send the account to a host that is not Nexthink's"),
        flag("audit.clear_names", "Keep events as they are, whatever the profile"),
        text("audit.query", "ID of the saved query of the table")
            .default("\"#j1_audit\"")
            .example("\"#my_audit\""),
        integer(
            "audit.hours",
            (LEAST_HOURS, 24 * SOURCE_DAYS),
            "hours",
            "How far the saved query looks back; a day of it is a margin",
        )
        .default("168")
        .example("336"),
        text("audit.columns.time", "Column of the time, as Nexthink's editor names it")
            .otherwise("required with `nql`")
            .example(r#""time""#),
        text("audit.columns.account", "Column of the account")
            .otherwise("required with `nql`")
            .example(r#""account""#),
        text("audit.columns.code", "Column of the code of the action")
            .otherwise("required with `nql`")
            .example(r#""code""#),
        text("audit.columns.message", "Column of the message")
            .otherwise("required with `nql`")
            .example(r#""message""#),
    ],
};
