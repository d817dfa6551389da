//! `[privacy]` and `[mcp]`: how much of people is kept and shown.

use crate::setting::{Table, choice, flag, path, text, texts};

/// `[privacy]`
pub(super) const PRIVACY: Table = Table {
    path: "privacy",
    sentence: "How much is kept about people, and what the record of processing says",
    is_optional: false,
    starters: &["privacy.profile"],
    settings: &[
        choice(
            "privacy.profile",
            &["full", "pseudonymous", "minimal"],
            "How much is kept about people",
        )
        .default(r#""full""#)
        .example(r#""pseudonymous""#),
        path("privacy.key.file", "File with the keys of pseudonyms")
            .otherwise("`nexthink-graph.key` beside the configuration")
            .example(r#""/var/lib/nexthink-graph/keys/acme.key""#),
        text(
            "privacy.columns.**",
            "What happens to one column, whatever the profile: `keep`, `drop`, `pseudonym`, `day`, \
             `prefix/24`",
        )
        .otherwise("as the profile says")
        .example(r#""drop""#),
        text("privacy.record.controller", "Name and contact of the controller")
            .example(r#""ACME, privacy@acme.example""#),
        text("privacy.record.officer", "Contact of the data protection officer")
            .example(r#""dpo@acme.example""#),
        texts("privacy.record.purposes", "What the data is processed for")
            .default("[]")
            .example(r#"["inventory of the estate"]"#),
        text("privacy.record.legal_basis", "Why the processing is lawful")
            .example(r#""legitimate interest""#),
        texts("privacy.record.subjects", "Whom the data is about")
            .otherwise("employees")
            .example(r#"["employees"]"#),
        texts("privacy.record.measures", "Measures besides those of this program")
            .default("[]")
            .example(r#"["the disk is encrypted"]"#),
    ],
};

/// `[mcp]`
pub(super) const MCP: Table = Table {
    path: "mcp",
    sentence: "What `nexthink-graph mcp` shows to assistants",
    is_optional: false,
    starters: &[],
    settings: &[flag("mcp.personal", "Show personal columns too")],
};
