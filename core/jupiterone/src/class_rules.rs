//! The rules of the data model's classes for each property: the values that it may have, whether it
//! may be null, whether it must be there.
//!
//! Source: npm `@jupiterone/data-model` 0.64.2. `tests/jupiterone/schemas.rs` holds these tables against
//! the published schemas.

use crate::text_rule::TextRule;

/// The version of the data model that the rules are from.
pub const DATA_MODEL_VERSION: &str = "0.64.2";

/// The latest `lastSeenOn`: the last millisecond of the year 9999.
const LATEST_TIME: i64 = 253_402_300_799_999;

const OPERATING_SYSTEMS: &[&str] = &[
    "darwin", "linux", "unix", "windows", "android", "ios", "chromeos", "legacy", "embedded",
    "other",
];

/// The values that a property may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Legal {
    /// A text.
    Text(TextRule),
    /// A number between these.
    Number(i64, i64),
    /// Yes or no.
    Boolean,
    /// Texts, each by its rule and none twice.
    Texts(TextRule),
    /// A text or texts.
    TextOrTexts,
}

/// The rule of a class for one property.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PropertyRule {
    pub(crate) name: &'static str,
    pub(crate) legal: Legal,
    pub(crate) nullable: bool,
    pub(crate) required: bool,
}

const fn text(name: &'static str) -> PropertyRule {
    property(name, Legal::Text(TextRule::Any))
}

const fn uri(name: &'static str) -> PropertyRule {
    property(name, Legal::Text(TextRule::Uri))
}

const fn number(name: &'static str) -> PropertyRule {
    property(name, Legal::Number(i64::MIN, i64::MAX))
}

const fn scale(name: &'static str) -> PropertyRule {
    property(name, Legal::Number(1, 10))
}

const fn boolean(name: &'static str) -> PropertyRule {
    property(name, Legal::Boolean)
}

const fn texts(name: &'static str) -> PropertyRule {
    property(name, Legal::Texts(TextRule::Any))
}

const fn set(name: &'static str, each: TextRule) -> PropertyRule {
    property(name, Legal::Texts(each))
}

const fn property(name: &'static str, legal: Legal) -> PropertyRule {
    PropertyRule { name, legal, nullable: false, required: false }
}

impl PropertyRule {
    const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

static ENTITY: &[PropertyRule] = &[
    property("id", Legal::TextOrTexts),
    text("name").required(),
    text("displayName").required(),
    text("summary"),
    text("description"),
    text("classification").or_null(),
    scale("criticality"),
    scale("risk"),
    scale("trust"),
    property("complianceStatus", Legal::Number(0, 1)),
    text("status"),
    boolean("active"),
    boolean("public"),
    boolean("validated"),
    boolean("temporary"),
    boolean("trusted"),
    number("createdOn"),
    number("updatedOn"),
    number("deletedOn"),
    number("discoveredOn"),
    number("expiresOn"),
    text("createdBy"),
    text("updatedBy"),
    text("deletedBy"),
    text("discoveredBy"),
    uri("webLink"),
    text("owner"),
    texts("tags"),
    texts("notes"),
];

static ACCOUNT: &[PropertyRule] =
    &[uri("accessURL"), boolean("mfaEnabled"), text("vendor").required()];

static DEVICE: &[PropertyRule] = &[
    text("category").or_null().required(),
    set("ipv4Addresses", TextRule::Ipv4).or_null().required(),
    set("ipv6Addresses", TextRule::Ipv6).or_null().required(),
    set("macAddresses", TextRule::MacAddress).or_null().required(),
    set("publicIpAddresses", TextRule::Ip).or_null().required(),
    set("privateIpAddresses", TextRule::Ip).or_null().required(),
    property("hostname", Legal::Text(TextRule::HostName)).or_null().required(),
    set("fqdn", TextRule::DomainName).or_null().required(),
    text("serial").or_null().required(),
    set("deviceId", TextRule::Any).or_null().required(),
    property("lastSeenOn", Legal::Number(0, LATEST_TIME)).or_null().required(),
    text("make").or_null().required(),
    text("model").or_null().required(),
    text("osName").or_null().required(),
    property("osType", Legal::Text(TextRule::OneOf(OPERATING_SYSTEMS))).or_null().required(),
    text("osDetails").or_null().required(),
    text("osVersion").or_null().required(),
    text("version"),
    text("hardwareVendor"),
    text("hardwareModel"),
    text("hardwareVersion"),
    text("hardwareSerial"),
    set("userEmails", TextRule::Email),
    text("location"),
    number("cost"),
    number("value"),
    boolean("BYOD"),
    boolean("autoSecurityPatchEnabled"),
    boolean("autoSystemPatchEnabled"),
    boolean("encrypted"),
    boolean("malwareProtected"),
    boolean("firewallEnabled"),
    boolean("remoteAccessEnabled"),
    boolean("screenLockEnabled"),
    number("screenLockTimeout"),
    set("assetTag", TextRule::Any),
];

static USER: &[PropertyRule] = &[
    set("username", TextRule::Any).or_null().required(),
    set("email", TextRule::Email).or_null().required(),
    set("emailDomain", TextRule::Any).or_null(),
    set("shortLoginId", TextRule::Any).or_null().required(),
    boolean("mfaEnabled"),
    boolean("isMfaEnabled"),
    text("mfaType"),
    boolean("isActive"),
    text("firstName").or_null().required(),
    text("lastName").or_null().required(),
    number("passwordChangedOn"),
    text("employeeId"),
    set("userIds", TextRule::Any),
    boolean("isAdmin"),
    boolean("isPerson"),
    boolean("isGuest"),
];

static APPLICATION: &[PropertyRule] = &[
    boolean("COTS"),
    boolean("FOSS"),
    boolean("SaaS"),
    boolean("external"),
    boolean("mobile"),
    text("license"),
    uri("licenseURL"),
    uri("productionURL"),
    uri("stagingURL"),
    uri("devURL"),
    uri("testURL"),
    texts("alternateURLs"),
];

/// Alerts and findings inherit from this instead of the common entity.
static RECORD: &[PropertyRule] = &[
    text("name").required(),
    text("displayName").required(),
    text("summary"),
    text("description"),
    text("classification"),
    text("category"),
    uri("webLink"),
    text("content"),
    boolean("open"),
    boolean("public"),
    boolean("production"),
    boolean("approved"),
    number("approvedOn"),
    texts("approvers"),
    text("reporter"),
    number("reportedOn"),
    number("createdOn"),
    number("updatedOn"),
    boolean("exception"),
    text("exceptionReason"),
];

/// The properties that a finding adds to a record. `category`, `open`, `public` and `production` could be null here,
/// but not in a record.
static FINDING: &[PropertyRule] = &[
    text("category").required(),
    boolean("open").required(),
    text("assessment").or_null(),
    text("status").or_null(),
    text("severity").or_null().required(),
    number("numericSeverity").or_null().required(),
    text("priority").or_null(),
    number("score").or_null(),
    number("impact").or_null(),
    number("exploitability").or_null(),
    text("vector").or_null(),
    texts("stepsToReproduce").or_null(),
    text("recommendation").or_null(),
    text("remediationActions").or_null(),
    texts("targets").or_null(),
    texts("targetDetails").or_null(),
    number("remediationSLA").or_null(),
    boolean("blocksProduction").or_null(),
    boolean("validated").or_null(),
    texts("references").or_null(),
];

/// The rules of a class, those that it inherits included. A class that is not here has those of every
/// entity.
pub(crate) fn rules_of(class: &str) -> impl Iterator<Item = &'static PropertyRule> {
    let (base, own): (_, &[PropertyRule]) = match class {
        "Account" => (ENTITY, ACCOUNT),
        "Device" => (ENTITY, DEVICE),
        "User" => (ENTITY, USER),
        "Application" => (ENTITY, APPLICATION),
        "Alert" | "Record" => (RECORD, &[]),
        "Finding" => (RECORD, FINDING),
        _ => (ENTITY, &[]),
    };
    base.iter().chain(own)
}

/// Returns whether a property of our own may have this name: the data model allows no underscore but at its
/// start, and the interface keeps that for itself.
pub(crate) fn is_legal_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b". -".contains(&byte);
    !name.is_empty() && name.bytes().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(class: &str, name: &str) -> Option<&'static PropertyRule> {
        rules_of(class).find(|rule| rule.name == name)
    }

    #[test]
    fn a_class_inherits_from_the_entity_or_from_the_record_and_never_from_both() {
        for (class, inherits_from_entity) in [
            ("Account", true),
            ("Device", true),
            ("User", true),
            ("Application", true),
            ("NoClassOfOurs", true),
            ("Alert", false),
            ("Record", false),
            ("Finding", false),
        ] {
            assert_eq!(rule(class, "criticality").is_some(), inherits_from_entity, "{class}");
            assert_eq!(rule(class, "reportedOn").is_none(), inherits_from_entity, "{class}");
            assert!(rule(class, "displayName").is_some_and(|rule| rule.required), "{class}");
        }
    }

    #[test]
    fn a_required_property_may_be_null_only_where_its_class_says_so() {
        for (class, name, required, nullable) in [
            ("Account", "vendor", true, false),
            ("Account", "accessURL", false, false),
            ("Device", "hostname", true, true),
            ("Finding", "severity", true, true),
            ("Device", "classification", false, true),
        ] {
            let rule = rule(class, name).expect("the class has it");
            assert_eq!((rule.required, rule.nullable), (required, nullable), "{class} {name}");
        }
    }

    #[test]
    fn a_name_of_our_own_has_no_character_that_the_data_model_keeps_for_itself() {
        for (name, expected) in [
            ("osType", true),
            ("tag.AccountName", true),
            ("a b-c.9", true),
            ("", false),
            ("my_name", false),
            ("_key", false),
            ("naïve", false),
            ("a\u{1b}", false),
            ("a\"b", false),
        ] {
            assert_eq!(is_legal_name(name), expected, "{name:?}");
        }
    }
}
