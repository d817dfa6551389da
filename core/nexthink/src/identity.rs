//! The identifiers that end up in a host name or a request, each checked once when it is made.
//!
//! They are configuration or opaque handles, not personal data, so messages may show them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::NexthinkError;
use crate::escape::escaped;

/// The first label of a tenant's host names, in lower case.
///
/// One DNS label of at most 57 characters, so that `{tenant}-login` still fits into 63. Anything
/// looser would let a tenant name such as `evil.example/#` choose the host that gets the secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

/// The region label of a tenant's host names.
///
/// Documented are `us`, `eu`, `pac` and `meta` (Nexthink connectivity requirements).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

/// The identifier of a saved NQL query, with its leading `#` (Nexthink NQL API 1.2.0).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(String);

/// The opaque handle of one asynchronous export.
///
/// Nexthink documents no alphabet; this one is the characters that a path segment may contain unescaped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExportId(String);

impl Region {
    /// The regions that Nexthink documents.
    pub const DOCUMENTED: [&'static str; 4] = ["us", "eu", "pac", "meta"];

    /// A region that Nexthink does not document, such as one opened lately.
    ///
    /// # Errors
    /// [`NexthinkError::InvalidIdentity`] if `label` is not one lower-case DNS label.
    pub fn custom(label: &str) -> Result<Self, NexthinkError> {
        if is_dns_label(label, 63) {
            return Ok(Self(label.to_owned()));
        }
        Err(invalid(
            "region",
            label,
            "a region is 1 to 63 characters of a-z, 0-9 and inner hyphens, as in the tenant's \
             address https://<tenant>.<region>.nexthink.cloud",
        ))
    }
}

impl FromStr for TenantId {
    type Err = NexthinkError;

    fn from_str(text: &str) -> Result<Self, NexthinkError> {
        let lower = text.to_ascii_lowercase();
        if is_dns_label(&lower, 57) {
            return Ok(Self(lower));
        }
        Err(invalid(
            "tenant",
            text,
            "a tenant is 1 to 57 characters of a-z, 0-9 and inner hyphens; take only the first \
             label of the tenant's address https://<tenant>.<region>.nexthink.cloud",
        ))
    }
}

impl FromStr for Region {
    type Err = NexthinkError;

    fn from_str(text: &str) -> Result<Self, NexthinkError> {
        let lower = text.to_ascii_lowercase();
        if Self::DOCUMENTED.contains(&lower.as_str()) {
            return Ok(Self(lower));
        }
        Err(invalid(
            "region",
            text,
            "a region is us, eu, pac or meta, as in the tenant's address \
             https://<tenant>.<region>.nexthink.cloud",
        ))
    }
}

/// The tenant and the region that an address of Nexthink's cloud names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantAddress {
    /// The tenant.
    pub tenant: TenantId,
    /// Its region.
    pub region: Region,
}

impl TenantAddress {
    /// Reads the address of a tenant's web interface or API, as people copy it from a browser:
    /// `https://acme.eu.nexthink.cloud/#/home`, `acme.api.eu.nexthink.cloud`.
    ///
    /// Returns nothing unless the address names both for certain. The login host does not: nothing tells
    /// `acme-login` of the tenant `acme` from a tenant of that name.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let address = lower.strip_prefix("https://").unwrap_or(&lower);
        let host = address.split(['/', '?', '#']).next()?;
        let host = host.strip_suffix(":443").unwrap_or(host).strip_suffix(".nexthink.cloud")?;
        let labels: Vec<&str> = host.split('.').collect();
        let ([tenant, region] | [tenant, "api", region]) = labels[..] else { return None };
        // Nexthink's own host for the audit trail of all tenants.
        if tenant == "agora" || tenant.ends_with("-login") {
            return None;
        }
        Some(Self { tenant: tenant.parse().ok()?, region: region.parse().ok()? })
    }
}

impl FromStr for QueryId {
    type Err = NexthinkError;

    fn from_str(text: &str) -> Result<Self, NexthinkError> {
        let well_formed = text.strip_prefix('#').is_some_and(|name| {
            (2..=255).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
        if well_formed {
            return Ok(Self(text.to_owned()));
        }
        Err(invalid(
            "query id",
            text,
            "a query id is # and then 2 to 255 characters of a-z, 0-9 and _, as shown in \
             Administration > NQL API queries",
        ))
    }
}

impl FromStr for ExportId {
    type Err = NexthinkError;

    fn from_str(text: &str) -> Result<Self, NexthinkError> {
        let well_formed = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if well_formed {
            return Ok(Self(text.to_owned()));
        }
        Err(invalid(
            "export id",
            text,
            "an export id is 1 to 128 characters of A-Z, a-z, 0-9, _ and -; start a new export",
        ))
    }
}

/// Gives each identifier its text, the same way.
macro_rules! shown_as_text {
    ($($identifier:ident),+) => {$(
        impl $identifier {
            /// The checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $identifier {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )+};
}

shown_as_text!(TenantId, Region, QueryId, ExportId);

/// Writes each identifier as its text, and checks the text when it is read.
macro_rules! stored_as_text {
    ($($identifier:ident),+) => {$(
        impl Serialize for $identifier {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $identifier {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )+};
}

stored_as_text!(QueryId, ExportId);

/// Returns whether `label` is one lower-case DNS label of at most `max_length` characters.
fn is_dns_label(label: &str, max_length: usize) -> bool {
    (1..=max_length).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn invalid(name: &'static str, value: &str, rule: &'static str) -> NexthinkError {
    NexthinkError::InvalidIdentity { name, value: escaped(value, 80), rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of `rows` that `parse` takes, where the second half says whether it should.
    fn check<T: fmt::Display>(
        rows: &[(&str, bool)],
        parse: impl Fn(&str) -> Result<T, NexthinkError>,
    ) {
        for (text, accepted) in rows {
            assert_eq!(parse(text).is_ok(), *accepted, "{text:?}");
        }
    }

    #[test]
    fn a_tenant_is_one_dns_label() {
        let longest = "a".repeat(57);
        let too_long = "a".repeat(58);
        let rows = [
            ("acme", true),
            ("a", true),
            ("7", true),
            ("acme-emea-2", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("-acme", false),
            ("acme-", false),
            ("acme.example", false),
            ("evil.example/#", false),
            ("acme@evil", false),
            ("acme\n", false),
            (" acme", false),
            ("acme_1", false),
            ("acmé", false),
            ("a%2e", false),
        ];
        check(&rows, str::parse::<TenantId>);
    }

    #[test]
    fn a_tenant_is_lower_cased() {
        let tenant: TenantId = "AcMe".parse().expect("a valid tenant");
        assert_eq!(tenant.as_str(), "acme");
    }

    #[test]
    fn p8_a_pasted_address_names_tenant_and_region_only_where_that_is_certain() {
        let table = [
            ("https://acme.eu.nexthink.cloud", Some(("acme", "eu"))),
            ("https://Acme.EU.nexthink.cloud/#/home?x=1", Some(("acme", "eu"))),
            (" acme.us.nexthink.cloud/ ", Some(("acme", "us"))),
            ("acme.api.pac.nexthink.cloud:443/api/v1/nql", Some(("acme", "pac"))),
            ("acme", None),
            ("acme-login.eu.nexthink.cloud", None),
            ("https://agora.eu.nexthink.cloud", None),
            ("https://me@acme.eu.nexthink.cloud", None),
            ("http://acme.eu.nexthink.cloud", None),
            ("https://acme.mars.nexthink.cloud", None),
            ("https://acme.eu.nexthink.cloud.evil.example", None),
            ("https://evil.example/acme.eu.nexthink.cloud", None),
            ("https://a.b.eu.nexthink.cloud", None),
            ("", None),
        ];
        for (text, expected) in table {
            let address = TenantAddress::parse(text);
            let found =
                address.as_ref().map(|address| (address.tenant.as_str(), address.region.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn only_documented_regions_parse() {
        let rows = [
            ("us", true),
            ("eu", true),
            ("pac", true),
            ("meta", true),
            ("EU", true),
            ("uk", false),
            ("", false),
            ("eu.nexthink.cloud", false),
        ];
        check(&rows, str::parse::<Region>);
    }

    #[test]
    fn a_custom_region_is_one_dns_label() {
        let too_long = "r".repeat(64);
        let rows = [
            ("uk", true),
            ("eu-2", true),
            ("eu", true),
            ("", false),
            ("eu.", false),
            ("EU", false),
            ("eu/", false),
            ("-eu", false),
            (too_long.as_str(), false),
        ];
        check(&rows, Region::custom);
    }

    #[test]
    fn h4_a_query_id_follows_the_pattern_of_the_api() {
        let longest = format!("#{}", "q".repeat(255));
        let too_long = format!("#{}", "q".repeat(256));
        let rows = [
            ("#j1_devices", true),
            ("#ab", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("#a", false),
            ("#", false),
            ("devices", false),
            ("##devices", false),
            ("#Devices", false),
            ("#dev-ices", false),
            ("#devices ", false),
            ("#devices\r\n", false),
            ("#é_", false),
            ("", false),
        ];
        check(&rows, str::parse::<QueryId>);
    }

    #[test]
    fn d7_an_export_id_can_be_a_path_segment_as_it_is() {
        let longest = "e".repeat(128);
        let too_long = "e".repeat(129);
        let rows = [
            ("0f3c9a2e-1b7d-4c55-9a01-2b3c4d5e6f70", true),
            ("A_b-9", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("../../x", false),
            ("a/b", false),
            ("a%00", false),
            ("a?b", false),
            ("a b", false),
            ("é", false),
            (".", false),
        ];
        check(&rows, str::parse::<ExportId>);
    }

    #[test]
    fn a_refusal_says_the_rule_and_escapes_the_value() {
        let error = "a\u{1b}[2Jb".parse::<TenantId>().expect_err("not a label");
        let message = error.to_string();
        assert!(message.contains("\\u{1b}[2J") && message.contains("first label"), "{message}");

        let error = "x".repeat(10_000).parse::<QueryId>().expect_err("too long");
        assert!(error.to_string().len() < 400);
    }
}
