//! The classes of JupiterOne's data model that entities inherit from, and those of relationships.
//!
//! Source: npm `@jupiterone/data-model` 0.64.2.

use crate::text;

/// An abstract class of the graph's data model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the names of the data model's own classes")]
pub enum Class {
    Account,
    Alert,
    Application,
    Device,
    Finding,
    Record,
    User,
}

/// The meaning of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the names of the data model's own classes")]
pub enum RelationshipClass {
    Has,
    Installed,
    Uses,
}

/// The properties that every entity must have besides `_key`, `_type` and `_class`; they are never
/// null.
pub const REQUIRED_OF_EVERY_ENTITY: &[&str] = &["name", "displayName"];

const OPTIONAL_FOR_EVERY_ENTITY: &[&str] = &[
    "active",
    "classification",
    "complianceStatus",
    "createdBy",
    "createdOn",
    "criticality",
    "deletedBy",
    "deletedOn",
    "description",
    "discoveredBy",
    "discoveredOn",
    "expiresOn",
    "id",
    "notes",
    "owner",
    "public",
    "risk",
    "status",
    "summary",
    "tags",
    "temporary",
    "trust",
    "trusted",
    "updatedBy",
    "updatedOn",
    "validated",
    "webLink",
];

impl Class {
    /// The name in the data model.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Alert => "Alert",
            Self::Application => "Application",
            Self::Device => "Device",
            Self::Finding => "Finding",
            Self::Record => "Record",
            Self::User => "User",
        }
    }

    /// The properties that an entity of the class must have, null where the class allows it.
    pub const fn required_properties(self) -> &'static [&'static str] {
        match self {
            Self::Account => &["vendor"],
            Self::Alert | Self::Application | Self::Record => &[],
            Self::Device => &[
                "category",
                "make",
                "model",
                "serial",
                "deviceId",
                "hostname",
                "fqdn",
                "ipv4Addresses",
                "ipv6Addresses",
                "privateIpAddresses",
                "publicIpAddresses",
                "macAddresses",
                "lastSeenOn",
                "osName",
                "osType",
                "osDetails",
                "osVersion",
            ],
            Self::Finding => &["category", "severity", "numericSeverity", "open"],
            Self::User => &["firstName", "lastName", "email", "shortLoginId", "username"],
        }
    }

    /// The further properties of the class that our types use.
    const fn optional_properties(self) -> &'static [&'static str] {
        match self {
            Self::Account => &["accessURL", "mfaEnabled"],
            Self::Alert => &["category", "open", "reportedOn", "reporter"],
            Self::Application => &["license", "external", "mobile"],
            Self::Device => &["hardwareModel", "hardwareSerial", "hardwareVendor", "location"],
            Self::Record => &["category", "content", "reporter"],
            Self::Finding => &["priority", "status", "reportedOn", "score", "targets"],
            Self::User => &["emailDomain", "employeeId", "isActive", "isAdmin", "userIds"],
        }
    }

    /// Returns true if the class itself defines the property, so that a type's own page omits it.
    pub const fn defines(self, property: &str) -> bool {
        text::is_one_of(property, REQUIRED_OF_EVERY_ENTITY)
            || text::is_one_of(property, OPTIONAL_FOR_EVERY_ENTITY)
            || text::is_one_of(property, self.required_properties())
            || text::is_one_of(property, self.optional_properties())
    }
}

impl RelationshipClass {
    /// The name in the data model, for example `HAS`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Has => "HAS",
            Self::Installed => "INSTALLED",
            Self::Uses => "USES",
        }
    }

    /// The name within types and keys, for example `has`.
    pub const fn lower_case_name(self) -> &'static str {
        match self {
            Self::Has => "has",
            Self::Installed => "installed",
            Self::Uses => "uses",
        }
    }
}
