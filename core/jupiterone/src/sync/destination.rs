//! Where a generation goes: the account, the source, and the scope or integration instance.

use std::fmt;

use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::base_url::BaseUrl;
use crate::error::JupiterOneError;

/// An API key of JupiterOne. It has no `Debug`, `Display` or `Serialize`, so it cannot end up in a log by
/// accident, and is wiped when dropped.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Takes the key over.
    ///
    /// # Errors
    /// [`JupiterOneError::InvalidSetting`] for what no header can carry.
    pub fn new(text: String) -> Result<Self, JupiterOneError> {
        let key = Self(Zeroizing::new(text));
        if (1..=4096).contains(&key.0.len()) && key.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(key);
        }
        Err(JupiterOneError::InvalidSetting {
            name: "API key",
            reason: "it is empty, or has blanks, line breaks or other than ASCII characters",
        })
    }

    /// The header that proves who calls.
    pub(crate) fn header(&self) -> HeaderValue {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let mut header = HeaderValue::from_str(&text).expect("visible ASCII makes a header");
        header.set_sensitive(true);
        header
    }
}

/// Where the data of a job comes from, as JupiterOne names it. What a job does not upload it deletes
/// within this source alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Source {
    /// The plain interface. The scope names the data; another scope is another graph.
    Api {
        /// The scope.
        scope: String,
    },
    /// A custom integration that runs outside JupiterOne.
    IntegrationExternal {
        /// The id of its instance.
        integration_instance_id: String,
    },
    /// An integration that JupiterOne manages.
    IntegrationManaged {
        /// The id of its instance.
        integration_instance_id: String,
    },
}

impl Source {
    /// JupiterOne's name of it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Api { .. } => "api",
            Self::IntegrationExternal { .. } => "integration-external",
            Self::IntegrationManaged { .. } => "integration-managed",
        }
    }

    /// The scope, or the id of the instance.
    pub fn id(&self) -> &str {
        match self {
            Self::Api { scope: id }
            | Self::IntegrationExternal { integration_instance_id: id }
            | Self::IntegrationManaged { integration_instance_id: id } => id,
        }
    }

    /// Returns whether steps are reported to the job's log.
    pub fn has_log(&self) -> bool {
        !matches!(self, Self::Api { .. })
    }
}

/// The treatment of what is already there. `DIFF` alone is offered: it makes JupiterOne hold exactly
/// what the generation holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// The upload is the whole: JupiterOne deletes what is missing, except in partial datasets.
    Diff,
}

impl SyncMode {
    /// Reads a mode by JupiterOne's name of it.
    ///
    /// # Errors
    /// [`JupiterOneError::UnsupportedMode`] for every other mode, with the reason.
    pub fn parse(name: &str) -> Result<Self, JupiterOneError> {
        let (mode, reason) = match name {
            "DIFF" => return Ok(Self::Diff),
            "CREATE_OR_UPDATE" => (
                "CREATE_OR_UPDATE",
                "JupiterOne has withdrawn it; use DIFF, which spares partial types",
            ),
            "PATCH" => ("PATCH", "it takes entities only and never deletes any; use DIFF"),
            "CROSS_SCOPE" => ("CROSS_SCOPE", "it takes relationships only; use DIFF"),
            "OVERRIDE" => ("OVERRIDE", "it changes entities of other integrations; use DIFF"),
            _ => ("of this name", "JupiterOne knows none; use DIFF"),
        };
        Err(JupiterOneError::UnsupportedMode { mode, reason })
    }
}

/// The account and source that a generation is delivered to.
#[derive(Debug, Clone)]
pub struct Destination {
    pub(crate) base: BaseUrl,
    pub(crate) account: String,
    pub(crate) source: Source,
}

impl fmt::Display for Destination {
    /// Account, source, and scope or instance, for people.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.source {
            Source::Api { .. } => "scope",
            Source::IntegrationExternal { .. } | Source::IntegrationManaged { .. } => "instance",
        };
        let (account, source) = (&self.account, &self.source);
        write!(formatter, "account {account}, source {}, {what} {}", source.name(), source.id())
    }
}

impl Destination {
    /// Checks that everything can be sent.
    ///
    /// # Errors
    /// [`JupiterOneError::InvalidSetting`] names the setting and its rule.
    pub fn new(base: BaseUrl, account: &str, source: Source) -> Result<Self, JupiterOneError> {
        let refuse = |name, reason| Err(JupiterOneError::InvalidSetting { name, reason });
        let is_word = |text: &str, others: &[u8]| {
            (1..=256).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        };
        if !is_word(account, b"-_") {
            return refuse(
                "account id",
                "it is not made of 1 to 256 letters, digits, hyphens and underscores",
            );
        }
        let name = if source.has_log() { "integration instance id" } else { "scope" };
        if !is_word(source.id(), b"-_.:/") {
            return refuse(name, "it is not made of 1 to 256 letters, digits and -_.:/");
        }
        Ok(Self { base, account: account.to_owned(), source })
    }

    /// Returns whether steps are reported to the log of its jobs.
    pub fn has_log(&self) -> bool {
        self.source.has_log()
    }

    /// Who this is, to be remembered with a delivery.
    pub fn identity(&self) -> DestinationIdentity {
        DestinationIdentity {
            host: self.base.host().to_owned(),
            port: Some(self.base.port()),
            account: self.account.clone(),
            source: self.source.clone(),
        }
    }
}

/// The identity of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationIdentity {
    /// The host of the base URL.
    pub host: String,
    /// Its port; none where an earlier version of this program did not write it down.
    #[serde(default)]
    pub port: Option<u16>,
    /// The account id.
    pub account: String,
    /// Source and scope or instance.
    #[serde(flatten)]
    pub source: Source,
}

impl fmt::Display for DestinationIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, id) = (self.source.name(), self.source.id());
        write!(formatter, "account {} at {}, {source} {id}", self.account, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(account: &str, source: Source) -> Result<Destination, JupiterOneError> {
        Destination::new(BaseUrl::parse("https://api.us.jupiterone.io")?, account, source)
    }

    fn api(scope: &str) -> Source {
        Source::Api { scope: scope.to_owned() }
    }

    #[test]
    fn only_diff_is_offered_and_the_others_are_refused_by_name() {
        assert_eq!(SyncMode::parse("DIFF").ok(), Some(SyncMode::Diff));
        for mode in ["CREATE_OR_UPDATE", "PATCH", "CROSS_SCOPE", "OVERRIDE"] {
            let error = SyncMode::parse(mode).expect_err("refused").to_string();
            assert!(error.contains(mode), "{error}");
        }
        assert!(SyncMode::parse("diff").is_err());
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_repeating_it() {
        let long = "a".repeat(257);
        for text in ["", "a b", "canary\n", "ü", &long] {
            for made in [destination(text, api("acme")), destination("acme", api(text))] {
                let error = made.expect_err(text).to_string();
                assert!(!error.contains("canary"), "{error}");
            }
        }
        for key in ["", "can ary", "canary\n", "canaryü"] {
            let error = ApiKey::new(key.to_owned()).err().expect(key).to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_destination_is_told_by_account_source_and_scope_or_instance() -> Result<(), JupiterOneError>
    {
        let id = || "i-1".to_owned();
        for (source, shown, identity, has_log) in [
            (
                Source::Api { scope: id() },
                "account acme, source api, scope i-1",
                "account acme at api.us.jupiterone.io, api i-1",
                false,
            ),
            (
                Source::IntegrationExternal { integration_instance_id: id() },
                "account acme, source integration-external, instance i-1",
                "account acme at api.us.jupiterone.io, integration-external i-1",
                true,
            ),
            (
                Source::IntegrationManaged { integration_instance_id: id() },
                "account acme, source integration-managed, instance i-1",
                "account acme at api.us.jupiterone.io, integration-managed i-1",
                true,
            ),
        ] {
            let destination = destination("acme", source)?;
            assert_eq!(destination.to_string(), shown);
            assert_eq!(destination.identity().to_string(), identity);
            assert_eq!(destination.has_log(), has_log, "{shown}");
        }
        Ok(())
    }
}
