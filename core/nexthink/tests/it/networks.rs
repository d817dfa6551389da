//! Hosts that speak HTTP badly, or are not there: bounds that hold all the same.

use core_nexthink::{Client, NexthinkError, Settings, UnreachableCause};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

/// The settings of a client that gives a host one chance and little time.
fn impatient() -> Settings {
    let mut impatient = settings();
    impatient.retry.max_attempts = 1;
    impatient.timeouts.idle = Duration::from_millis(300);
    impatient.timeouts.answer = Duration::from_millis(600);
    impatient
}

/// A host that reads a request and then sends `piece` again and again, `times` times, and counts
/// the bytes that were taken.
async fn flooding_host(
    start: &'static [u8],
    piece: Vec<u8>,
    times: usize,
    pause: Duration,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let n_taken = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&n_taken);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0_u8; 4096];
            // The client hangs up as soon as it has had enough.
            let _ = socket.read(&mut request).await;
            let mut sent = socket.write_all(start).await;
            for _ in 0..times {
                if sent.is_err() {
                    break;
                }
                sent = socket.write_all(&piece).await;
                counted.fetch_add(piece.len(), Ordering::Relaxed);
                tokio::time::sleep(pause).await;
            }
        }
    });
    (base, n_taken)
}

async fn token_error(base: &str, settings: Settings) -> NexthinkError {
    let client = client(base, base, base, settings);
    let error = client.check_credentials(|| NOW_MS).await.expect_err("no answer that can be used");
    assert_no_canary_in(&error);
    error
}

#[tokio::test]
async fn b14_a_flood_of_headers_is_cut_off() {
    const START: &[u8] = b"HTTP/1.1 200 OK\r\n";
    for (what, piece, times) in [
        ("ten thousand headers", b"x: canary\r\n".to_vec(), 10_000),
        ("one header of 100 MB", vec![b'x'; 1 << 20], 100),
    ] {
        let (base, n_taken) = flooding_host(START, piece, times, Duration::ZERO).await;
        let error = token_error(&base, impatient()).await;
        assert!(error.is_unreachable(), "{what}: {error}");
        let n_taken = n_taken.load(Ordering::Relaxed);
        assert!(n_taken < 16 << 20, "{what}: {n_taken} bytes were taken, socket buffers included");
    }
}

#[tokio::test]
async fn b14_a_flood_of_interim_answers_ends_in_time() {
    let piece = b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec();
    let (base, _) = flooding_host(b"", piece, usize::MAX, Duration::from_millis(1)).await;
    let error = token_error(&base, impatient()).await;
    assert_eq!(cause(&error), UnreachableCause::Timeout);
}

#[tokio::test]
async fn c9_headers_that_never_end_are_waited_for_in_vain_for_a_while() {
    let start = b"HTTP/1.1 200 OK\r\nx: ";
    let drip = || flooding_host(start, vec![b'y'], usize::MAX, Duration::from_millis(20));
    let (base, _) = drip().await;
    assert_eq!(cause(&token_error(&base, impatient()).await), UnreachableCause::Timeout);

    // The same for a file, which has no time-out as a whole.
    let (base, _) = drip().await;
    let tenant = Tenant::start(vec![started(), completed(&format!("{base}/a"))], Vec::new()).await;
    let client = client(&tenant.login.base, &tenant.api.base, &base, impatient());
    let error = run_export(&client, &mut Vec::new()).await.expect_err("no header ends");
    assert_eq!(cause(&error), UnreachableCause::Timeout);
}

#[tokio::test]
async fn c1_a_name_without_an_address_is_told_with_its_host() {
    let mut twice = settings();
    twice.retry.max_attempts = 2;
    // The top-level domain that never exists (RFC 6761, section 6.4).
    let error = token_error("https://acme-login.eu.invalid", twice).await;
    assert_eq!(cause(&error), UnreachableCause::Dns);
    assert!(error.is_unreachable());
    let message = error.to_string();
    assert!(message.contains("acme-login.eu.invalid") && message.contains("DNS"), "{message}");
}

#[tokio::test]
async fn c16_a_kept_connection_that_died_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let n_connections = Arc::<AtomicU32>::default();
    let counted = Arc::clone(&n_connections);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            answer_and_hang_up(&mut socket).await;
        }
    });
    let tenant = Tenant::start(Vec::new(), Vec::new()).await;
    let mut once = settings();
    once.retry.max_attempts = 1;
    let client = client(&tenant.login.base, &base, &base, once);
    for _ in 0..5 {
        assert_status(&client).await;
        // The client learns that the connection is dead when it looks, or when it writes.
        tokio::task::yield_now().await;
    }
    assert_eq!(n_connections.load(Ordering::Relaxed), 5);
}

/// Answers one request as if more were welcome, and closes the connection.
async fn answer_and_hang_up(socket: &mut TcpStream) {
    let mut request = [0_u8; 4096];
    let n_bytes = socket.read(&mut request).await.expect("a request");
    assert!(n_bytes > 0, "a connection is only made for a request");
    let body = r#"{"status":"SUBMITTED"}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(format!("{head}{body}").as_bytes()).await.expect("an open connection");
}

async fn assert_status(client: &Client) {
    let export_id = EXPORT_ID.parse().expect("an export id");
    client.export_status(&export_id).await.expect("a status");
}

fn cause(error: &NexthinkError) -> UnreachableCause {
    let NexthinkError::Unreachable { cause, .. } = error else {
        panic!("unexpected: {error}");
    };
    cause.clone()
}
