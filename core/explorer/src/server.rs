//! Connections: how many at once, how long a request may take to arrive, plain or over TLS.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

use crate::error::ApiError;
use crate::tls::Tls;

/// The most connections at once; others wait in the system's queue.
const MAX_CONNECTIONS: usize = 256;

/// The time that the head of a request may take to arrive, and that a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The time that a client may take to read a part of an answer. One that reads nothing must not hold a connection, or a
/// query.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The time that answers may take to end when the server stops.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// The wait after the system has refused a connection, for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The time without a packet after which the system asks whether a client is still there, the time between two such
/// questions, and the number of those that may stay unanswered.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

/// The end of a server that was asked to stop.
#[derive(Debug)]
pub struct Stopped;

/// The way in which connections are accepted.
#[derive(Clone, Default)]
pub struct Connections {
    /// The certificate to answer with; none for plain HTTP.
    pub tls: Option<Tls>,
    /// The addresses that may connect; all if it is empty.
    pub peers: Vec<IpNet>,
}

impl Connections {
    fn admits(&self, peer: SocketAddr) -> bool {
        let address = peer.ip().to_canonical();
        self.peers.is_empty() || self.peers.iter().any(|network| network.contains(&address))
    }
}

/// Answers requests until `stop` ends.
pub async fn serve(
    listener: TcpListener,
    how: Connections,
    router: Router,
    stop: impl Future<Output = ()>,
) -> Stopped {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        // Ended connections leave their results behind.
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok((_, peer)) if !how.admits(peer) => {
                tracing::warn!(%peer, "refused a connection: the address is not one of --proxy-address");
            }
            Ok((stream, _)) => {
                let (router, tls) = (router.clone(), how.tls.clone());
                tasks.spawn(async move {
                    let _permit = permit;
                    set_options(&stream);
                    match tls {
                        Some(tls) => answer_over_tls(stream, &tls, router).await,
                        None => answer(stream, router).await,
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while tasks.join_next().await.is_some() {} };
    // Longer answers are cut off, so that the reader sees that they are not whole.
    let _ = tokio::time::timeout(SHUTDOWN, ended).await;
    Stopped
}

/// Sets the options of a connection that a server has accepted.
pub fn set_options(stream: &TcpStream) {
    // Small answers must not wait for more to send.
    let nodelay = stream.set_nodelay(true);
    // A machine that has lost its network or power closes nothing: without this, its connection and its query stay.
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    let keepalive = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    // A connection that has ended already has no options.
    if let Err(error) = nodelay.and(keepalive) {
        tracing::debug!(%error, "the options of a connection were not set");
    }
}

/// Answers requests over TLS. A client with a slow handshake must not hold a connection for long.
async fn answer_over_tls(stream: TcpStream, tls: &Tls, router: Router) {
    match tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => answer(stream, router).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection was not made over TLS"),
        Err(_) => tracing::debug!("a connection was too slow"),
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite, router: Router) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let stream = pin!(stream);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // A client that goes away, or sends something else than HTTP, is no concern of ours.
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection has ended");
    }
}

/// Answers 500 where the program has a defect, so that one request cannot end the server.
pub(crate) async fn hide_panics(request: Request, next: Next) -> Response {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        ApiError::new(status, "defect", "a defect of the program; its log has the place")
            .into_response()
    })
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

    fn large_answer() -> Router {
        Router::new().route("/", get(async || "x".repeat(1 << 20)))
    }

    #[tokio::test]
    async fn a_machine_that_is_gone_is_noticed_within_minutes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_client, (stream, _)) = (client.expect("it listens"), accepted.expect("it came"));
        set_options(&stream);
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().expect("it is open") && socket.keepalive().expect("it is open"));
        #[cfg(target_os = "linux")]
        {
            let idle = socket.tcp_keepalive_time().expect("it is open");
            let interval = socket.tcp_keepalive_interval().expect("it is open");
            let probes = socket.tcp_keepalive_retries().expect("it is open");
            assert!(idle + interval * probes <= Duration::from_mins(2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_loses_its_connection() {
        let (mut client, server) = duplex(1024);
        client.write_all(REQUEST).await.expect("there is room");
        let started = Instant::now();
        let ended = timeout(Duration::from_hours(1), answer(server, large_answer())).await;
        assert!(ended.is_ok(), "the connection is held for as long as the client wants");
        assert!(started.elapsed() <= 2 * WRITE_TIMEOUT, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_gets_the_whole_answer() {
        let (mut client, server) = duplex(64 * 1024);
        client.write_all(REQUEST).await.expect("there is room");
        let read = async {
            let (mut piece, mut total) = (vec![0; 64 * 1024], 0);
            loop {
                sleep(WRITE_TIMEOUT / 2).await;
                match client.read(&mut piece).await.expect("it is open") {
                    0 => return total,
                    read => total += read,
                }
            }
        };
        let ((), total) = tokio::join!(answer(server, large_answer()), read);
        assert!(total > 1 << 20, "{total}");
    }
}
