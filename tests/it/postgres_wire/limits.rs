//! Limits of time and memory, canceled queries, clients that go away, and addresses that others can reach.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use super::{PATIENCE, Server, scene, token, told};
use crate::kit::{until, write_private};

/// A query that computes for hours.
const ENDLESS: &str = "select count(*) from range(1000000000000) where value % 7 = 3";

/// Returns the number of processes that a process has started and that run.
fn children(of: u32) -> usize {
    let parent = of.to_string();
    let stats = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let is_child = |stat: &String| {
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        fields.split(' ').nth(1) == Some(&parent) && !fields.starts_with('Z')
    };
    stats.filter(is_child).count()
}

#[test]
fn a_query_without_an_end_costs_its_own_answer_alone() {
    let scene = scene();
    let server = Server::start(&scene, &["--timeout", "3s", "--memory-limit", "64"]);
    let client = server.analyst();
    let started = Instant::now();
    assert_eq!(server.code(&client, ENDLESS), "57014");
    assert!(started.elapsed() >= Duration::from_secs(3));
    server.texts(&client, "set statement_timeout = '300ms'").expect("it is a setting");
    let started = Instant::now();
    assert_eq!(server.code(&client, ENDLESS), "57014");
    assert!(started.elapsed() < Duration::from_secs(3), "the client's own limit is shorter");
    server.texts(&client, "reset all").expect("it can be reset");

    let large = "select array_agg(repeat('x', 100000)) from range(100000000)";
    assert_eq!(server.code(&client, large), "53200");

    let long = "select repeat('x', 10000000)";
    assert_eq!(server.code(&client, long), "54000", "the server would hold the row");

    let canceling = client.cancel_token();
    let canceled = server.runtime.block_on(async {
        let cancel = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            canceling.cancel_query(NoTls).await
        };
        let (answer, cancel) = tokio::join!(client.simple_query(ENDLESS), cancel);
        cancel.expect("it is sent");
        answer
    });
    let error = canceled.expect_err("it is canceled");
    assert_eq!(error.code().map(SqlState::code), Some("57014"), "{}", told(&error));
    assert!(told(&error).contains("canceled"), "{}", told(&error));
    assert_eq!(server.texts(&client, "select 1").expect("the session goes on"), ["1"]);
}

#[test]
fn a_session_holds_a_limited_number_of_bytes_in_the_server() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    let many = ";".repeat(1024 * 1024 + 1);
    assert_eq!(server.code(&client, &many), "54000");

    let comment = "x".repeat(1_000_000);
    let declare =
        |number: u32| format!("declare c{number} cursor with hold for select /* {comment} */ 1");
    for number in 0..33 {
        server.texts(&client, &declare(number)).expect("32 MiB are held");
    }
    assert_eq!(server.code(&client, &declare(33)), "53400");
    server.texts(&client, "close all").expect("cursors can be closed");
    server.texts(&client, &declare(33)).expect("there is room again");
    assert_eq!(server.texts(&client, "fetch c33").expect("it is a cursor"), ["1"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_goes_away_leaves_no_query_behind() {
    let scene = scene();
    let server = Server::start(&scene, &["--timeout", "10m"]);
    server.runtime.block_on(async {
        let mut config = Config::new();
        config.host("127.0.0.1").port(server.port).user("anyone").dbname("acme");
        let connected = config.password(&server.analyst).connect(NoTls).await;
        let (client, connection) = connected.expect("it logs in");
        let connection = tokio::spawn(connection);
        let asking = client.simple_query(ENDLESS);
        let _ = tokio::time::timeout(Duration::from_secs(2), asking).await;
        assert_eq!(children(server.running.id()), 1, "it is being answered");
        connection.abort();
    });
    let ended = until(PATIENCE, || (children(server.running.id()) == 0).then_some(()));
    assert_eq!(ended, Some(()), "its process has ended");
}

#[test]
fn a_server_that_stops_tells_its_clients() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    assert_eq!(server.texts(&client, "select 1").expect("it can be asked"), ["1"]);
    let stopped = server.runtime.block_on(async {
        let stop = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            server.running.signal("TERM");
        };
        tokio::join!(client.simple_query(ENDLESS), stop).0
    });
    let error = stopped.expect_err("the server has stopped");
    assert_eq!(error.code().map(SqlState::code), Some("57P01"), "{}", told(&error));
    assert_eq!(server.running.wait().exit, Some(0));
}

#[test]
fn others_reach_it_only_over_tls_and_only_with_a_token() {
    let scene = scene();
    let serve = |arguments: &[&str]| {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--postgres"];
        scene.program(&[&serve, arguments].concat())
    };
    let none = serve(&["127.0.0.1:0"]);
    assert_eq!(none.exit, Some(2), "{}", none.stderr);
    assert!(none.stderr.contains("serve token new"), "{}", none.stderr);
    token(&scene, "viewer");
    let open = serve(&["0.0.0.0:0"]);
    assert_eq!(open.exit, Some(2), "{}", open.stderr);
    assert!(open.stderr.contains("--tls-cert"), "{}", open.stderr);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).expect("it has one");
    let busy = serve(&[&taken.1]);
    assert_eq!(busy.exit, Some(2), "{}", busy.stderr);
    assert!(busy.stderr.contains("--postgres names another address"), "{}", busy.stderr);
}

#[test]
fn a_server_with_a_certificate_answers_over_tls_alone() {
    let scene = scene();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
    scene.write("cert.pem", &cert.pem());
    write_private(&scene.path("key.pem"), &signing_key.serialize_pem());
    let server = Server::start(&scene, &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let plain = server.connect(&server.analyst).expect_err("it is refused");
    assert_eq!(plain.code().map(SqlState::code), Some("28000"), "{}", told(&plain));

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.expect("they fit").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let rows = server.runtime.block_on(async {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).expect("it takes a request");
        let mut answer = [0];
        stream.read_exact(&mut answer).expect("it answers");
        assert_eq!(answer, *b"S");
        stream.set_nonblocking(true).expect("it can be");
        let stream = tokio::net::TcpStream::from_std(stream).expect("it is a stream");
        let name = ServerName::try_from("localhost").expect("it is a name");
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let stream = stream.expect("it shows the certificate");
        let mut config = Config::new();
        config.user("anyone").dbname("acme").password(&server.analyst);
        let (client, connection) = config.connect_raw(stream, NoTls).await.expect("it logs in");
        tokio::spawn(async { drop(connection.await) });
        client.query("select 1::bigint", &[]).await.expect("it can be asked")
    });
    assert_eq!(rows[0].get::<_, i64>(0), 1);
}

#[test]
fn what_is_no_client_is_refused_and_harms_no_one() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0\0\0\x08\0\x02\0\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x04",
        b"\0\0\0\x09\0\x03\0\0\0p\x7f\xff\xff\xff",
        b"\0\0\0\x09\0\x03\0\0\0Q\0\0\0\x0dselect 1\0",
        b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\0",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
        stream.write_all(bytes).expect("it takes bytes");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be limited");
        let mut answer = Vec::new();
        // A connection that is reset is refused, too.
        let _ = stream.read_to_end(&mut answer);
        let logged_in = b"R\0\0\0\x08\0\0\0\0";
        let is_refused = !answer.windows(logged_in.len()).any(|window| window == logged_in);
        assert!(is_refused, "{bytes:?}: {answer:?}");
    }
    assert_eq!(server.texts(&client, "select 1").expect("the session goes on"), ["1"]);
}
