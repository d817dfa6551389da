#![doc = include_str!("../README.md")]

use core_model::prelude::*;
use step_account::ACCOUNT;

/// Fetches rehearsal.
pub static STEP: Step = Step {
    id: "fetch-rehearsal",
    name: "Fetch Rehearsal",
    depends_on: &[&step_account::STEP],
    source: Source::Export(Query {
        config_field: "rehearsal",
        suggested_id: "#j1_rehearsal",
        table: "rehearsal",
        aliases: &[],
        partition_column: "rehearsal.uid",
        is_extra: true,
        expiry: None,
    }),
    entities: &[&REHEARSAL],
    relationships: &[&ACCOUNT_HAS_REHEARSAL],
};

inventory::submit!(&STEP);
inventory::submit!(Columns(COLUMNS));

/// The privacy class of each column. A column with any text may name people until its texts are known.
pub static COLUMNS: &[Column] = &[technical("rehearsal.uid"), free_text("rehearsal.name")];

const NAME_ELSE_UID: &[&str] = &["rehearsal.name", "rehearsal.uid"];

/// The object that one row of the export describes.
pub static REHEARSAL: EntityType = EntityType {
    type_name: "nexthink_rehearsal",
    class: &[Class::Application],
    resource: "Rehearsal",
    key_column: "rehearsal.uid",
    fallback_key: &[],
    newest_by: &[],
    properties: &[
        text("id", &["rehearsal.uid"], "Nexthink identifier.").never_null(),
        text("name", NAME_ELSE_UID, "Name, else the identifier.").never_null(),
        text("displayName", NAME_ELSE_UID, "Name, else the identifier.").never_null(),
    ],
}
.checked();

/// The account has such an object.
pub static ACCOUNT_HAS_REHEARSAL: RelationshipType = RelationshipType {
    type_name: "nexthink_account_has_rehearsal",
    from: singleton(&ACCOUNT),
    class: RelationshipClass::Has,
    to: by_column(&REHEARSAL, "rehearsal.uid"),
    properties: &[],
}
.checked();

#[cfg(test)]
mod tests {
    use core_ingest::conformance;

    use super::*;

    conformance!(STEP, "fixtures/rehearsal.csv");
}
