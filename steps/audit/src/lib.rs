#![doc = include_str!("../README.md")]

use core_model::prelude::*;
use step_account::ACCOUNT;

/// Reads the audit trail.
pub static STEP: Step = Step {
    id: "fetch-audit",
    name: "Fetch Audit Trail",
    depends_on: &[&step_account::STEP],
    source: Source::AuditTrail,
    entities: &[&AUDIT_EVENT],
    relationships: &[&ACCOUNT_HAS_AUDIT_EVENT],
};

inventory::submit!(&STEP);
inventory::submit!(Columns(COLUMNS));

/// The privacy class of each column.
pub static COLUMNS: &[Column] = &[
    persistent("audit.id", IdentifierKind::AuditEvent).of_object(),
    technical("audit.summary"),
    behaviour("audit.occurred").of_object(),
    behaviour("audit.observed").of_object(),
    technical("audit.action"),
    technical("audit.code"),
    technical("audit.category"),
    technical("audit.source"),
    technical("audit.trail"),
    direct("audit.account", IdentifierKind::Login),
    free_text("audit.message"),
    free_text("audit.details"),
    technical("audit.duration"),
    technical("audit.format"),
    technical("audit.raw_bytes"),
    free_text("audit.raw"),
];

/// An action of a person or of the system in Nexthink.
pub static AUDIT_EVENT: EntityType = EntityType {
    type_name: "nexthink_audit_event",
    class: &[Class::Record],
    resource: "Audit Event",
    key_column: "audit.id",
    fallback_key: &[],
    newest_by: &[],
    properties: &[
        text("id", &["audit.id"], "The hash of the record and its position among identical ones.")
            .never_null(),
        text("name", &["audit.summary"], "What was done, in a plain sentence.").never_null(),
        text("displayName", &["audit.summary"], "What was done, in a plain sentence.")
            .never_null(),
        timestamp("occurredOn", &["audit.occurred"], "When, where the record says so."),
        timestamp(
            "observedOn",
            &["audit.observed"],
            "When, else the time of the record before it, else of the reading. Retention goes by it.",
        ),
        text("action", &["audit.action"], "What was done, in kinds such as login or role-change."),
        integer("code", &["audit.code"], "The code of the audit trail."),
        text("category", &["audit.category"], "The category as the trail writes it."),
        text("source", &["audit.source"], "What wrote the record: Portal, an Engine, the console."),
        text("trail", &["audit.trail"], "Whose trail it is of: portal, engines, or one Engine."),
        text("account", &["audit.account"], "Who did it; `*` marks an account of the system."),
        text("message", &["audit.message"], "The text of the record."),
        text("details", &["audit.details"], "The pairs of the text, as a JSON object."),
        integer("durationMs", &["audit.duration"], "How long it took, where the record says so."),
        text("format", &["audit.format"], "`parsed`, or `unparsed` for a record of another form."),
        integer("rawBytes", &["audit.raw_bytes"], "The length of the record in bytes."),
        text("raw", &["audit.raw"], "The record as it stands in the trail."),
    ],
}
.checked_with_filled(&["audit.summary"]);

/// The account has an audit event.
pub static ACCOUNT_HAS_AUDIT_EVENT: RelationshipType = RelationshipType {
    type_name: "nexthink_account_has_audit_event",
    from: singleton(&ACCOUNT),
    class: RelationshipClass::Has,
    to: by_column(&AUDIT_EVENT, "audit.id"),
    properties: &[],
}
.checked();

#[cfg(test)]
mod tests {
    use core_model::documentation;

    use super::*;

    #[test]
    fn documents_every_property() {
        insta::assert_snapshot!(documentation::step_section(&STEP));
    }

    #[test]
    fn texts_that_may_name_a_person_are_direct_personal_data() {
        for name in ["account", "message", "details", "raw"] {
            let property = AUDIT_EVENT.property(name).expect("it is declared");
            assert_eq!(property.personal_data(), PersonalData::Direct, "{name}");
        }
    }
}
