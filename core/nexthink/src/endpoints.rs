//! Where the tenant's login host, API and results files are: computed, or overridden as a whole.

use core_http::BaseUrl;
use url::Url;

use crate::error::NexthinkError;
use crate::identity::{ExportId, Region, TenantId};
use crate::results_link::FileHosts;

/// The hosts of one tenant. They come from the configuration, never out of an answer.
#[derive(Debug, Clone)]
pub struct Endpoints {
    login: NexthinkUrl,
    api: NexthinkUrl,
    files: FileHosts,
}

/// Base URLs to use instead of the computed ones, such as those of a simulated tenant.
///
/// Plain http is allowed for a loopback host only.
#[derive(Debug, Clone)]
pub struct EndpointOverrides {
    /// Stands for `https://{tenant}-login.{region}.nexthink.cloud`.
    pub login: String,
    /// Stands for `https://{tenant}.api.{region}.nexthink.cloud`.
    pub api: String,
    /// The only origin that results files are then taken from.
    pub files: String,
}

impl Endpoints {
    /// The documented hosts of a tenant (Nexthink API documentation, "Getting authentication
    /// token" and "NQL API").
    pub fn for_tenant(tenant: &TenantId, region: &Region) -> Self {
        let base = |host: String| {
            let url = BaseUrl::parse(&format!("https://{host}"));
            NexthinkUrl(url.expect("checked labels make a URL"))
        };
        Self {
            login: base(format!("{tenant}-login.{region}.nexthink.cloud")),
            api: base(format!("{tenant}.api.{region}.nexthink.cloud")),
            files: FileHosts::Nexthink,
        }
    }

    /// Other hosts than the documented ones.
    ///
    /// # Errors
    /// [`NexthinkError::InvalidEndpoint`] names the base URL and the rule that it breaks.
    pub fn overridden(overrides: &EndpointOverrides) -> Result<Self, NexthinkError> {
        Ok(Self {
            login: NexthinkUrl::checked("login", &overrides.login)?,
            api: NexthinkUrl::checked("api", &overrides.api)?,
            files: FileHosts::Only(
                NexthinkUrl::checked("files", &overrides.files)?.0.as_url().clone(),
            ),
        })
    }

    pub(crate) fn login(&self) -> &NexthinkUrl {
        &self.login
    }

    pub(crate) fn api(&self) -> &NexthinkUrl {
        &self.api
    }

    pub(crate) fn files(&self) -> &FileHosts {
        &self.files
    }

    /// Returns whether the login host is reached over TLS: it is, unless it is overridden by one on this
    /// machine.
    pub fn login_uses_tls(&self) -> bool {
        self.login.is_tls()
    }

    /// Returns whether any host is reached over TLS.
    pub(crate) fn use_tls(&self) -> bool {
        let files_use_tls = match &self.files {
            FileHosts::Nexthink => true,
            FileHosts::Only(url) => url.scheme() == "https",
        };
        files_use_tls || [&self.login, &self.api].iter().any(|base| base.is_tls())
    }
}

/// The base URL of one of Nexthink's hosts, which may be called with a credential.
#[derive(Debug, Clone)]
pub(crate) struct NexthinkUrl(BaseUrl);

impl NexthinkUrl {
    pub(crate) fn checked(name: &'static str, text: &str) -> Result<Self, NexthinkError> {
        let checked = BaseUrl::parse(text);
        checked.map(Self).map_err(|reason| NexthinkError::InvalidEndpoint { name, reason })
    }

    /// The URL of the token endpoint, if this is the login host.
    pub(crate) fn token(&self) -> Url {
        self.0.join("oauth2/default/v1/token")
    }

    /// The URL that starts an export, if this is the API.
    pub(crate) fn export(&self) -> Url {
        self.0.join("api/v1/nql/export")
    }

    /// The URL of the status of an export, if this is the API.
    pub(crate) fn export_status(&self, export_id: &ExportId) -> Url {
        self.0.join(&format!("api/v1/nql/status/{export_id}"))
    }

    /// The host, for messages.
    pub(crate) fn host(&self) -> &str {
        self.0.host()
    }

    /// The URL that runs a query at once, if this is the API.
    pub(crate) fn execute(&self) -> Url {
        self.0.join("api/v1/nql/execute")
    }

    /// The URL of a part of the audit trail, if this is its host.
    pub(crate) fn audit_trail(&self, path: &str, query: &[(&str, String)]) -> Url {
        let mut url = self.0.join(&format!("audit-trail/api/v1/{path}/type/auditlog"));
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    /// Returns whether it is reached over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.0.uses_tls()
    }

    /// Returns whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.0.is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_a_tenant_are_computed() {
        let tenant = "acme".parse().expect("a tenant");
        let region = "eu".parse().expect("a region");
        let endpoints = Endpoints::for_tenant(&tenant, &region);
        assert_eq!(
            endpoints.login().token().as_str(),
            "https://acme-login.eu.nexthink.cloud/oauth2/default/v1/token"
        );
        assert_eq!(
            endpoints.api().export().as_str(),
            "https://acme.api.eu.nexthink.cloud/api/v1/nql/export"
        );
        let export_id = "e-1".parse().expect("an export id");
        assert_eq!(
            endpoints.api().export_status(&export_id).as_str(),
            "https://acme.api.eu.nexthink.cloud/api/v1/nql/status/e-1"
        );
        assert!(endpoints.use_tls());
    }

    #[test]
    fn base_urls_are_https_or_loopback_and_nothing_else() {
        for (text, accepted) in [
            ("https://proxy.example", true),
            ("https://proxy.example:8443/nexthink/", true),
            ("http://127.0.0.1:9000", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:9000", true),
            ("http://localhost:9000", true),
            ("http://proxy.example", false),
            ("http://localhost.evil.example", false),
            ("http://10.0.0.1", false),
            ("http://0.0.0.0", false),
            ("https://user@proxy.example", false),
            ("https://user:pass@proxy.example", false),
            ("https://proxy.example?x=1", false),
            ("https://proxy.example#x", false),
            ("ftp://proxy.example", false),
            ("proxy.example", false),
            ("", false),
        ] {
            assert_eq!(NexthinkUrl::checked("api", text).is_ok(), accepted, "{text:?}");
        }
    }

    #[test]
    fn a_base_url_may_have_a_path() {
        for base in ["https://proxy.example/nexthink", "https://proxy.example/nexthink/"] {
            let base = NexthinkUrl::checked("api", base).expect("a base URL");
            assert_eq!(base.export().as_str(), "https://proxy.example/nexthink/api/v1/nql/export");
        }
    }
}
