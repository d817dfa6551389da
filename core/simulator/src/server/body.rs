//! Bodies that come more slowly or less completely than possible.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, Stream, StreamExt};

use super::wire::Wire;
use crate::behaviour::Pace;

/// The bytes of a body.
pub(crate) type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// Ends a body after this many bytes by closing the connection. All of them are sent, and none
/// after them.
pub(crate) fn cut(pieces: Pieces, at: u64, wire: Wire) -> Pieces {
    let first = stream::unfold((pieces, at), |(mut pieces, left)| async move {
        if left == 0 {
            return None;
        }
        let piece = pieces.next().await?;
        let piece = piece.map(|bytes| {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            bytes.slice(..wanted)
        });
        let left = left - piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Some((piece, (pieces, left)))
    });
    // The HTTP server sends its buffer while it waits for the rest, which does not come.
    let closing = stream::once(async move {
        wire.close_after_flush();
        std::future::pending().await
    });
    first.chain(closing).boxed()
}

/// Sends a body in pieces with a pause before each.
pub(crate) fn slow_down(pieces: Pieces, pace: &Pace) -> Pieces {
    let (size, pause): (usize, Duration) = (pace.bytes.max(1), pace.pause);
    let start = (pieces, BytesMut::new());
    let slow = stream::unfold(start, move |(mut pieces, mut waiting)| async move {
        while waiting.len() < size {
            match pieces.next().await {
                Some(Ok(bytes)) => waiting.extend_from_slice(&bytes),
                Some(Err(error)) => return Some((Err(error), (pieces, waiting))),
                None => break,
            }
        }
        if waiting.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = waiting.split_to(size.min(waiting.len())).freeze();
        Some((Ok(piece), (pieces, waiting)))
    });
    slow.boxed()
}

/// Converts a stream to the bytes of a body.
pub(crate) fn pieces(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Pieces {
    stream.boxed()
}
