//! Trusted certificates and TLS versions.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;

use crate::error::{SetupError, SharedError};
use crate::settings::Trust;

/// Sets up TLS for another protocol than HTTP, with the same versions and certificates.
///
/// # Errors
/// A certificate that cannot be used.
pub fn tls_client_config(trust: &Trust) -> Result<rustls::ClientConfig, SetupError> {
    tls_config(true, trust)
}

/// Sets up TLS 1.2 and 1.3 by ring, with the certificates that the system trusts and those of `trust`.
///
/// Where every endpoint is plain http on a loopback host, nothing is trusted, so that a machine
/// without any certificate can still run against a simulated tenant.
pub(crate) fn tls_config(used: bool, trust: &Trust) -> Result<rustls::ClientConfig, SetupError> {
    let extra = trust.extra_ca_pem.as_deref().map_or(Ok(Vec::new()), authorities)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(setup_failed)?;
    let builder = if used {
        let verifier = Arc::new(verifier(extra, provider)?);
        // Called dangerous for verifiers that check less; this one checks all that the system does.
        builder.dangerous().with_custom_certificate_verifier(verifier)
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

fn verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, SetupError> {
    let made = if extra.is_empty() {
        Verifier::new(provider)
    } else {
        Verifier::new_with_extra_roots(extra, provider)
    };
    made.map_err(setup_failed)
}

impl Trust {
    /// Checks the certificates without making a client.
    ///
    /// # Errors
    /// [`SetupError::InvalidTrust`].
    pub fn check(&self) -> Result<(), SetupError> {
        self.extra_ca_pem.as_deref().map_or(Ok(()), |pem| authorities(pem).map(drop))
    }
}

/// The certificates of a PEM file.
fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let refuse = |reason| Err(SetupError::InvalidTrust { reason });
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let Ok(certificates) = certificates else {
        return refuse("it is not valid PEM; give the file as the authority issued it");
    };
    if certificates.is_empty() {
        return refuse("it holds no certificate; one begins with -----BEGIN CERTIFICATE-----");
    }
    let mut store = RootCertStore::empty();
    if certificates.iter().any(|certificate| store.add(certificate.clone()).is_err()) {
        return refuse("a certificate in it is damaged; give the file as the authority issued it");
    }
    Ok(certificates)
}

fn setup_failed(error: rustls::Error) -> SetupError {
    SetupError::Tls { source: SharedError::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_for_real_hosts_can_be_made() {
        assert!(tls_config(true, &Trust::default()).is_ok(), "this machine trusts no certificates");
    }

    #[test]
    fn authorities_are_read_from_pem_and_anything_else_is_refused() {
        let made = rcgen::generate_simple_self_signed([]).expect("no names are legal names");
        let authority = made.cert.pem();
        let (begin, end) = ("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n");
        let rows = [
            (authority.clone(), Ok(1)),
            (format!("a comment\r\n{authority}{authority}"), Ok(2)),
            (String::new(), Err("no certificate")),
            ("-----BEGIN X-----\nAAAA\n-----END X-----\n".to_owned(), Err("no certificate")),
            (format!("{begin}AAAA\n{end}"), Err("damaged")),
            (format!("{authority}{begin}AAAA\n{end}"), Err("damaged")),
            (format!("{begin}?canary?\n{end}"), Err("not valid PEM")),
            (authority.replace("-----END", ""), Err("not valid PEM")),
        ];
        for (pem, expected) in rows {
            match (authorities(pem.as_bytes()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.len(), expected, "{pem}"),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}: {pem}");
                    assert!(!format!("{error:?}").contains("canary"));
                }
                (found, _) => panic!("unexpected: {found:?} for {pem}"),
            }
        }
    }

    #[test]
    fn a_bad_authority_is_refused_even_where_no_tls_is_used() {
        let trust = Trust { extra_ca_pem: Some(b"nothing".to_vec()) };
        assert!(matches!(tls_config(false, &trust), Err(SetupError::InvalidTrust { .. })));
    }
}
