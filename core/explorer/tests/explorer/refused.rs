//! Requests that no page or script of ours sends, and what each is answered.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use core_explorer::Connections;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{HOST, served, text};

/// A request: what is wrong with it, method, path, headers, body, and the status of the answer. `TOKEN` stands for
/// a token that is accepted.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u16,
);

const OVERVIEW: &str = "/api/v1/tenants/acme/overview";
const QUERY: &str = "/api/v1/tenants/acme/query";
const OK: (&str, &str) = ("host", HOST);
const USER: (&str, &str) = ("authorization", "Bearer TOKEN");
const JSON: (&str, &str) = ("content-type", "application/json");

const REFUSED: &[Row] = &[
    ("no host", "GET", "/", &[], "", 421),
    ("a foreign host", "GET", "/", &[("host", "evil.example")], "", 421),
    (
        "a foreign host with our port",
        "GET",
        OVERVIEW,
        &[("host", "evil.example:8490"), USER],
        "",
        421,
    ),
    ("our host with another port", "GET", "/", &[("host", "127.0.0.1:80")], "", 421),
    ("our host without a port", "GET", "/", &[("host", "127.0.0.1")], "", 421),
    (
        "a host that begins like ours",
        "GET",
        "/",
        &[("host", "127.0.0.1:8490.evil.example")],
        "",
        421,
    ),
    ("a host that ends like ours", "GET", "/", &[("host", "evil.localhost:8490")], "", 421),
    ("a host with a user", "GET", "/", &[("host", "127.0.0.1:8490@evil.example")], "", 421),
    ("two hosts", "GET", "/", &[OK, ("host", "evil.example")], "", 421),
    ("an empty host", "GET", "/", &[("host", "")], "", 421),
    ("a private address", "GET", "/", &[("host", "192.168.0.7:8490")], "", 421),
    ("a whole address of another host", "GET", "http://evil.example/", &[OK], "", 421),
    (
        "a file under a foreign host",
        "GET",
        "/assets/x/js/main.js",
        &[("host", "evil.example")],
        "",
        421,
    ),
    ("no token", "GET", OVERVIEW, &[OK], "", 401),
    ("no token for the description", "GET", "/api/v1/openapi.json", &[OK], "", 401),
    ("no token for the session", "GET", "/api/v1/session", &[OK], "", 401),
    ("no token for a query", "POST", QUERY, &[OK, JSON], "{\"query\":\"select 1\"}", 401),
    ("a wrong token", "GET", OVERVIEW, &[OK, ("authorization", "Bearer 0000")], "", 401),
    ("an empty token", "GET", OVERVIEW, &[OK, ("authorization", "Bearer ")], "", 401),
    ("a token without its scheme", "GET", OVERVIEW, &[OK, ("authorization", "TOKEN")], "", 401),
    (
        "a token as basic authentication",
        "GET",
        OVERVIEW,
        &[OK, ("authorization", "Basic TOKEN")],
        "",
        401,
    ),
    ("a token in the address of a call", "GET", "/api/v1/session?token=TOKEN", &[OK], "", 401),
    ("a made-up cookie", "GET", OVERVIEW, &[OK, ("cookie", "nexthink-graph-8490=0000")], "", 401),
    (
        "the token as cookie",
        "GET",
        OVERVIEW,
        &[OK, ("cookie", "nexthink-graph-8490=TOKEN")],
        "",
        401,
    ),
    (
        "the name of a proxy's user without a proxy",
        "GET",
        OVERVIEW,
        &[OK, ("x-forwarded-user", "root")],
        "",
        401,
    ),
    ("a wrong one-time token", "GET", "/session?token=0000", &[OK], "", 401),
    ("no one-time token", "GET", "/session", &[OK], "", 401),
    ("a wrong token to sign in with", "POST", "/session", &[OK, JSON], "{\"token\":\"0000\"}", 401),
    (
        "a script of another site",
        "GET",
        OVERVIEW,
        &[OK, USER, ("sec-fetch-site", "cross-site")],
        "",
        403,
    ),
    (
        "a script of another port",
        "GET",
        OVERVIEW,
        &[OK, USER, ("sec-fetch-site", "same-site")],
        "",
        403,
    ),
    (
        "a foreign origin",
        "POST",
        QUERY,
        &[OK, USER, JSON, ("origin", "https://evil.example")],
        "{}",
        403,
    ),
    (
        "no origin at all, as from a frame",
        "POST",
        QUERY,
        &[OK, USER, JSON, ("origin", "null")],
        "{}",
        403,
    ),
    (
        "a form of another site",
        "POST",
        "/session",
        &[OK, ("sec-fetch-site", "cross-site")],
        "token=TOKEN",
        403,
    ),
    (
        "a form",
        "POST",
        "/session",
        &[OK, ("content-type", "application/x-www-form-urlencoded")],
        "token=TOKEN",
        415,
    ),
    (
        "a query as text",
        "POST",
        QUERY,
        &[OK, USER, ("content-type", "text/plain")],
        "select 1",
        415,
    ),
    ("PUT", "PUT", OVERVIEW, &[OK, USER], "", 405),
    ("DELETE", "DELETE", OVERVIEW, &[OK, USER], "", 405),
    ("OPTIONS, as before a request of another site", "OPTIONS", OVERVIEW, &[OK], "", 405),
    ("TRACE", "TRACE", "/", &[OK], "", 405),
    ("POST where there is only GET", "POST", OVERVIEW, &[OK, USER], "", 405),
    ("dots in a path", "GET", "/assets/../Cargo.toml", &[OK], "", 400),
    ("escaped dots", "GET", "/assets/x/%2e%2e/%2e%2e/etc/passwd", &[OK], "", 400),
    ("escaped slashes", "GET", "/assets/x/..%2f..%2fetc%2fpasswd", &[OK], "", 400),
    ("backslashes", "GET", "/assets/x/%5C%5Cevil.example%5Cshare", &[OK], "", 400),
    ("a NUL", "GET", "/assets/x/index.html%00.js", &[OK], "", 400),
    ("two slashes", "GET", "//evil.example/", &[OK], "", 400),
    ("a file of the sources", "GET", "/assets/live/Cargo.toml", &[OK], "", 404),
    ("the store", "GET", "/acme/CURRENT", &[OK], "", 404),
    ("an unknown call", "GET", "/api/v1/nothing", &[OK, USER], "", 404),
    ("an unknown tenant", "GET", "/api/v1/tenants/other/overview", &[OK, USER], "", 404),
    ("a tenant that is a path", "GET", "/api/v1/tenants/%2E%2E/overview", &[OK, USER], "", 400),
    (
        "a generation that is a path",
        "GET",
        "/api/v1/tenants/acme/runs/CURRENT",
        &[OK, USER],
        "",
        404,
    ),
    ("no number", "GET", "/api/v1/tenants/acme/search?text=a&limit=abc", &[OK, USER], "", 400),
    ("no text to search", "GET", "/api/v1/tenants/acme/search", &[OK, USER], "", 400),
    (
        "an unknown parameter",
        "GET",
        "/api/v1/tenants/acme/search?text=a&texts=b",
        &[OK, USER],
        "",
        400,
    ),
    (
        "an unknown direction",
        "GET",
        "/api/v1/tenants/acme/neighbors?key=a&relationship=b&direction=x",
        &[OK, USER],
        "",
        400,
    ),
    (
        "neighbors of nothing",
        "GET",
        "/api/v1/tenants/acme/neighbors?key=a&relationship=nexthink_device_installed_package&direction=out",
        &[OK, USER],
        "",
        404,
    ),
    ("no ID of a finding", "GET", "/api/v1/tenants/acme/finding?id=nothing", &[OK, USER], "", 400),
    ("no severity", "GET", "/api/v1/tenants/acme/findings?severity=awful", &[OK, USER], "", 400),
    ("a path that is no text", "GET", "/api/v1/tenants/%FF/overview", &[OK, USER], "", 400),
    ("no generation", "GET", "/api/v1/tenants/acme/overview?generation=x", &[OK, USER], "", 400),
    (
        "a generation that is gone",
        "GET",
        "/api/v1/tenants/acme/overview?generation=01JN7Z1M80000000000000000B",
        &[OK, USER],
        "",
        404,
    ),
    ("an unknown question", "POST", QUERY, &[OK, USER, JSON], "{\"question\":\"nothing\"}", 404),
    (
        "a name that is no generation",
        "POST",
        QUERY,
        &[OK, USER, JSON],
        "{\"query\":\"select 1\",\"asOf\":\"yesterday\"}",
        400,
    ),
    (
        "a day before the first generation",
        "POST",
        QUERY,
        &[OK, USER, JSON],
        "{\"query\":\"select 1\",\"asOf\":\"2020-01-01\"}",
        404,
    ),
    (
        "the generation before the only one",
        "POST",
        QUERY,
        &[OK, USER, JSON],
        "{\"query\":\"select 1\",\"compareWith\":\"previous\"}",
        404,
    ),
    ("a body that is no JSON", "POST", QUERY, &[OK, USER, JSON], "select 1", 400),
    (
        "a body with an unknown field",
        "POST",
        QUERY,
        &[OK, USER, JSON],
        "{\"query\":\"x\",\"file\":\"y\"}",
        400,
    ),
    ("a huge body", "POST", QUERY, &[OK, USER, JSON], "HUGE", 413),
    ("a huge address", "GET", "/?HUGE", &[OK], "", 414),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_request_that_is_not_ours_is_refused() {
    let served = served();
    let huge = "x".repeat(300 * 1024);
    for (what, method, path, headers, body, status) in REFUSED {
        let fill =
            |text: &str| text.replace("HUGE", &huge[..60 * 1024]).replace("TOKEN", &served.viewer);
        let mut request = Request::builder().method(*method).uri(fill(path));
        for (name, value) in *headers {
            request = request.header(*name, fill(value));
        }
        let body = if *body == "HUGE" { huge.clone() } else { fill(body) };
        let request = request.body(Body::from(body)).expect(what);
        let response = served.send(request).await;
        assert_eq!(response.status().as_u16(), *status, "{what}");
        let policy = response.headers()["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{what}");
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{what}");
        assert!(!response.headers().contains_key("set-cookie"), "{what}");
        if path.starts_with("/api/") {
            let body = text(response).await;
            let problem: Value = serde_json::from_str(&body).unwrap_or_default();
            let is_described = ["code", "message"].map(|name| problem["error"][name].is_string());
            assert_eq!(is_described, [true; 2], "{what}: {body}");
        }
    }
    assert!(REFUSED.len() >= 40);
}

/// The same over a connection, where a client can send what no library lets it.
#[tokio::test(flavor = "multi_thread")]
async fn raw_bytes_are_refused_and_slow_ones_are_cut_off() -> std::io::Result<()> {
    let served = served();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(core_explorer::serve(
        listener,
        Connections::default(),
        served.router.clone(),
        async {
            let _ = stopped.await;
        },
    ));
    let cases: &[(&str, &str, &str)] = &[
        ("a rebound name", "GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", "421"),
        ("no host at all", "GET / HTTP/1.0\r\n\r\n", "421"),
        ("another protocol", "SSH-2.0-OpenSSH_9\r\n\r\n", "400"),
        ("a path without a slash", "GET ../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
            "400",
        ),
        ("a line break in a header", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", "400"),
    ];
    for (what, request, status) in cases {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1."), "{what}: {answer}");
        assert!(answer.contains(status), "{what}: {answer}");
    }
    // A head without an end.
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").await?;
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_mins(1), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the server waits for a head without an end");
    let _ = stop.send(());
    let _ = running.await;
    Ok(())
}
