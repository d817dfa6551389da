#![doc = include_str!("../README.md")]

use core_model::prelude::*;
use step_account::ACCOUNT;

/// Fetches users.
pub static STEP: Step = Step {
    id: "fetch-users",
    name: "Fetch Users",
    depends_on: &[&step_account::STEP],
    source: Source::Export(Query {
        config_field: "users",
        suggested_id: "#j1_users",
        table: "users",
        aliases: &[("user.name", "user.username")],
        partition_column: "user.uid",
        is_extra: false,
        expiry: None,
    }),
    entities: &[&USER],
    relationships: &[&ACCOUNT_HAS_USER],
};

inventory::submit!(&STEP);
inventory::submit!(Columns(COLUMNS));

/// The privacy class of each column.
pub static COLUMNS: &[Column] = &[
    persistent("user.uid", IdentifierKind::UserUid),
    direct("user.name", IdentifierKind::Login),
    direct("user.upn", IdentifierKind::Address),
    persistent("user.sid", IdentifierKind::Sid),
    technical("user.type"),
    behaviour("user.last_seen"),
    behaviour("user.first_seen"),
    quasi("user.entity", ColumnForm::Plain),
    direct("user.ad.email_address", IdentifierKind::Address),
    direct("user.ad.full_name", IdentifierKind::PersonName),
    quasi("user.ad.department", ColumnForm::Plain),
];

const EMAIL_ELSE_UPN: &[&str] = &["user.ad.email_address", "user.upn"];
const FULL_NAME: &[&str] = &["user.ad.full_name"];
const BEST_NAME: &[&str] = &["user.ad.full_name", "user.name", "user.upn", "user.uid"];

/// A person or account that uses a managed device.
pub static USER: EntityType = EntityType {
    type_name: "nexthink_user",
    class: &[Class::User],
    resource: "User",
    key_column: "user.uid",
    fallback_key: &[],
    newest_by: &["lastSeenOn"],
    properties: &[
        text("id", &["user.uid"], "Nexthink identifier of the user.").never_null(),
        convert("userIds", &["user.uid"], Conversion::List, "Nexthink identifier of the user.")
            .never_null(),
        convert("username", &["user.name"], Conversion::List, "Name that the user logs in with."),
        convert(
            "shortLoginId",
            &["user.name"],
            Conversion::LoginName,
            "Name that the user logs in with, without its domain.",
        ),
        text("upn", &["user.upn"], "User Principal Name (UPN) from Active Directory.").required(),
        text("sid", &["user.sid"], "Windows Security Identifier (SID) for the user.").required(),
        convert(
            "userType",
            &["user.type"],
            Conversion::LowerCase,
            "Nexthink user type (e.g. local, domain).",
        )
        .required(),
        timestamp("lastSeenOn", &["user.last_seen"], "When the user was last active.").volatile(),
        timestamp("createdOn", &["user.first_seen"], "When the user was first active."),
        text("entity", &["user.entity"], "Nexthink organizational entity the user belongs to.")
            .required(),
        convert(
            "email",
            EMAIL_ELSE_UPN,
            Conversion::EmailAddresses,
            "E-mail addresses, else the UPN where it is one.",
        ),
        convert(
            "emailDomain",
            EMAIL_ELSE_UPN,
            Conversion::EmailDomains,
            "Domains of the e-mail addresses.",
        ),
        convert("firstName", FULL_NAME, Conversion::FirstName, "Given name."),
        convert("lastName", FULL_NAME, Conversion::LastName, "Family name."),
        text("name", BEST_NAME, "Full name, else login name, else identifier.").never_null(),
        text("displayName", BEST_NAME, "Full name, else login name, else identifier.").never_null(),
        text(
            "department",
            &["user.ad.department"],
            "Department from Active Directory (requires Entra ID connector).",
        )
        .required(),
    ],
}
.checked();

/// The account has a user.
pub static ACCOUNT_HAS_USER: RelationshipType = RelationshipType {
    type_name: "nexthink_account_has_user",
    from: singleton(&ACCOUNT),
    class: RelationshipClass::Has,
    to: by_column(&USER, "user.uid"),
    properties: &[],
}
.checked();

#[cfg(test)]
mod tests {
    use core_ingest::{conformance, listing};

    use super::*;

    conformance!(STEP, "fixtures/users.csv");

    #[test]
    fn g10_user_types_are_kept_in_lower_case() {
        let export = "user.uid,user.type\n1,LOCAL_USER\n2,Domain\n";
        let account = include_str!("../../account/fixtures/account.csv");
        let exports = [(&step_account::STEP, account.as_bytes()), (&STEP, export.as_bytes())];
        let graph = listing::build_graph(&exports).expect("the exports are accepted");
        let listing = listing::list(graph, &STEP).expect("the schema fits");
        assert!(listing.contains("userType: \"local_user\"\n"), "{listing}");
        assert!(listing.contains("userType: \"domain\"\n"), "{listing}");
    }

    /// Lists the users of an export with the columns uid, UPN, e-mail address and full name.
    fn users(rows: &str) -> String {
        let header = "user.uid,user.upn,user.ad.email_address,user.ad.full_name";
        let export = format!("{header}\n{rows}");
        let account = include_str!("../../account/fixtures/account.csv");
        let exports = [(&step_account::STEP, account.as_bytes()), (&STEP, export.as_bytes())];
        let graph = listing::build_graph(&exports).expect("the exports are accepted");
        listing::list(graph, &STEP).expect("the schema fits")
    }

    #[test]
    fn g18_an_address_is_never_split_and_a_list_of_addresses_is_read() {
        for (row, expected) in [
            ("1,,O'Neill@acme.example,", "email: [\"o'neill@acme.example\"]\n"),
            ("1,m.o'brien@acme.example,,", "email: [\"m.o'brien@acme.example\"]\n"),
            (
                "1,,a@acme.example; b@acme.example,",
                "email: [\"a@acme.example\", \"b@acme.example\"]\n",
            ),
            ("1,,a@acme.example; b@acme.example,", "emailDomain: [\"acme.example\"]\n"),
        ] {
            let listing = users(row);
            assert!(listing.contains(expected), "{expected}: {listing}");
        }
        assert!(!users("1,,john smith@acme.example,").contains("email"));
    }

    #[test]
    fn g20_a_full_name_is_read_in_either_order() {
        for name in ["Jane Doe", "\"Doe, Jane\"", "Jane   Doe (IT)"] {
            let listing = users(&format!("1,,,{name}"));
            assert!(listing.contains("firstName: \"Jane\"\nlastName: \"Doe\"\n"), "{listing}");
        }
        for name in ["Madonna", "\"Doe,\"", "van der Berg Jan"] {
            assert!(!users(&format!("1,,,{name}")).contains("firstName"), "{name}");
        }
    }

    #[test]
    fn g21_a_guest_name_is_no_mailbox_of_the_tenant() {
        let tenant = "#EXT#@acme.onmicrosoft.com";
        let proven = users(&format!("1,jane_partner.example{tenant},,"));
        assert!(proven.contains("email: [\"jane@partner.example\"]\n"), "{proven}");
        let unproven = users(&format!("1,jane_doe_partner.example{tenant},,"));
        assert!(unproven.contains("upn: ") && !unproven.contains("email"), "{unproven}");
    }
}
