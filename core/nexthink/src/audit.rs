//! The requests to the classic Audit Trail API (Nexthink, audit trail API), and the hosts that get
//! the account.

mod answer;
mod client;
mod error_array;

use std::str::FromStr;

pub use self::client::{AuditAccess, AuditAnswer, AuditClient, AuditPiece};
use crate::endpoints::NexthinkUrl;
use crate::error::NexthinkError;
use crate::escape::escaped;
use crate::identity::{Region, TenantId};

/// The domain of every host of Nexthink's cloud.
const CLOUD: &str = ".nexthink.cloud";

/// The host of the audit trail.
#[derive(Debug, Clone)]
pub struct AuditHost(NexthinkUrl);

impl AuditHost {
    /// The instance's own host, for a local account.
    ///
    /// # Errors
    /// None for a tenant and a region that are valid.
    pub fn for_instance(tenant: &TenantId, region: &Region) -> Result<Self, NexthinkError> {
        Self::named(&format!("https://{tenant}.{region}.nexthink.cloud"), false)
    }

    /// The host of a region, for an API client with a token.
    ///
    /// # Errors
    /// None for a region that is valid.
    pub fn for_region(region: &Region) -> Result<Self, NexthinkError> {
        Self::named(&format!("https://agora.{region}.nexthink.cloud"), false)
    }

    /// A host by its name or base URL. It must be one of Nexthink's cloud or on this machine, unless
    /// `any_host` says that the account may go elsewhere.
    ///
    /// # Errors
    /// [`NexthinkError::InvalidEndpoint`] names the rule that it breaks.
    pub fn named(text: &str, any_host: bool) -> Result<Self, NexthinkError> {
        let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let base = NexthinkUrl::checked("audit trail", &url)?;
        if any_host || base.is_loopback() || base.host().ends_with(CLOUD) {
            return Ok(Self(base));
        }
        Err(NexthinkError::InvalidEndpoint {
            name: "audit trail",
            reason: "it is no host of nexthink.cloud, and the account would be sent there; allow it \
                     explicitly if it is right",
        })
    }

    pub(crate) fn base(&self) -> &NexthinkUrl {
        &self.0
    }
}

/// The name of an Engine: that of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EngineName(String);

impl EngineName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EngineName {
    type Err = NexthinkError;

    fn from_str(text: &str) -> Result<Self, NexthinkError> {
        let is_label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !label.is_empty() && label.bytes().all(inner)
        };
        if text.len() <= 253 && text.split('.').all(is_label) {
            return Ok(Self(text.to_owned()));
        }
        Err(NexthinkError::InvalidIdentity {
            name: "engine",
            value: escaped(text, 80),
            rule: "an Engine is named by its host name: letters, digits, hyphens and dots",
        })
    }
}

/// Whose audit trail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trail {
    /// That of the web interface.
    Portal,
    /// That of one Engine.
    Engine(EngineName),
    /// Those of all connected Engines, one after the other.
    Engines,
}

impl Trail {
    fn path(&self) -> String {
        match self {
            Self::Portal => "portal".to_owned(),
            Self::Engine(name) => format!("engine/{}", name.as_str()),
            Self::Engines => "engines".to_owned(),
        }
    }

    fn for_people(&self) -> String {
        match self {
            Self::Portal => "the web interface".to_owned(),
            Self::Engine(name) => format!("the Engine {}", name.as_str()),
            Self::Engines => "all Engines".to_owned(),
        }
    }
}

/// A part of a trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRequest {
    /// Whose trail.
    pub trail: Trail,
    /// `before_date`, such as `2026-03-01T10:00:00`, by Nexthink's clock; none means now.
    pub before: Option<String>,
    /// `elapsed_hours`: how long before that the part begins.
    pub elapsed_hours: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l6_the_account_goes_to_hosts_of_nexthink_only() {
        for (host, accepted, with_any_host) in [
            ("acme.eu.nexthink.cloud", true, true),
            ("https://acme.eu.nexthink.cloud", true, true),
            ("agora.eu.nexthink.cloud", true, true),
            ("http://127.0.0.1:8480", true, true),
            ("portal.corp.example", false, true),
            ("nexthink.cloud.evil.example", false, true),
            ("acme.eu.nexthink.cloud.evil.example", false, true),
            ("evilnexthink.cloud", false, true),
            ("http://acme.eu.nexthink.cloud", false, false),
            ("https://user:pass@acme.eu.nexthink.cloud", false, false),
            ("https://acme.eu.nexthink.cloud?x=1", false, false),
            ("https://evil.example/#.nexthink.cloud", false, false),
            ("evil.example/.nexthink.cloud", false, true),
            ("", false, false),
        ] {
            assert_eq!(AuditHost::named(host, false).is_ok(), accepted, "{host}");
            assert_eq!(AuditHost::named(host, true).is_ok(), with_any_host, "{host}");
        }
    }

    #[test]
    fn an_engine_is_named_like_a_host() {
        for (name, accepted) in [
            ("engine-01", true),
            ("engine_1.corp.example", true),
            ("", false),
            ("a/b", false),
            ("..", false),
            ("a?x=1", false),
            ("ä", false),
        ] {
            assert_eq!(name.parse::<EngineName>().is_ok(), accepted, "{name}");
        }
    }
}
