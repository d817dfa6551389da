//! The server over TLS, and who may connect at all.

use std::sync::Arc;
use std::time::Duration;

use core_explorer::{Connections, Tls, TlsError};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::kit::{HOST, served};

const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate for `localhost` and its key, in PEM, and the certificate for those who trust it.
fn pair() -> (String, String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a legal name");
    (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().clone())
}

/// Starts a server. Returns where it listens.
async fn start(how: Connections) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = served();
    tokio::spawn(async move {
        let router = served.router.clone();
        core_explorer::serve(listener, how, router, std::future::pending()).await;
    });
    address
}

/// Asks for the page, and returns the first line of the answer; empty if there is none.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let asked = async {
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut answer).await
    };
    // A connection that is closed early is no answer.
    let _ = tokio::time::timeout(PATIENCE, asked).await.expect("it answers or closes");
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_over_tls_and_nothing_else_there() {
    let (certificate, key, trusted) = pair();
    let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes()).expect("a pair");
    let address = start(Connections { tls: Some(tls), peers: Vec::new() }).await;

    let mut roots = RootCertStore::empty();
    roots.add(trusted).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
    assert_eq!(ask(stream.expect("the certificate is right")).await, "HTTP/1.1 200 OK");

    let plain = TcpStream::connect(address).await.expect("it listens");
    assert!(!ask(plain).await.starts_with("HTTP"), "it answers without TLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_named_addresses_may_connect() {
    for (network, expected) in [("127.0.0.0/8", "HTTP/1.1 200 OK"), ("10.0.0.0/8", "")] {
        let peers = vec![network.parse().expect("a network")];
        let address = start(Connections { tls: None, peers }).await;
        let stream = TcpStream::connect(address).await.expect("it listens");
        assert_eq!(ask(stream).await, expected, "{network}");
    }
}

#[test]
fn what_is_no_pair_is_refused_and_says_which_file_is_wrong() {
    let ((certificate, key, _), (_, other, _)) = (pair(), pair());
    let of = |certificate: &str, key: &str| Tls::from_pem(certificate.as_bytes(), key.as_bytes());
    assert!(matches!(of("", &key), Err(TlsError::Certificates)));
    assert!(matches!(of(&key, &key), Err(TlsError::Certificates)));
    assert!(matches!(of(&certificate, ""), Err(TlsError::Key)));
    assert!(matches!(of(&certificate, &certificate), Err(TlsError::Key)));
    assert!(matches!(of(&certificate, &other), Err(TlsError::Pair(_))));
    assert!(of(&certificate, &key).is_ok());
}
