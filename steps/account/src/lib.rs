#![doc = include_str!("../README.md")]

use core_model::prelude::*;

/// Makes the account.
pub static STEP: Step = Step {
    id: "fetch-account",
    name: "Fetch Account",
    depends_on: &[],
    source: Source::Configuration,
    entities: &[&ACCOUNT],
    relationships: &[],
};

inventory::submit!(&STEP);
inventory::submit!(Columns(COLUMNS));

/// The privacy class of each column.
pub static COLUMNS: &[Column] = &[
    technical("account.tenant_id"),
    technical("account.region"),
    technical("account.name"),
    technical("account.display_name"),
    technical("account.description"),
    technical("account.url"),
];

/// The tenant that the graph describes.
pub static ACCOUNT: EntityType = EntityType {
    type_name: "nexthink_account",
    class: &[Class::Account],
    resource: "Account",
    key_column: "account.tenant_id",
    fallback_key: &[],
    newest_by: &[],
    properties: &[
        text("id", &["account.tenant_id"], "The Nexthink tenant.").never_null(),
        text("tenantId", &["account.tenant_id"], "The Nexthink tenant/instance identifier.")
            .required()
            .never_null(),
        text("region", &["account.region"], "The Nexthink region (e.g. us, eu, pac, meta).")
            .required()
            .never_null(),
        text(
            "name",
            &["account.name", "account.tenant_id"],
            "The account name from the configuration, else the tenant.",
        )
        .never_null(),
        text(
            "displayName",
            &["account.display_name", "account.tenant_id"],
            "The account name from the configuration, else tenant and region.",
        )
        .never_null(),
        text("description", &["account.description"], "The description from the configuration."),
        constant("vendor", Constant::Text("Nexthink"), "Who makes the service.").never_null(),
        text("accessURL", &["account.url"], "Address of the tenant's web interface."),
        text("webLink", &["account.url"], "Address of the tenant's web interface."),
    ],
}
.checked_with_filled(&["account.region"]);

#[cfg(test)]
mod tests {
    use core_ingest::conformance;

    use super::*;

    conformance!(STEP, "fixtures/account.csv");
}
