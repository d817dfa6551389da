//! TLS in the server, for users who reach it without a proxy.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use core_files::ensure_private;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate and its key, ready to answer with.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// A reason why a certificate and a key cannot be used. It has no part of the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is not PEM, or has no certificate.
    #[error(
        "the file of --tls-cert has no certificate: write the server's certificate in PEM, then those between it and the root"
    )]
    Certificates,
    /// The key is not PEM, or of a kind that is not known.
    #[error(
        "the file of --tls-key has no private key: write it in PEM, as PKCS#8, PKCS#1 or SEC1, without a password"
    )]
    Key,
    /// The two do not belong together, or are of a kind that cannot be used.
    #[error("the certificate cannot be used with the key: {0}; are both of the same pair?")]
    Pair(#[source] rustls::Error),
}

/// The largest file: a chain has a few certificates. Bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

impl Tls {
    /// Reads the files that the command line names; none if it names none.
    ///
    /// # Errors
    /// As [`Tls::from_files`].
    pub fn from_options(
        certificates: Option<&Path>,
        key: Option<&Path>,
    ) -> anyhow::Result<Option<Self>> {
        let (Some(certificates), Some(key)) = (certificates, key) else { return Ok(None) };
        Self::from_files(certificates, key).map(Some)
    }

    /// Reads a file of certificates, the server's first, and one of their key, both in PEM.
    ///
    /// # Errors
    /// A file cannot be read, others than its owner can read the key, or [`TlsError`].
    pub fn from_files(certificates: &Path, key: &Path) -> anyhow::Result<Self> {
        let (certificates, _) = read_file(certificates)?;
        let (key_text, key_file) = read_file(key)?;
        ensure_private(&key_file, key, "the file of the private key")?;
        Ok(Self::from_pem(&certificates, &key_text)?)
    }

    /// Reads certificates, the server's first, and their key, both in PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|_| TlsError::Certificates)?;
        if chain.is_empty() {
            return Err(TlsError::Certificates);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let mut config =
            config.with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The same for another protocol than HTTP, by the name that clients have for it in TLS.
    #[must_use]
    pub fn for_protocol(&self, name: &str) -> Self {
        let mut config = ServerConfig::clone(self.0.config());
        config.alpn_protocols = vec![name.as_bytes().to_vec()];
        Self(TlsAcceptor::from(Arc::new(config)))
    }

    /// Does the server's part of a handshake.
    ///
    /// # Errors
    /// The client wants nothing that the server has, or goes away.
    pub async fn accept<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.accept(stream).await
    }
}

fn read_file(path: &Path) -> anyhow::Result<(Vec<u8>, File)> {
    let read = || -> anyhow::Result<(Vec<u8>, File)> {
        let file = File::open(path)?;
        let mut bytes = Vec::new();
        (&file).take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
        Ok((bytes, file))
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}
