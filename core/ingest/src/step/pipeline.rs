//! A pipeline of three stages for one file: read and decompress, decode and redact, map.
//!
//! Up to three threads share the stages, no more than there are processors. A free thread takes the
//! next runnable stage, the latest stage first. So no thread waits while there is work, whichever
//! stage is slowest; a thread mostly continues with the data it has just produced, while that is in
//! the nearest cache; and threads are rarely woken up, which takes as long as decoding a hundred
//! rows.

use std::any::Any;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::num::NonZero;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::account::IngestError;
use super::row_reader::RowReader;
use crate::batch::Batch;

/// The number of bytes that a stage processes at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// The most blocks, and batches of decoded blocks, that may wait for the next stage. They even out
/// the speeds of the stages; more would leave the processor's cache before their turn.
const WAITING_BLOCKS: usize = 2;

/// The reason why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its bytes cannot be read.
    #[error("the file cannot be read to its end")]
    Bytes(#[from] io::Error),
    /// The export is rejected.
    #[error(transparent)]
    Rejected(#[from] IngestError),
}

/// The stages, in the order in which data passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Read,
    Decode,
    Map,
}

/// The resource of the first stage.
struct ByteSource<'a> {
    bytes: &'a mut (dyn Read + Send),
}

/// The resource of the second stage.
struct DecodeStage<'a> {
    row_reader: &'a mut RowReader,
    /// Used batches, kept for their memory.
    spare: Vec<Batch>,
}

/// The function of the last stage.
type ApplyBatch<'a> = &'a mut (dyn FnMut(&[String], &Batch) -> Result<(), IngestError> + Send);

/// The rows that end in a block.
#[derive(Default)]
struct Rows {
    header: Vec<String>,
    batches: Vec<Batch>,
}

/// A file that several threads process.
struct Pipeline<'a> {
    state: Mutex<State<'a>>,
    /// Signals to waiting threads that a stage is runnable, or that none will be.
    changed: Condvar,
}

/// The stages, and the data that waits between them.
struct State<'a> {
    /// `None` while a thread runs the stage, or after the last byte.
    source: Option<ByteSource<'a>>,
    /// `None` while a thread runs the stage.
    decoding: Option<DecodeStage<'a>>,
    /// `None` while a thread runs the stage.
    mapping: Option<ApplyBatch<'a>>,
    blocks: VecDeque<Vec<u8>>,
    rows: VecDeque<Rows>,
    /// Used buffers, kept for their memory.
    used_blocks: Vec<Vec<u8>>,
    used_rows: Vec<Rows>,
    n_bytes: u64,
    n_working: usize,
    n_waiting: usize,
    /// The failure of the latest stage that failed; earlier stages stop, later ones continue.
    failed: Option<(Stage, ReadError)>,
    /// The payload of a thread's panic.
    panic_payload: Option<Box<dyn Any + Send>>,
}

/// One run of a stage, with everything it needs.
enum Task<'a> {
    Read(ByteSource<'a>, Vec<u8>),
    Decode(DecodeStage<'a>, Vec<u8>, Rows),
    Map(ApplyBatch<'a>, Rows),
}

/// The result of a task.
enum TaskResult<'a> {
    Read(Option<ByteSource<'a>>, Vec<u8>, io::Result<()>),
    Decoded(DecodeStage<'a>, Vec<u8>, Rows, Result<(), IngestError>),
    Mapped(ApplyBatch<'a>, Rows, Result<(), IngestError>),
}

/// Passes all full batches of a file to `apply`, with the header, and returns the number of bytes
/// read. The remaining rows in the intake are the last batch.
pub(super) fn run(
    row_reader: &mut RowReader,
    bytes: &mut (dyn Read + Send),
    mut apply: impl FnMut(&[String], &Batch) -> Result<(), IngestError> + Send,
) -> Result<u64, ReadError> {
    let pipeline = Pipeline::new(
        ByteSource { bytes },
        DecodeStage { row_reader, spare: Vec::new() },
        &mut apply,
    );
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let others = threads.min(Stage::Map as usize + 1) - 1;
    thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| pipeline.work());
        }
        pipeline.work();
    });
    pipeline.end()
}

impl<'a> Pipeline<'a> {
    fn new(source: ByteSource<'a>, decoding: DecodeStage<'a>, mapping: ApplyBatch<'a>) -> Self {
        let state = State {
            source: Some(source),
            decoding: Some(decoding),
            mapping: Some(mapping),
            blocks: VecDeque::new(),
            rows: VecDeque::new(),
            used_blocks: Vec::new(),
            used_rows: Vec::new(),
            n_bytes: 0,
            n_working: 0,
            n_waiting: 0,
            failed: None,
            panic_payload: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Runs tasks until none is left.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            let Some(task) = state.next_task() else {
                if state.n_working == 0 {
                    self.changed.notify_all();
                    return;
                }
                state.n_waiting += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.n_waiting -= 1;
                continue;
            };
            state.n_working += 1;
            if state.n_waiting > 0 && state.next_stage().is_some() {
                self.changed.notify_one();
            }
            drop(state);
            let result = panic::catch_unwind(AssertUnwindSafe(|| task.run()));
            state = self.lock();
            state.n_working -= 1;
            match result {
                Ok(result) => state.put_back(result),
                Err(panic_payload) => state.panic_payload = Some(panic_payload),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(self) -> Result<u64, ReadError> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(panic_payload) = state.panic_payload {
            panic::resume_unwind(panic_payload);
        }
        state.failed.map_or(Ok(state.n_bytes), |(_, error)| Err(error))
    }
}

impl<'a> State<'a> {
    /// Returns the latest runnable stage.
    fn next_stage(&self) -> Option<Stage> {
        let may_continue = |stage| self.failed.as_ref().is_none_or(|(failed, _)| stage > *failed);
        let can_map = self.mapping.is_some() && !self.rows.is_empty();
        let can_decode =
            self.decoding.is_some() && !self.blocks.is_empty() && self.rows.len() < WAITING_BLOCKS;
        let can_read = self.source.is_some() && self.blocks.len() < WAITING_BLOCKS;
        let stages = [(Stage::Map, can_map), (Stage::Decode, can_decode), (Stage::Read, can_read)];
        let mut possible = stages.into_iter().filter(|(stage, can)| *can && may_continue(*stage));
        let (stage, _) = possible.next()?;
        self.panic_payload.is_none().then_some(stage)
    }

    fn next_task(&mut self) -> Option<Task<'a>> {
        match self.next_stage()? {
            Stage::Map => Some(Task::Map(self.mapping.take()?, self.rows.pop_front()?)),
            Stage::Decode => {
                let rows = self.used_rows.pop().unwrap_or_default();
                Some(Task::Decode(self.decoding.take()?, self.blocks.pop_front()?, rows))
            }
            Stage::Read => {
                let block = self.used_blocks.pop().unwrap_or_default();
                Some(Task::Read(self.source.take()?, block))
            }
        }
    }

    fn put_back(&mut self, result: TaskResult<'a>) {
        match result {
            TaskResult::Read(source, block, result) => {
                self.n_bytes += block.len() as u64;
                self.source = source;
                // The rows before the failure may be rejected for another reason, so they are still
                // passed on.
                self.blocks.push_back(block);
                self.record(Stage::Read, result);
            }
            TaskResult::Decoded(decoding, block, rows, result) => {
                self.decoding = Some(decoding);
                self.used_blocks.push(block);
                // As above.
                self.rows.push_back(rows);
                self.record(Stage::Decode, result);
            }
            TaskResult::Mapped(mapping, rows, result) => {
                self.mapping = Some(mapping);
                self.used_rows.push(rows);
                self.record(Stage::Map, result);
            }
        }
    }

    /// Records a failure. That of a later stage wins, because it concerns earlier rows of the file.
    fn record(&mut self, stage: Stage, result: Result<(), impl Into<ReadError>>) {
        if let Err(error) = result
            && self.failed.as_ref().is_none_or(|(failed, _)| stage > *failed)
        {
            self.failed = Some((stage, error.into()));
        }
    }
}

impl<'a> Task<'a> {
    fn run(self) -> TaskResult<'a> {
        match self {
            Self::Read(source, mut block) => {
                block.resize(BLOCK_BYTES, 0);
                let (n_read, result) = fill(source.bytes, &mut block);
                block.truncate(n_read);
                // Only the last block is not full.
                TaskResult::Read((n_read == BLOCK_BYTES).then_some(source), block, result)
            }
            Self::Decode(mut decoding, block, mut rows) => {
                decoding.spare.append(&mut rows.batches);
                let result = decoding.decode(&block, &mut rows.batches);
                if rows.header.is_empty() {
                    rows.header = decoding.row_reader.header().to_vec();
                }
                TaskResult::Decoded(decoding, block, rows, result)
            }
            Self::Map(apply, rows) => {
                let Rows { header, batches } = &rows;
                let result = batches.iter().try_for_each(|batch| apply(header, batch));
                TaskResult::Mapped(apply, rows, result)
            }
        }
    }
}

impl DecodeStage<'_> {
    /// Appends the full batches that end in a block.
    fn decode(&mut self, mut block: &[u8], batches: &mut Vec<Batch>) -> Result<(), IngestError> {
        while !block.is_empty() {
            let n_decoded = self.row_reader.decode(block)?;
            block = &block[n_decoded..];
            if self.row_reader.is_full() {
                batches.push(self.row_reader.take_batch());
                if let Some(batch) = self.spare.pop() {
                    self.row_reader.recycle(batch);
                }
            }
        }
        Ok(())
    }
}

/// Reads until the bytes end or the block is full. Returns the number of bytes read, and the error
/// that ended the reading.
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
