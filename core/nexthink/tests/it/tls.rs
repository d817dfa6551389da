//! TLS that must be refused: certificates that prove nothing, and protocols that are too old.
//!
//! Only the authority that signs here is trusted besides those of the system, which some systems
//! do not allow for a test's certificates: so these tests run on Linux only.

use std::error::Error as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use core_nexthink::{NexthinkError, Settings, TlsProblem, UnreachableCause};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;

use crate::support::*;

/// An authority, and the PEM by which it is trusted.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are legal names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("ring makes keys");
        let pem = params.self_signed(&key).expect("it may sign itself").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }
}

static TRUSTED: LazyLock<Authority> = LazyLock::new(|| Authority::new("the trusted one"));

fn trusting() -> Settings {
    let mut settings = settings();
    settings.trust.extra_ca_pem = Some(TRUSTED.pem.clone().into_bytes());
    settings
}

/// A certificate for `name`; signed by itself without an authority.
fn certificate(name: &str, authority: Option<&Authority>, valid: [i32; 2]) -> rustls::ServerConfig {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a legal name");
    params.not_before = date_time_ymd(valid[0], 1, 1);
    params.not_after = date_time_ymd(valid[1], 1, 1);
    server(&params, authority)
}

/// A certificate for `name` that signs itself and may sign others, as `openssl req -x509` makes it.
fn of_authority(name: &str) -> rustls::ServerConfig {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a legal name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    server(&params, None)
}

fn server(params: &CertificateParams, authority: Option<&Authority>) -> rustls::ServerConfig {
    let key = KeyPair::generate().expect("ring makes keys");
    let signed = match authority {
        Some(authority) => params.signed_by(&key, &authority.issuer),
        None => params.self_signed(&key),
    };
    let certificate = signed.expect("the names are legal").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("ring knows its own keys");
    rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them all")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key fits the certificate")
}

/// A host that does `serve` with each connection, which gets its number; tells its base URL and how
/// many connections there were.
fn host(serve: impl Fn(u32, TcpStream) + Send + 'static) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let base = format!("https://{}", listener.local_addr().expect("an address"));
    let n_connections = Arc::<AtomicU32>::default();
    let counted = Arc::clone(&n_connections);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let n = counted.fetch_add(1, Ordering::Relaxed);
            serve(n, socket.expect("a connection"));
        }
    });
    (base, n_connections)
}

/// Answers one request with a token. A client that does not trust the host breaks off before.
fn give_token(config: &Arc<rustls::ServerConfig>, socket: TcpStream) -> std::io::Result<()> {
    let connection =
        rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = rustls::StreamOwned::new(connection, socket);
    let mut request = [0_u8; 4096];
    while stream.read(&mut request)? > 0 {
        if request.windows(11).any(|bytes| bytes == b"integration") {
            break;
        }
    }
    let body = format!(r#"{{"access_token":"{TOKEN}","expires_in":0}}"#);
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Returns the result of a call to a host by a client that trusts only [`TRUSTED`], with all its causes in words.
async fn refusal(base: &str) -> (UnreachableCause, String) {
    let client = client(base, base, base, trusting());
    let error = client.check_credentials(|| NOW_MS).await.expect_err("this host proves nothing");
    assert_no_canary_in(&error);
    assert!(error.is_unreachable());
    let NexthinkError::Unreachable { cause, .. } = &error else {
        panic!("unexpected: {error}");
    };
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        words = format!("{words}: {cause}");
        next = cause.source();
    }
    (cause.clone(), words)
}

#[tokio::test]
async fn c11_a_certificate_that_proves_nothing_is_refused_with_the_reason() {
    use TlsProblem::{Expired, NotYetValid, OtherName, SelfSigned, UnknownAuthority};
    let now = [2000, 2200];
    let stranger = Some(&Authority::new("a stranger"));
    let by_trusted = |name, valid| certificate(name, Some(&TRUSTED), valid);
    for (what, config, problem, reason) in [
        ("expired", by_trusted("127.0.0.1", [2001, 2002]), Expired, "clock"),
        ("not yet valid", by_trusted("127.0.0.1", [2199, 2200]), NotYetValid, "clock"),
        ("another host", by_trusted("other.example", now), OtherName, "not valid for name"),
        ("by itself", certificate("127.0.0.1", None, now), UnknownAuthority, "ca_file"),
        ("by itself, with openssl", of_authority("127.0.0.1"), SelfSigned, "signs itself"),
        (
            "a stranger's",
            certificate("127.0.0.1", stranger, now),
            UnknownAuthority,
            "UnknownIssuer",
        ),
    ] {
        let config = Arc::new(config);
        let (base, n_connections) = host(move |_, socket| drop(give_token(&config, socket)));
        let (cause, words) = refusal(&base).await;
        assert_eq!(cause, UnreachableCause::Tls(problem), "{what}: {words}");
        assert!(words.contains(reason), "{what}: {words}");
        assert_eq!(n_connections.load(Ordering::Relaxed), 1, "{what}: it stays refused");
    }
}

#[tokio::test]
async fn c11_a_certificate_that_is_swapped_later_is_refused_then() {
    let now = [2000, 2200];
    let good = Arc::new(certificate("127.0.0.1", Some(&TRUSTED), now));
    let swapped = Arc::new(certificate("127.0.0.1", Some(&Authority::new("a stranger")), now));
    let (base, _) = host(move |n, socket| {
        drop(give_token(if n == 0 { &good } else { &swapped }, socket));
    });
    let client = client(&base, &base, &base, trusting());
    client.check_credentials(|| NOW_MS).await.expect("a trusted host");
    let error = client.check_api().await.expect_err("another certificate");
    let refused =
        matches!(error, NexthinkError::Unreachable { cause: UnreachableCause::Tls(_), .. });
    assert!(refused, "{error}");
}

/// The answer of a server that chooses this version of the protocol and this cipher suite
/// (RFC 5246, section 7.4.1.3).
fn server_hello(version: [u8; 2], cipher: [u8; 2]) -> Vec<u8> {
    let hello = [&version[..], &[7; 32], &[0], &cipher, &[0]].concat();
    let length = u8::try_from(hello.len()).expect("it is short");
    [&[0x16][..], &version, &[0, length + 4, 2, 0, 0, length], &hello].concat()
}

#[tokio::test]
async fn c11_old_protocols_and_weak_ciphers_are_refused() {
    use TlsProblem::{NotTls, Refused, TooOld};
    const AES_SHA: [u8; 2] = [0x00, 0x2f];
    const RC4_MD5: [u8; 2] = [0x00, 0x04];
    for (what, answer, problem) in [
        ("SSL 3.0", server_hello([3, 0], AES_SHA), TooOld),
        ("TLS 1.0", server_hello([3, 1], AES_SHA), TooOld),
        ("TLS 1.1", server_hello([3, 2], AES_SHA), TooOld),
        ("RC4", server_hello([3, 3], RC4_MD5), TooOld),
        // Alert 70: protocol_version, 40: handshake_failure, 49: access_denied (RFC 5246, section 7.2.2).
        ("a host that is too old", vec![0x15, 3, 1, 0, 2, 2, 70], TooOld),
        ("a host that refuses", vec![0x15, 3, 3, 0, 2, 2, 40], TooOld),
        ("a host that is not for everyone", vec![0x15, 3, 3, 0, 2, 2, 49], Refused),
        ("no TLS at all", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), NotTls),
    ] {
        let (base, n_connections) = host(move |_, mut socket| {
            let mut hello = [0_u8; 4096];
            // The client may hang up at any time; what it says of it counts.
            let _ = socket.read(&mut hello);
            let _ = socket.write_all(&answer);
            let _ = socket.read(&mut hello);
        });
        let (cause, words) = refusal(&base).await;
        assert_eq!(cause, UnreachableCause::Tls(problem), "{what}: {words}");
        assert_eq!(n_connections.load(Ordering::Relaxed), 1, "{what}: {words}");
    }
}

#[tokio::test]
async fn c11_a_handshake_that_breaks_off_is_tried_again() {
    let good = Arc::new(certificate("127.0.0.1", Some(&TRUSTED), [2000, 2200]));
    let (base, n_connections) = host(move |n, mut socket| {
        if n == 0 {
            let mut hello = [0_u8; 4096];
            let _ = socket.read(&mut hello);
            let _ = socket.write_all(&server_hello([3, 3], [0xc0, 0x2f])[..20]);
        } else {
            drop(give_token(&good, socket));
        }
    });
    let client = client(&base, &base, &base, trusting());
    client.check_credentials(|| NOW_MS).await.expect("the second time");
    assert_eq!(n_connections.load(Ordering::Relaxed), 2);
}
