//! Reading a file on two threads: one makes batches of bytes, the other uses them.

use std::io::{self, Read};
use std::panic;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;

use super::account::IngestError;
use crate::batch::Batch;
use crate::decoder::Decoder;

/// How many decoded batches may wait. A few even out rows that take longer; more would leave the
/// processor's cache before their turn.
const WAITING_BATCHES: usize = 4;

/// How many bytes are decoded at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its bytes cannot be had.
    #[error("the file cannot be read to its end")]
    Bytes(#[from] io::Error),
    /// The export is refused.
    #[error(transparent)]
    Refused(#[from] IngestError),
}

/// What the thread that decodes hands over.
enum Decoded {
    /// The header, before all batches.
    Header(Vec<String>),
    Batch(Batch),
}

/// Gives all full batches of a file to `apply`, with the header, and returns how many bytes were read.
/// What is left in the decoder is the last batch. `apply` gives batches back for their memory.
pub(super) fn read(
    decoder: &mut Decoder,
    bytes: &mut (dyn Read + Send),
    apply: impl FnMut(&[String], Batch) -> Result<Batch, IngestError>,
) -> Result<u64, ReadError> {
    let (full, batches) = mpsc::sync_channel(WAITING_BATCHES);
    let (used, spare) = mpsc::channel();
    thread::scope(|scope| {
        let decoding = scope.spawn(move || decode(decoder, bytes, &full, &spare));
        let applied = apply_all(batches, &used, apply);
        let read = decoding.join().unwrap_or_else(|defect| panic::resume_unwind(defect));
        // Rows before the end of the decoded ones come first.
        applied?;
        read
    })
}

/// Decodes until the bytes end, or nobody takes batches any more.
fn decode(
    decoder: &mut Decoder,
    bytes: &mut dyn Read,
    full: &SyncSender<Decoded>,
    spare: &Receiver<Batch>,
) -> Result<u64, ReadError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut n_bytes, mut is_header_sent) = (0, false);
    loop {
        let n_read = match bytes.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if n_read == 0 {
            return Ok(n_bytes);
        }
        n_bytes += n_read as u64;
        let mut rest = &chunk[..n_read];
        while !rest.is_empty() {
            let n_decoded = decoder.decode(rest).map_err(IngestError::from)?;
            rest = &rest[n_decoded..];
            if !decoder.is_full() {
                continue;
            }
            if !is_header_sent && full.send(Decoded::Header(decoder.header().to_vec())).is_err() {
                return Ok(n_bytes);
            }
            is_header_sent = true;
            let batch = decoder.take_batch();
            if let Ok(spare) = spare.try_recv() {
                decoder.recycle(spare);
            }
            if full.send(Decoded::Batch(batch)).is_err() {
                return Ok(n_bytes);
            }
        }
    }
}

/// Applies batches until there are none or one is refused. The queue is closed then.
fn apply_all(
    batches: Receiver<Decoded>,
    used: &Sender<Batch>,
    mut apply: impl FnMut(&[String], Batch) -> Result<Batch, IngestError>,
) -> Result<(), IngestError> {
    let mut header = Vec::new();
    for decoded in batches {
        match decoded {
            Decoded::Header(names) => header = names,
            // The thread that decodes may have ended; then nobody needs the memory.
            Decoded::Batch(batch) => drop(used.send(apply(&header, batch)?)),
        }
    }
    Ok(())
}
