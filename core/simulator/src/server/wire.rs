//! Connections that a handler can break below HTTP, where a correct HTTP server cannot.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A listener whose connections can be broken.
pub(crate) struct WireListener(pub(crate) TcpListener);

/// One connection. The HTTP server reads and writes it; a handler with a clone can send bytes
/// around the HTTP server, and close the connection.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    stream: Arc<TcpStream>,
    end: Arc<AtomicU8>,
}

/// No close was requested.
const OPEN: u8 = 0;
/// The HTTP server's buffer is sent, then the connection is closed.
const AFTER_FLUSH: u8 = 1;
/// The connection is closed without sending the HTTP server's buffer.
const AT_ONCE: u8 = 2;

impl Wire {
    /// Closes the connection before the HTTP server sends another byte.
    pub(crate) fn close(&self) {
        self.end.store(AT_ONCE, Ordering::Relaxed);
    }

    /// As [`Self::close`], with a TCP reset instead of an orderly end.
    pub(crate) fn reset(&self) {
        // A closed socket needs no reset.
        _ = self.stream.set_zero_linger();
        self.close();
    }

    /// Closes the connection once everything that the HTTP server has been given so far is sent.
    pub(crate) fn close_after_flush(&self) {
        self.end.store(AFTER_FLUSH, Ordering::Relaxed);
    }

    /// Sends bytes around the HTTP server.
    ///
    /// # Errors
    ///
    /// The client has disconnected.
    pub(crate) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn check(&self, limit: u8) -> io::Result<()> {
        if self.end.load(Ordering::Relaxed) >= limit {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "closed on purpose"));
        }
        Ok(())
    }
}

impl Listener for WireListener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    let end = Arc::new(AtomicU8::new(OPEN));
                    return (Wire { stream: Arc::new(stream), end }, address);
                }
                Err(error) => {
                    // For example no file descriptor is left, which is temporary.
                    tracing::debug!(%error, "connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, WireListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, WireListener>) -> Self {
        stream.io().clone()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(AT_ONCE)?;
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// The HTTP server calls this when its buffer is empty.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.check(AFTER_FLUSH))
    }

    /// The socket is shut down when the last clone is dropped: a handler with a clone is still
    /// sending its own answer.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
