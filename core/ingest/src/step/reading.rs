//! Reading a file on three threads: one has its bytes, which mostly means to decompress them, one makes
//! batches of rows of them and protects those, and one uses them.
//!
//! What is handed over at once is large: waking a thread up costs as much as decoding a hundred rows.

use std::io::{self, Read};
use std::panic;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;

use super::account::IngestError;
use super::intake::Intake;
use crate::batch::Batch;

/// How many bytes are handed over at once, or the rows that end in them.
const BLOCK_BYTES: usize = 512 * 1024;

/// How many blocks may wait for a thread, and how many times the rows of one. They even out what takes
/// longer; more would leave the processor's cache before their turn.
const WAITING_BLOCKS: usize = 2;

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

/// One end of a queue to another thread, which gives back what it has used for its memory.
struct Giver<T> {
    full: SyncSender<T>,
    used: Receiver<T>,
}

/// The other end.
struct Taker<T> {
    full: Receiver<T>,
    used: Sender<T>,
}

/// The rows that end in a block.
#[derive(Default)]
struct Rows {
    header: Vec<String>,
    batches: Vec<Batch>,
}

/// Gives all full batches of a file to `apply`, with the header, and returns how many bytes were read.
/// What is left in the intake is the last batch.
pub(super) fn read(
    intake: &mut Intake,
    bytes: &mut (dyn Read + Send),
    apply: impl FnMut(&[String], &Batch) -> Result<(), IngestError>,
) -> Result<u64, ReadError> {
    let (give_blocks, take_blocks) = queue();
    let (give_rows, take_rows) = queue();
    thread::scope(|scope| {
        let reading = scope.spawn(move || read_blocks(bytes, &give_blocks));
        let decoding = scope.spawn(move || decode_all(intake, &take_blocks, &give_rows));
        let applied = apply_all(take_rows, apply);
        let decoding = decoding.join().unwrap_or_else(|defect| panic::resume_unwind(defect));
        let read = reading.join().unwrap_or_else(|defect| panic::resume_unwind(defect));
        // Who is further behind in the file comes first.
        applied?;
        decoding?;
        read
    })
}

fn queue<T>() -> (Giver<T>, Taker<T>) {
    let (give_full, take_full) = mpsc::sync_channel(WAITING_BLOCKS);
    let (give_used, take_used) = mpsc::channel();
    (Giver { full: give_full, used: take_used }, Taker { full: take_full, used: give_used })
}

/// Reads blocks until the bytes end, or nobody takes them any more. Returns how many bytes there were.
fn read_blocks(bytes: &mut dyn Read, blocks: &Giver<Vec<u8>>) -> Result<u64, ReadError> {
    let mut n_bytes = 0;
    loop {
        let mut block = blocks.used.try_recv().unwrap_or_else(|_| vec![0; BLOCK_BYTES]);
        let (n_read, result) = fill(bytes, &mut block);
        n_bytes += n_read as u64;
        // Only the last one is not full. What came before a failure may be refused for something else.
        block.truncate(n_read);
        let is_taken = blocks.full.send(block).is_ok();
        result?;
        if !is_taken || n_read < BLOCK_BYTES {
            return Ok(n_bytes);
        }
    }
}

/// Reads until the bytes end or the block is full. Tells how many bytes there were, and why there are no
/// more if they cannot be had.
fn fill(bytes: &mut dyn Read, block: &mut [u8]) -> (usize, io::Result<()>) {
    let mut n_read = 0;
    while n_read < block.len() {
        match bytes.read(&mut block[n_read..]) {
            Ok(0) => break,
            Ok(read) => n_read += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (n_read, Err(error)),
        }
    }
    (n_read, Ok(()))
}

/// Decodes blocks until there are no more, or nobody takes their rows any more.
fn decode_all(
    intake: &mut Intake,
    blocks: &Taker<Vec<u8>>,
    rows: &Giver<Rows>,
) -> Result<(), ReadError> {
    let mut spare = Vec::new();
    for block in &blocks.full {
        let mut of_block = rows.used.try_recv().unwrap_or_default();
        spare.append(&mut of_block.batches);
        let result = decode(intake, &block, &mut spare, &mut of_block.batches);
        if of_block.header.is_empty() {
            of_block.header = intake.header().to_vec();
        }
        // The thread that reads may have ended; then nobody needs the memory.
        drop(blocks.used.send(block));
        // The rows before what is refused may be refused for something else.
        let is_taken = rows.full.send(of_block).is_ok();
        result?;
        if !is_taken {
            break;
        }
    }
    Ok(())
}

/// Appends the full batches that end in a block.
fn decode(
    intake: &mut Intake,
    mut block: &[u8],
    spare: &mut Vec<Batch>,
    batches: &mut Vec<Batch>,
) -> Result<(), IngestError> {
    while !block.is_empty() {
        let n_decoded = intake.decode(block)?;
        block = &block[n_decoded..];
        if intake.is_full() {
            batches.push(intake.take_batch());
            if let Some(batch) = spare.pop() {
                intake.recycle(batch);
            }
        }
    }
    Ok(())
}

/// Applies batches until there are none or one is refused. The queue is closed then.
fn apply_all(
    rows: Taker<Rows>,
    mut apply: impl FnMut(&[String], &Batch) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    for Rows { header, batches } in rows.full {
        batches.iter().try_for_each(|batch| apply(&header, batch))?;
        // As above.
        drop(rows.used.send(Rows { header, batches }));
    }
    Ok(())
}
