//! The HTTP client below the calls: which certificates it trusts, which proxy it takes, what it never
//! does.

use std::sync::Arc;

use reqwest::NoProxy;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;
use url::Url;

use super::settings::{ProxySettings, SyncSettings};
use crate::error::JupiterOneError;

/// Never reached through a proxy: it would be the loopback of another machine.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// A client that follows no redirect, reads no environment, and gives up in time.
pub(super) fn client(
    uses_tls: bool,
    settings: &SyncSettings,
) -> Result<reqwest::Client, JupiterOneError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(uses_tls, settings.extra_ca_pem.as_deref())?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(settings.timeouts.connect)
        .timeout(settings.timeouts.answer)
        .user_agent(concat!("nexthink-graph/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = &settings.proxy {
        builder = builder.proxy(checked_proxy(proxy)?);
    }
    builder
        .build()
        .map_err(|error| JupiterOneError::TlsSetup { source: error.without_url().into() })
}

/// TLS 1.2 and 1.3 by ring, with the certificates that the system trusts and further ones. Where only a
/// loopback host is called over plain http, nothing is trusted, so that it works without certificates.
fn tls(used: bool, extra_ca_pem: Option<&[u8]>) -> Result<rustls::ClientConfig, JupiterOneError> {
    let failed = |error: rustls::Error| JupiterOneError::TlsSetup { source: error.into() };
    let extra = extra_ca_pem.map_or(Ok(Vec::new()), authorities)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(failed)?;
    if !used {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let verifier = if extra.is_empty() {
        Verifier::new(provider)
    } else {
        Verifier::new_with_extra_roots(extra, provider)
    };
    let verifier = Arc::new(verifier.map_err(failed)?);
    // Called dangerous for verifiers that check less; this one checks all that the system does.
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The certificates of a PEM file.
fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, JupiterOneError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.unwrap_or_default();
    let mut store = RootCertStore::empty();
    let is_sound = !certificates.is_empty()
        && certificates.iter().all(|certificate| store.add(certificate.clone()).is_ok());
    if is_sound {
        return Ok(certificates);
    }
    Err(JupiterOneError::InvalidSetting {
        name: "file of further certificate authorities",
        reason: "it is no PEM file with sound certificates; give it as the authority issued it",
    })
}

/// The proxy, never repeated in an error: its URL may carry a password.
fn checked_proxy(settings: &ProxySettings) -> Result<reqwest::Proxy, JupiterOneError> {
    let refuse = || JupiterOneError::InvalidSetting {
        name: "proxy URL",
        reason: "write it as http://host:port, with a user name and password at most",
    };
    let url = Url::parse(&settings.url).map_err(|_| refuse())?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if !is_plain {
        return Err(refuse());
    }
    let exceptions = settings.no_proxy.as_deref().unwrap_or_default();
    let no_proxy = NoProxy::from_string(&format!("{LOOPBACK},{exceptions}"));
    let proxy = reqwest::Proxy::all(settings.url.as_str()).map_err(|_| refuse())?;
    Ok(proxy.no_proxy(no_proxy))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn a_client_for_the_real_host_can_be_made() {
        assert!(client(true, &SyncSettings::new(1)).is_ok());
    }

    #[test]
    fn a_proxy_or_authority_that_is_none_is_refused_and_never_shown() {
        for url in ["canary", "socks5://canary@proxy.example", "http://proxy.example/canary", ""] {
            let mut settings = SyncSettings::new(1);
            settings.proxy =
                Some(ProxySettings { url: Zeroizing::new(url.to_owned()), no_proxy: None });
            assert!(!format!("{settings:?}").contains("canary"), "{url}");
            let error = client(false, &settings).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        for pem in ["", "canary", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            let mut settings = SyncSettings::new(1);
            settings.extra_ca_pem = Some(pem.as_bytes().to_vec());
            let error = client(false, &settings).expect_err(pem);
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
