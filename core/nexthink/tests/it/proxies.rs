//! TLS by an authority of one's own, and calls through a proxy.
//!
//! The authority is made anew in each process, and so is its certificate for `*.acme.example` and
//! `127.0.0.1`. They are valid for so long that some systems refuse them, so these tests run on
//! Linux only.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use core_http::SetupError;
use core_nexthink::{
    Client, Credentials, EndpointOverrides, Endpoints, NexthinkError, ProxyProblem, ProxySettings,
    Secret, Settings, TlsProblem, UnreachableCause,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

/// An unknown authority, and a certificate by it.
struct Authority {
    pem: String,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are legal names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own_key = KeyPair::generate().expect("ring makes keys");
    let pem = params.self_signed(&own_key).expect("it may sign itself").pem();
    let issuer = Issuer::new(params, own_key);
    let names = ["*.acme.example", "127.0.0.1"].map(str::to_owned);
    let key = KeyPair::generate().expect("ring makes keys");
    let certificate =
        CertificateParams::new(names).and_then(|parameters| parameters.signed_by(&key, &issuer));
    let certificate = certificate.expect("the names are legal").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("ring knows its own keys");
    Authority { pem, certificate, key }
});

#[tokio::test]
async fn a_host_is_trusted_if_its_authority_is() {
    let address = tls_tenant();
    let base = format!("https://{address}");
    let client = |settings| client(&base, &base, &base, settings);
    client(trusting()).check_credentials(|| NOW_MS).await.expect("a trusted host");

    let error =
        client(settings()).check_credentials(|| NOW_MS).await.expect_err("an unknown authority");
    assert_eq!(cause(&error), UnreachableCause::Tls(TlsProblem::UnknownAuthority));

    let localhost = base.replace("127.0.0.1", "localhost");
    let client = crate::support::client(&localhost, &localhost, &localhost, trusting());
    let error =
        client.check_credentials(|| NOW_MS).await.expect_err("a certificate for other names");
    assert_eq!(cause(&error), UnreachableCause::Tls(TlsProblem::OtherName));
}

#[tokio::test]
async fn c12_a_whole_export_goes_through_the_proxy() {
    let proxy = Proxy::start(ProxyAnswer::TunnelTo(tls_tenant())).await;
    let client = far_client(through(&proxy.url("canary:canary%2Fpass"), None));
    let mut file = Vec::new();
    run_export(&client, &mut file).await.expect("a file");
    assert_eq!(file, FILE);
    let mut seen = proxy.seen();
    seen.sort();
    seen.dedup();
    // base64("canary:canary/pass")
    let password = "Basic Y2FuYXJ5OmNhbmFyeS9wYXNz";
    let hosts = ["api", "files", "login"];
    let expected = hosts.map(|host| (format!("{host}.acme.example:443"), Some(password.into())));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn c12_a_proxy_that_refuses_is_named_with_what_to_do_and_without_its_password() {
    for (answer, expected, fix) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required",
            ProxyProblem::Credentials,
            "user name and password",
        ),
        ("HTTP/1.1 403 Forbidden", ProxyProblem::Refused, "NO_PROXY"),
        ("HTTP/1.1 502 Bad Gateway", ProxyProblem::Refused, "NO_PROXY"),
        ("SSH-2.0-canary", ProxyProblem::Refused, "NO_PROXY"),
    ] {
        let proxy = Proxy::start(ProxyAnswer::Refuse(answer)).await;
        let client = far_client(through(&proxy.url("canary:canary"), None));
        let error = client.check_credentials(|| NOW_MS).await.expect_err("no way through");
        assert_at_proxy(&error, &proxy.address, expected);
        assert!(error.to_string().contains("login.acme.example"), "{error}");
        assert!(error.to_string().contains(fix), "{error}");
        let tries = if expected == ProxyProblem::Credentials { 1 } else { 4 };
        assert_eq!(proxy.seen().len(), tries, "{answer}");
    }
}

#[tokio::test]
async fn c12_a_proxy_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = listener.local_addr().expect("an address").to_string();
    drop(listener);
    // Takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = silent.local_addr().map(|address| (silent, address.to_string()));
    let (_listening, silent) = silent.expect("an address");
    for (address, expected, fix) in [
        (closed.as_str(), ProxyProblem::Connect, "`nexthink.proxy`"),
        ("proxy.invalid:3128", ProxyProblem::Dns, "`nexthink.proxy`"),
        (silent.as_str(), ProxyProblem::Timeout, "in time"),
    ] {
        let mut settings = through(&format!("http://canary:canary@{address}"), None);
        settings.timeouts.connect = Duration::from_millis(200);
        settings.retry.max_attempts = 1;
        let error = far_client(settings).check_credentials(|| NOW_MS).await.expect_err("no proxy");
        assert_at_proxy(&error, address, expected);
        assert!(error.to_string().contains(fix), "{error}");
    }
}

#[tokio::test]
async fn c12_a_host_that_goes_around_the_proxy_is_named_itself() {
    let settings = through("http://proxy.invalid:3128", Some(".invalid"));
    let base = "https://acme-login.eu.invalid";
    let client = crate::support::client(base, base, base, settings);
    let error = client.check_credentials(|| NOW_MS).await.expect_err("no such host");
    assert_eq!(cause(&error), UnreachableCause::Dns);
    assert!(!error.to_string().contains("proxy"), "{error}");
}

/// Checks that an error says that a call did not get past a proxy, and shows no part of the proxy's password.
fn assert_at_proxy(error: &NexthinkError, address: &str, problem: ProxyProblem) {
    assert_no_canary_in(error);
    assert_eq!(cause(error), UnreachableCause::Proxy { name: address.into(), problem }, "{error}");
    assert!(error.to_string().contains(address), "{error}");
}

#[tokio::test]
async fn c12_a_page_that_a_proxy_sends_instead_is_not_taken_for_an_answer() {
    // It says 200 and then talks plain text where TLS begins.
    let page = "HTTP/1.1 200 OK\r\n\r\n<html>canary: please log in</html>";
    let proxy = Proxy::start(ProxyAnswer::Refuse(page)).await;
    let client = far_client(through(&proxy.url("a:b"), None));
    let error = client.check_credentials(|| NOW_MS).await.expect_err("no answer");
    assert_no_canary_in(&error);
    assert!(error.is_unreachable(), "{error}");
}

#[tokio::test]
async fn c13_loopback_hosts_are_reached_without_the_proxy() {
    let proxy = Proxy::start(ProxyAnswer::Refuse("HTTP/1.1 403 Forbidden")).await;
    let tenant = Tenant::start(vec![started()], vec![answer(200, FILE)]).await;
    tenant.api.then(completed(&tenant.files.link()));
    let settings = through(&proxy.url("a:b"), Some("other.example"));
    let client = client(&tenant.login.base, &tenant.api.base, &tenant.files.base, settings);
    let mut file = Vec::new();
    run_export(&client, &mut file).await.expect("a file");
    let base = tenant.login.base.replace("127.0.0.1", "localhost");
    tenant.login.then(token_answer());
    let client = crate::support::client(&base, &base, &base, through(&proxy.url("a:b"), None));
    client.check_credentials(|| NOW_MS).await.expect("a token");
    assert!(proxy.seen().is_empty());
}

#[tokio::test]
async fn c13_hosts_that_are_excepted_do_not_go_through_the_proxy() {
    let proxy = Proxy::start(ProxyAnswer::Refuse("HTTP/1.1 403 Forbidden")).await;
    let mut settings = through(&proxy.url("a:b"), Some("other.example, acme.example"));
    settings.retry.max_attempts = 1;
    // Names under .example have no address anywhere.
    let error = far_client(settings).check_credentials(|| NOW_MS).await.expect_err("no such host");
    assert!(matches!(error, NexthinkError::Unreachable { .. }), "{error}");
    assert!(proxy.seen().is_empty());
}

#[test]
fn c13_a_trust_or_proxy_that_is_of_no_use_makes_no_client() {
    let mut untrusting = settings();
    untrusting.trust.extra_ca_pem = Some(b"canary".to_vec());
    let error = try_far_client(untrusting).err().expect("that is not PEM");
    assert!(matches!(error, NexthinkError::Setup(SetupError::InvalidTrust { .. })), "{error}");
    let error = try_far_client(through("canary", None)).err().expect("that is not a URL");
    assert!(matches!(error, NexthinkError::Setup(SetupError::InvalidProxy { .. })), "{error}");
    assert_no_canary_in(&error);
}

fn trusting() -> Settings {
    let mut settings = settings();
    settings.trust.extra_ca_pem = Some(AUTHORITY.pem.clone().into_bytes());
    settings
}

fn through(proxy: &str, no_proxy: Option<&str>) -> Settings {
    let mut settings = trusting();
    let (url, no_proxy) = (Secret::new(proxy.to_owned()), no_proxy.map(str::to_owned));
    settings.proxy = Some(ProxySettings { url, no_proxy });
    settings
}

/// A client of a tenant that only a proxy knows.
fn far_client(settings: Settings) -> Client {
    try_far_client(settings).expect("a client")
}

fn try_far_client(settings: Settings) -> Result<Client, NexthinkError> {
    let base = |host| format!("https://{host}.acme.example");
    let overrides =
        EndpointOverrides { login: base("login"), api: base("api"), files: base("files") };
    let endpoints = Endpoints::overridden(&overrides).expect("https is allowed");
    let secret = Secret::new(CLIENT_SECRET.to_owned());
    Client::new(&endpoints, Credentials::new(CLIENT_ID, secret).expect("valid"), settings)
}

fn cause(error: &NexthinkError) -> UnreachableCause {
    let NexthinkError::Unreachable { cause, .. } = error else {
        panic!("unexpected: {error}");
    };
    cause.clone()
}

/// A tenant over TLS, all hosts in one; tells its address.
fn tls_tenant() -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificates = vec![AUTHORITY.certificate.clone()];
    let key = AUTHORITY.key.clone_key();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows them all")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("the key fits the certificate");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let config = Arc::clone(&config);
            let socket = socket.expect("a connection");
            // A client that does not trust this host breaks off; that is what some tests are for.
            std::thread::spawn(move || drop(answer_one(config, socket)));
        }
    });
    address
}

fn answer_one(
    config: Arc<rustls::ServerConfig>,
    socket: std::net::TcpStream,
) -> std::io::Result<()> {
    let connection = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = rustls::StreamOwned::new(connection, socket);
    let mut request = [0_u8; 4096];
    let mut n_bytes = stream.read(&mut request)?;
    let head = String::from_utf8_lossy(&request[..n_bytes]).into_owned();
    // A body comes after the head, which announces it.
    while head.starts_with("POST") && !matches!(request[n_bytes - 1], b'}' | b'n') {
        n_bytes += stream.read(&mut request[n_bytes..])?;
    }
    let file = String::from_utf8_lossy(FILE);
    let body = match head.split(' ').nth(1).unwrap_or_default() {
        "/oauth2/default/v1/token" => format!(r#"{{"access_token":"{TOKEN}"}}"#),
        "/api/v1/nql/export" => format!(r#"{{"exportId":"{EXPORT_ID}"}}"#),
        "/api/v1/nql/status/e-1" => {
            let link = format!("https://files.acme.example/a?{SIGNATURE}");
            format!(r#"{{"status":"COMPLETED","resultsFileUrl":"{link}"}}"#)
        }
        _ => file.into_owned(),
    };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// The behaviour of a proxy at a CONNECT.
#[derive(Clone)]
enum ProxyAnswer {
    /// Leads to this address, whatever was asked for.
    TunnelTo(String),
    /// Sends this instead.
    Refuse(&'static str),
}

/// A host that was asked for, and the credentials that were given.
type Tunnel = (String, Option<String>);

/// A proxy that remembers what it was asked for.
struct Proxy {
    address: String,
    seen: Arc<Mutex<Vec<Tunnel>>>,
}

impl Proxy {
    async fn start(answer: ProxyAnswer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let head = read_head(&mut socket).await;
                let host = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let password = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("proxy-authorization").then(|| value.to_owned())
                });
                assert!(head.starts_with("CONNECT "), "{head}");
                log.lock().expect("no test panics in here").push((host, password));
                tokio::spawn(serve(socket, answer.clone()));
            }
        });
        Self { address, seen }
    }

    fn url(&self, user: &str) -> String {
        format!("http://{user}@{}", self.address)
    }

    fn seen(&self) -> Vec<Tunnel> {
        self.seen.lock().expect("no test panics in here").clone()
    }
}

async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("a whole head"));
    }
    String::from_utf8(head).expect("a head is text here")
}

async fn serve(mut socket: TcpStream, answer: ProxyAnswer) {
    // Either side may hang up at any time; the client tells what it made of it.
    match answer {
        ProxyAnswer::Refuse(answer) => {
            drop(socket.write_all(format!("{answer}\r\n\r\n").as_bytes()).await);
        }
        ProxyAnswer::TunnelTo(address) => {
            let mut there = TcpStream::connect(address).await.expect("the tenant is there");
            drop(socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await);
            drop(tokio::io::copy_bidirectional(&mut socket, &mut there).await);
        }
    }
}
