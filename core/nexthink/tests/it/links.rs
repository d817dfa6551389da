//! Results links that lead elsewhere: none of them is followed.

use core_nexthink::NexthinkError;
use tokio::net::TcpListener;

use crate::support::*;

/// Hosts that a link must not lead to, however they are written.
const HOSTS: [&str; 24] = [
    "localhost",
    "127.0.0.1",
    "127.1",
    "0.0.0.0",
    "0",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "10.0.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "metadata.google.internal",
    "evil.example",
    "127.0.0.1.evil.example",
    "bucket.s3.amazonaws.com",
    "files.nexthink.cloud",
    "xn--80ak6aa92e.com",
];

/// Links to `HOSTS` and to `allowed` in spellings that are none of an honest link.
fn hostile_links(allowed: &str, trap_port: u16) -> Vec<String> {
    let mut links = Vec::new();
    for host in HOSTS {
        links.push(format!("http://{host}/a"));
        links.push(format!("https://{host}/a"));
        links.push(format!("http://{host}:{trap_port}/a"));
        links.push(format!("http://{allowed}@{host}:{trap_port}/a"));
        links.push(format!("http://{host}:{trap_port}\\\\@{allowed}/a"));
        links.push(format!("http://{host}:{trap_port}#@{allowed}/a"));
    }
    for spelling in [
        "https://ALLOWED/a",
        "HTTP://ALLOWED/a",
        "http:ALLOWED/a",
        "http:/ALLOWED/a",
        "http:\\\\\\\\ALLOWED/a",
        "//ALLOWED/a",
        "ALLOWED/a",
        " http://ALLOWED/a",
        "http://ALLOWED",
        "http://user@ALLOWED/a",
        "http://user:pass@ALLOWED/a",
        "http://ALLOWED/a#b",
        "http://ALLOWED/../a",
        "http://ALLOWED/b/%2e%2e/a",
        "http://ALLOWED/a b",
        "http://ALLOWED/ä",
        "http://ALLOWED\\t/a",
        "http://ALLOWED.evil.example/a",
        "http://ALLOWED%2eevil.example/a",
        "ftp://ALLOWED/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/csv,device.uid",
    ] {
        links.push(spelling.replace("ALLOWED", allowed));
    }
    links
}

#[tokio::test]
async fn e18_no_hostile_link_is_followed() {
    let trap = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let trap_port = trap.local_addr().expect("an address").port();
    let tenant = Tenant::start(Vec::new(), Vec::new()).await;
    let allowed = tenant.files.base.trim_start_matches("http://");
    let links = hostile_links(allowed, trap_port);
    assert!(links.len() > 120, "{} links", links.len());
    for link in links {
        tenant.api.then(started());
        tenant.api.then(completed(&link));
        let error = tenant.run().await.error();
        assert!(matches!(error, NexthinkError::LinkRefused { .. }), "{link}: {error}");
    }
    assert!(tenant.files.seen().is_empty());
    let no_call_comes = tokio::time::timeout(std::time::Duration::from_millis(50), trap.accept());
    assert!(no_call_comes.await.is_err(), "the trap was called");
}
