//! A byte-level proxy that disturbs connections of any TCP protocol, with the usual toxics:
//! latency, bandwidth, slices, limit, reset, half close, black hole.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The most bytes that are forwarded at once.
const PIECE_BYTES: usize = 16 * 1024;

/// The disturbances of the bytes from the upstream server to the client. The other direction is
/// unchanged. `Default` disturbs nothing.
///
/// `limit`, `reset_after` and `half_close_after` count the bytes of one connection; the first one
/// that is reached ends it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toxics {
    /// A pause before each forwarded piece of at most 16 KiB.
    pub latency: Duration,
    /// The bandwidth.
    pub bytes_per_second: Option<u64>,
    /// Smaller pieces.
    pub slices: Option<Slices>,
    /// The number of bytes after which the connection is closed (TCP FIN in both directions).
    pub limit: Option<u64>,
    /// The number of bytes after which the connection is reset (TCP RST).
    pub reset_after: Option<u64>,
    /// The number of bytes after which the direction to the client is closed, while the proxy
    /// continues to read.
    pub half_close_after: Option<u64>,
    /// True if connections are accepted and then ignored.
    pub black_hole: bool,
    /// The number of connections that are disturbed, counted from the last change; later ones are
    /// not. `None` means all.
    pub connections: Option<u64>,
}

/// Pieces with pauses between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slices {
    /// The most bytes in a piece; at least one.
    pub bytes: usize,
    /// The pause before each.
    pub pause: Duration,
}

/// A running proxy. Dropped, it closes its port and its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    toxics: Mutex<Toxics>,
    n_connections: AtomicU64,
    /// The connections since the last change of the toxics.
    n_since_change: AtomicU64,
}

impl FaultProxy {
    /// Listens on a free loopback port and forwards everything to `upstream`.
    ///
    /// # Errors
    ///
    /// No port is available.
    pub async fn start(upstream: SocketAddr, toxics: Toxics) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            toxics: Mutex::new(toxics),
            n_connections: AtomicU64::new(0),
            n_since_change: AtomicU64::new(0),
        });
        let listener = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, listener })
    }

    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the toxics, from the next piece of every connection on.
    pub fn update(&self, change: impl FnOnce(&mut Toxics)) {
        change(&mut self.shared.toxics.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.n_since_change.store(0, Ordering::Relaxed);
    }

    /// The number of accepted connections.
    pub fn connections(&self) -> u64 {
        self.shared.n_connections.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Shared {
    fn toxics(&self) -> Toxics {
        self.toxics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let client = tokio::select! {
            client = listener.accept() => client,
            Some(_) = connections.join_next() => continue,
        };
        match client {
            Ok((client, _)) => {
                shared.n_connections.fetch_add(1, Ordering::Relaxed);
                connections.spawn(connect(client, Arc::clone(&shared)));
            }
            Err(error) => {
                // For example no file descriptor is left, which is temporary.
                tracing::debug!(%error, "connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connect(client: TcpStream, shared: Arc<Shared>) {
    let n_before = shared.n_since_change.fetch_add(1, Ordering::Relaxed);
    let toxics = shared.toxics();
    let is_spoilt = toxics.connections.is_none_or(|connections| n_before < connections);
    if is_spoilt && toxics.black_hole {
        std::future::pending::<()>().await;
    }
    // Without an upstream the client's connection closes, as that of a real proxy does.
    let Ok(server) = TcpStream::connect(shared.upstream).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let upwards = pass_on(from_client, to_server);
    let downwards = spoil(from_server, to_client, is_spoilt, &shared);
    tokio::pin!(upwards, downwards);
    let end = tokio::select! {
        end = &mut downwards => end,
        () = &mut upwards => downwards.await,
    };
    match end {
        End::Closed => {}
        End::HalfClosed(_to_client) => upwards.await,
    }
}

/// The end of the direction to the client.
enum End {
    Closed,
    /// Kept, so that the client's own direction stays open.
    HalfClosed(OwnedWriteHalf),
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // An error ends the connection, which the other direction notices too.
    _ = tokio::io::copy(&mut from, &mut to).await;
    _ = to.shutdown().await;
}

async fn spoil(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_spoilt: bool,
    shared: &Shared,
) -> End {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut n_passed = 0;
    loop {
        let toxics = if is_spoilt { shared.toxics() } else { Toxics::default() };
        if toxics.reset_after.is_some_and(|after| n_passed >= after) {
            // A closed socket needs no reset.
            _ = to.as_ref().set_zero_linger();
            // Its shutdown would be an orderly one.
            to.forget();
            return End::Closed;
        }
        if toxics.limit.is_some_and(|after| n_passed >= after) {
            return End::Closed;
        }
        if toxics.half_close_after.is_some_and(|after| n_passed >= after) {
            _ = to.shutdown().await;
            return End::HalfClosed(to);
        }
        let size = piece_size(&toxics, n_passed);
        let read = match from.read(&mut buffer[..size]).await {
            Ok(0) | Err(_) => return End::Closed,
            Ok(read) => read,
        };
        tokio::time::sleep(pause(&toxics, read as u64)).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return End::Closed;
        }
        n_passed += read as u64;
    }
}

/// The number of bytes that may be forwarded before the next event.
fn piece_size(toxics: &Toxics, n_passed: u64) -> usize {
    let ends = [toxics.limit, toxics.reset_after, toxics.half_close_after];
    let left = ends.into_iter().flatten().map(|end| end - n_passed).min();
    let left = left.map_or(PIECE_BYTES, |left| usize::try_from(left).unwrap_or(usize::MAX));
    let slice = toxics.slices.as_ref().map_or(PIECE_BYTES, |slices| slices.bytes.max(1));
    // At most a tenth of a second, so that a slow client does not wait long for its first bytes.
    let tenth = toxics.bytes_per_second.map_or(u64::MAX, |rate| (rate / 10).max(1));
    let tenth = usize::try_from(tenth).unwrap_or(usize::MAX);
    PIECE_BYTES.min(left).min(slice).min(tenth)
}

/// The duration of a piece.
fn pause(toxics: &Toxics, bytes: u64) -> Duration {
    let slices = toxics.slices.as_ref().map_or(Duration::ZERO, |slices| slices.pause);
    let nanoseconds = |rate: u64| bytes.saturating_mul(1_000_000_000) / rate.max(1);
    let bandwidth = toxics.bytes_per_second.map_or(0, nanoseconds);
    toxics.latency + slices + Duration::from_nanos(bandwidth)
}
