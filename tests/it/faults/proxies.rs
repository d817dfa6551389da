//! Rows C11, C12 and C14: certificates, tunnels, and what is spoken in them. The tenant's hosts have
//! names that only a proxy knows, which looks into TLS as that of a company does.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::calls::{assert_failed, n_exports};
use super::case::Case;
use crate::kit::Run;

/// A proxy, and a case that knows the tenant by names only.
struct Far {
    case: Case,
    proxy: Arc<Proxy>,
    address: SocketAddr,
    _runtime: Runtime,
}

/// The behaviour of the proxy.
struct Proxy {
    /// Its answer in place of a tunnel.
    refusal: Option<&'static str>,
    /// The certificates of the hosts of files, and those of the others.
    certificates: [Arc<ServerConfig>; 2],
    api: SocketAddr,
    files: SocketAddr,
    seen: Mutex<Vec<Tunnel>>,
}

/// A tunnel that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tunnel {
    target: String,
    password: Option<String>,
    /// The protocol that both ends agreed on, if they did.
    protocol: Option<Vec<u8>>,
}

/// An authority, and the PEM by which it is trusted.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are legal names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("ring makes keys");
        let pem = params.self_signed(&key).expect("it may sign itself").pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// A host that shows a certificate for a name, and would rather speak HTTP/2.
    fn host(&self, name: &str, until: i32) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a legal name");
        (params.not_before, params.not_after) =
            (date_time_ymd(2000, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().expect("ring makes keys");
        let certificate = params.signed_by(&key, &self.issuer).expect("the name is legal");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("ring knows its own keys");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows them all")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        let mut config = config.expect("the key fits the certificate");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

const NAMES: &str = "*.acme.example";
const TRUST: &str = "company-ca.pem";

impl Far {
    /// Trusts one authority; the hosts show these certificates, that of files first.
    fn new(
        trusted: &Authority,
        certificates: [Arc<ServerConfig>; 2],
        refusal: Option<&'static str>,
    ) -> Far {
        let case = Case::new();
        case.scene().write(TRUST, &trusted.pem);
        let host = |name: &str| format!("https://{name}.acme.example");
        let case = case.fault(|behaviour| behaviour.files_url = Some(host("files"))).configured(
            |configuration| {
                let configuration = configuration.text("nexthink.endpoints.login", &host("login"));
                let configuration = configuration.text("nexthink.endpoints.api", &host("api"));
                configuration
                    .text("nexthink.endpoints.files", &host("files"))
                    .text("nexthink.ca_file", TRUST)
            },
        );
        let address = |url: &str| {
            let host = url.trim_start_matches("http://");
            host.parse().expect("it is an address")
        };
        let (api, files) = (address(case.scene().api()), address(case.scene().files()));
        let proxy = Arc::new(Proxy { refusal, certificates, api, files, seen: Mutex::default() });
        let runtime = Runtime::new().expect("threads can be started");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        runtime.spawn(listen(listener, Arc::clone(&proxy)));
        Far { case, proxy, address, _runtime: runtime }
    }

    fn run(&self, exit: i32) -> Run {
        let proxy = format!("http://canary-user:canary%2Fpass@{}", self.address);
        let run = self.case.run_under(exit, &[("HTTPS_PROXY", &proxy)]);
        assert!(!run.ended.stderr.contains("canary"), "{}", run.ended.stderr);
        run
    }

    fn seen(&self) -> BTreeSet<Tunnel> {
        self.proxy.seen.lock().expect("no tunnel panics with it").iter().cloned().collect()
    }
}

async fn listen(listener: TcpListener, proxy: Arc<Proxy>) {
    while let Ok((socket, _)) = listener.accept().await {
        // Either side may hang up at any time; the run tells what it made of it.
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move { drop(proxy.serve(socket).await) });
    }
}

impl Proxy {
    async fn serve(&self, mut socket: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head);
        let target = head.split(' ').nth(1).unwrap_or("").to_owned();
        let password = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("proxy-authorization").then(|| value.to_owned())
        });
        let is_files = target.starts_with("files.");
        let mut tunnel = Tunnel { target, password, protocol: None };
        if let Some(refusal) = self.refusal {
            self.note(tunnel);
            return socket.write_all(refusal.as_bytes()).await;
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        let [files, others] = &self.certificates;
        let (config, upstream) = if is_files { (files, self.files) } else { (others, self.api) };
        let mut inside = TlsAcceptor::from(Arc::clone(config)).accept(socket).await?;
        tunnel.protocol = inside.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        self.note(tunnel);
        let mut upstream = TcpStream::connect(upstream).await?;
        copy_bidirectional(&mut inside, &mut upstream).await.map(drop)
    }

    fn note(&self, tunnel: Tunnel) {
        self.seen.lock().expect("no tunnel panics with it").push(tunnel);
    }
}

#[test]
fn c11_a_certificate_that_proves_nothing_is_refused_with_the_reason() {
    let (company, stranger) = (Authority::new("a company"), Authority::new("a stranger"));
    let good = company.host(NAMES, 2200);
    let untrusted = "this machine does not trust the authority that signed its certificate";
    for (config, words, reason) in [
        (stranger.host(NAMES, 2200), untrusted, "UnknownIssuer"),
        (company.host(NAMES, 2001), "its certificate has expired (", "expired: verification"),
        (company.host("other.example", 2200), "is for another name (", "not valid for name"),
    ] {
        let far = Far::new(&company, [Arc::clone(&config), config], None);
        let run = far.run(4);
        assert!(run.ended.stderr.contains(words), "{}", run.ended.stderr);
        assert!(run.ended.stderr.contains(reason), "{}", run.ended.stderr);
        assert!(far.case.scene().recorded().is_empty(), "nothing was told to it");
    }
    // Only where the files are it is another one.
    let far = Far::new(&company, [stranger.host(NAMES, 2200), good], None);
    let words = format!("cannot reach files.acme.example: {untrusted}");
    assert_failed(&far.run(4), &[("fetch-devices", &words), ("fetch-alerts", &words)]);
    far.case.recovers();
}

#[test]
fn c12_c14_a_whole_run_goes_through_a_proxy_that_looks_into_tls_and_speaks_http_1_1() {
    let company = Authority::new("a company");
    let config = company.host(NAMES, 2200);
    let far = Far::new(&company, [Arc::clone(&config), config], None);
    far.run(0);
    assert_eq!(n_exports(&far.case), 4);
    let seen = far.seen();
    let hosts: BTreeSet<&str> = seen.iter().map(|request| request.target.as_str()).collect();
    let expected = ["api", "files", "login"].map(|host| format!("{host}.acme.example:443"));
    assert_eq!(hosts, expected.iter().map(String::as_str).collect());
    for tunnel in &seen {
        // base64("canary-user:canary/pass")
        let password = "Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5L3Bhc3M=";
        assert_eq!(tunnel.password.as_deref(), Some(password), "{}", tunnel.target);
        // No streams within a connection that could be reset: a broken one is that of C5.
        assert_ne!(tunnel.protocol.as_deref(), Some(&b"h2"[..]), "{}", tunnel.target);
    }
    far.case.recovers();
}

#[test]
fn c12_a_proxy_that_refuses_or_sends_a_page_is_told_apart() {
    let company = Authority::new("a company");
    for (refusal, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            " refused the call (HTTP 407: check the user name and password in its URL",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", " does not connect to it (allow this host there"),
        ("HTTP/1.1 200 OK\r\n\r\n<html>canary: log in</html>", ""),
    ] {
        let config = company.host(NAMES, 2200);
        let far = Far::new(&company, [Arc::clone(&config), config], Some(refusal));
        let run = far.run(4);
        let proxy =
            if words.is_empty() { String::new() } else { format!("the proxy {}", far.address) };
        let words = format!("cannot reach login.acme.example: {proxy}{words}");
        assert!(run.ended.stderr.contains(&words), "{}", run.ended.stderr);
        assert_eq!(n_exports(&far.case), 0);
        far.case.recovers();
    }
}
