//! Generation of results files on blocking threads: once to measure one, and again for each
//! download. A file is never in memory as a whole.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream};
use tokio::sync::mpsc;

use super::state::{Export, ResultsFile, State};
use crate::exports::{Written, write_rows};

/// The number of bytes in one message from the blocking thread to the connection.
const CHUNK_BYTES: usize = 64 * 1024;
/// The most messages that may wait for the connection.
const CHUNKS_WAITING: usize = 4;

/// Generates the file without keeping it, to determine its length, its `ETag` and whether it is
/// truncated.
///
/// # Errors
///
/// The simulator has stopped.
pub(crate) fn measure(state: &State, export: &Export) -> io::Result<ResultsFile> {
    let mut meter = Meter { state, hasher: blake3::Hasher::new(), bytes: 0 };
    let written = write_file(export, &mut meter)?;
    let etag = format!("\"{}\"", &meter.hasher.finalize().to_hex()[..32]);
    Ok(ResultsFile { bytes: meter.bytes, etag, truncated: written.truncated })
}

/// Writes the results file of an export. The same export gives the same bytes.
fn write_file(export: &Export, sink: impl Write) -> io::Result<Written> {
    export.compression.encode(sink, |mut sink| match &export.content {
        Some(content) => {
            sink.write_all(content)?;
            Ok(Written { rows: 0, truncated: export.is_cut })
        }
        None => write_rows(&export.tenant, &export.selection, &mut sink),
    })
}

struct Meter<'a> {
    state: &'a State,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Meter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.state.check_running()?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Generates the file again and sends `length` bytes of it from `start` on, fewer once the
/// simulator stops.
pub(crate) fn produce(
    state: Arc<State>,
    export: Export,
    start: u64,
    length: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let mut window = Window {
            state,
            sender,
            chunk: BytesMut::with_capacity(CHUNK_BYTES),
            skip: start,
            left: length,
        };
        if let Err(error) = write_file(&export, &mut window) {
            tracing::debug!(%error, "download ends before the results file does");
        }
    });
    stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (Ok(chunk), receiver))
    })
}

/// Sends the part of the output between `skip` and `skip + left`.
struct Window {
    state: Arc<State>,
    sender: mpsc::Sender<Bytes>,
    chunk: BytesMut,
    skip: u64,
    left: u64,
}

impl Window {
    fn send(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = self.chunk.split().freeze();
        let sent = self.sender.blocking_send(chunk);
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"))
    }
}

impl Write for Window {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.state.check_running()?;
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        let wanted = self.left.min(bytes.len() as u64 - skipped);
        self.left -= wanted;
        let position = |count| usize::try_from(count).expect("at most the length of a slice");
        let (skipped, wanted) = (position(skipped), position(wanted));
        self.chunk.extend_from_slice(&bytes[skipped..skipped + wanted]);
        if self.chunk.len() >= CHUNK_BYTES {
            self.send()?;
        }
        if self.left == 0 {
            self.send()?;
            if wanted == 0 {
                return Err(io::Error::other("everything asked for has been sent"));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}
