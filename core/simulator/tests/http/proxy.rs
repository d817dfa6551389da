//! The byte-level proxy, in front of a server with known output.

use std::io::{ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;

use core_simulator::{Behaviour, FaultProxy, SavedQuery, Slices, Toxics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::support::{Tester, bytes_of};

/// More than the buffers of a connection hold.
const BYTES: usize = 8 * 1024 * 1024;

/// A server that waits for one byte, sends `BYTES`, and reports the rest of its input.
async fn server() -> (SocketAddr, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                stream.read_u8().await?;
                let (mut from, mut to) = stream.split();
                // The client may leave early.
                let (_, mut read) = (to.write_all(&vec![7; BYTES]).await, Vec::new());
                _ = to.shutdown().await;
                _ = from.read_to_end(&mut read).await;
                _ = sender.send(read);
                Result::Ok(())
            });
        }
    });
    (address, receiver)
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
    client.write_u8(1).await.expect("the proxy reads");
    client
}

/// The number of bytes, and the error at the end if there is one.
async fn read(mut client: TcpStream) -> (usize, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = client.read_to_end(&mut bytes).await.err();
    assert!(bytes.iter().all(|byte| *byte == 7));
    (bytes.len(), end.map(|error| error.kind()))
}

async fn proxy(toxics: Toxics) -> FaultProxy {
    FaultProxy::start(server().await.0, toxics).await.expect("a port is free")
}

#[tokio::test]
async fn without_toxics_everything_passes() {
    let proxy = proxy(Toxics::default()).await;
    assert_eq!(read(connect(&proxy).await).await, (BYTES, None));
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_limit_closes_in_order_after_exactly_its_bytes() {
    for limit in [0, 1, 16_385, BYTES as u64 - 1] {
        let proxy = proxy(Toxics { limit: Some(limit), ..Toxics::default() }).await;
        let (bytes, error) = read(connect(&proxy).await).await;
        assert_eq!((bytes as u64, error), (limit, None));
    }
}

#[tokio::test]
async fn the_client_sees_a_reset() {
    let proxy = proxy(Toxics { reset_after: Some(1_000), ..Toxics::default() }).await;
    let (bytes, error) = read(connect(&proxy).await).await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!(bytes <= 1_000, "a reset may overtake bytes, not add some");
}

#[tokio::test]
async fn a_half_closed_connection_still_takes_bytes() {
    let (address, mut received) = server().await;
    let toxics = Toxics { half_close_after: Some(10), ..Toxics::default() };
    let proxy = FaultProxy::start(address, toxics).await.expect("a port is free");
    let mut client = connect(&proxy).await;
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.expect("it ends in order");
    assert_eq!(bytes.len(), 10);
    client.write_all(b"still here").await.expect("the other way is open");
    client.shutdown().await.expect("the other way is open");
    // The server cannot send everything, so it reads the rest once its own direction is closed.
    assert_eq!(received.recv().await.as_deref(), Some(&b"still here"[..]));
}

#[tokio::test]
async fn a_black_hole_accepts_and_never_answers() {
    let proxy = proxy(Toxics { black_hole: true, ..Toxics::default() }).await;
    let mut client = connect(&proxy).await;
    let answer = timeout(Duration::from_millis(200), client.read_u8()).await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn bytes_come_late_slowly_and_in_slices() {
    let slices = Some(Slices { bytes: 10, pause: Duration::from_millis(10) });
    let pause = Duration::from_millis(100);
    for (toxics, at_least) in [
        (Toxics { latency: pause, ..Toxics::default() }, pause),
        (Toxics { bytes_per_second: Some(1_000), ..Toxics::default() }, pause),
        (Toxics { slices, ..Toxics::default() }, pause),
    ] {
        let proxy = proxy(toxics).await;
        let started = Instant::now();
        let mut first = [0; 100];
        connect(&proxy).await.read_exact(&mut first).await.expect("a hundred bytes come");
        assert!(started.elapsed() >= at_least);
    }
}

#[tokio::test]
async fn toxics_can_change_at_run_time_and_apply_to_some_connections_only() {
    let proxy = proxy(Toxics { limit: Some(5), connections: Some(1), ..Toxics::default() }).await;
    assert_eq!(read(connect(&proxy).await).await.0, 5);
    assert_eq!(read(connect(&proxy).await).await.0, BYTES);
    proxy.update(|toxics| toxics.limit = Some(6));
    assert_eq!(read(connect(&proxy).await).await.0, 6);
    proxy.update(|toxics| *toxics = Toxics::default());
    assert_eq!(read(connect(&proxy).await).await.0, BYTES);
}

#[tokio::test]
async fn a_results_link_can_lead_through_the_proxy() {
    let tester = Tester::start(Behaviour::default()).await;
    let files = tester.simulator.endpoints().files.clone();
    let upstream = files.strip_prefix("http://").and_then(|address| address.parse().ok());
    let upstream = upstream.expect("the file host has an address");
    let proxy = FaultProxy::start(upstream, Toxics::default()).await.expect("a port is free");
    let through = format!("http://{}", proxy.address());
    tester.simulator.update(|behaviour| behaviour.files_url = Some(through.clone()));
    let link = tester.link(SavedQuery::Users, "NONE").await;
    assert!(link.starts_with(&through));
    assert_eq!(bytes_of(tester.get(&link).await).await.slice(..8), "user.uid");
    assert_eq!(proxy.connections(), 1);
}
