//! A connection to a client: messages in and out.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::backend::{self, Severity};
use crate::error::{WireError, state};
use crate::frontend::{self, First, MAX_BYTES, MAX_EARLY_BYTES, Malformed, Message};

/// The time that a client may take to read what is sent.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// The size from which messages are sent before there are more. Bytes.
pub(crate) const FULL_BYTES: usize = 64 * 1024;

/// Bytes in both directions, plain or over TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The reason why a connection ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The client has gone.
    Closed,
    /// The client is told why.
    Fatal(WireError),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl From<Malformed> for End {
    fn from(malformed: Malformed) -> Self {
        let message = match malformed {
            Malformed::TooLong => "a message of the client is too long".to_owned(),
            Malformed::Content => "a message of the client is not what its kind has".to_owned(),
            Malformed::Encoding => "a text of the client is not UTF-8".to_owned(),
            Malformed::Kind(kind) => format!("messages of the kind {kind} are unknown"),
            Malformed::Version => {
                "the client speaks another version of the protocol than 3".to_owned()
            }
        };
        Self::Fatal(WireError::new(state::PROTOCOL, message))
    }
}

/// A connection, and what was read and not understood yet, and written and not sent yet.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    pub(crate) input: BytesMut,
    pub(crate) out: BytesMut,
    max_bytes: usize,
}

impl Connection {
    /// A connection to a client that has not logged in.
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        let (input, out) = (BytesMut::new(), BytesMut::new());
        Self { stream, input, out, max_bytes: MAX_EARLY_BYTES }
    }

    /// Takes long messages from now on.
    pub(crate) fn trust(&mut self) {
        self.max_bytes = MAX_BYTES;
    }

    /// Returns the first message.
    pub(crate) async fn first(&mut self) -> Result<First, End> {
        loop {
            if let Some(first) = frontend::first(&mut self.input)? {
                return Ok(first);
            }
            self.read().await?;
        }
    }

    /// Returns the next message. It can be asked again if its caller stops waiting.
    pub(crate) async fn message(&mut self) -> Result<Message, End> {
        loop {
            if let Some(message) = frontend::message(&mut self.input, self.max_bytes)? {
                return Ok(message);
            }
            self.read().await?;
        }
    }

    /// Returns true if more may be read before the messages that are there are understood.
    pub(crate) fn has_room(&self) -> bool {
        self.input.len() < self.max_bytes
    }

    /// Reads more.
    pub(crate) async fn read(&mut self) -> Result<(), End> {
        let read = self.stream.read_buf(&mut self.input).await?;
        if read == 0 { Err(End::Closed) } else { Ok(()) }
    }

    /// Sends a part of what is written; a client that takes nothing of it for a while has gone. It can be asked again
    /// if its caller stops waiting.
    pub(crate) async fn send_some(&mut self) -> Result<(), End> {
        let sent = tokio::time::timeout(WRITE_TIMEOUT, self.stream.write(&self.out)).await;
        let sent = sent.map_err(|_| End::Closed)??;
        self.out.advance(sent);
        if sent == 0 { Err(End::Closed) } else { Ok(()) }
    }

    /// Sends everything that is written if it is much: a client can ask for a lot before it wants to read.
    pub(crate) async fn flush_if_full(&mut self) -> Result<(), End> {
        if self.out.len() < FULL_BYTES { Ok(()) } else { self.flush().await }
    }

    /// Sends everything that is written.
    pub(crate) async fn flush(&mut self) -> Result<(), End> {
        let sending = async {
            while !self.out.is_empty() {
                self.send_some().await?;
            }
            self.stream.flush().await.map_err(End::from)
        };
        tokio::time::timeout(WRITE_TIMEOUT, sending).await.unwrap_or(Err(End::Closed))
    }

    /// Tells the client why the connection ends.
    pub(crate) async fn end(mut self, end: End) {
        if let End::Fatal(error) = end {
            backend::error(&mut self.out, Severity::Fatal, &error);
            // A client that has gone needs no reason.
            let _ = self.flush().await;
        }
        let _ = self.stream.shutdown().await;
    }

    /// Returns the stream, if nothing was read beyond what was understood.
    pub(crate) fn into_stream(self) -> Result<Box<dyn Stream>, End> {
        // Bytes before the handshake could be from anyone on the way.
        if self.input.is_empty() { Ok(self.stream) } else { Err(Malformed::Content.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_for_a_minute_has_gone() {
        let (_client, server) = tokio::io::duplex(1024);
        let mut connection = Connection::new(Box::new(server));
        connection.out.resize(FULL_BYTES, 0);
        connection.send_some().await.expect("there is room for a part");
        let sent = tokio::time::timeout(2 * WRITE_TIMEOUT, connection.send_some()).await;
        assert!(matches!(sent, Ok(Err(End::Closed))), "{sent:?}");
    }
}
