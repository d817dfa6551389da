//! Reading a file in three stages: its bytes, which mostly means to decompress them, batches of rows of
//! those, protected, and what becomes of the rows.
//!
//! Up to three threads share the stages, no more than there are processors: each takes what can be done
//! next, what is nearest to the end of the file's way first. So none waits while anything can be done,
//! whichever stage takes longest; what one has made is mostly used by the same one, while it is in the
//! nearest cache; and hardly ever is one to be woken up, which takes as long as to decode a hundred rows.

use std::any::Any;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::num::NonZero;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::account::IngestError;
use super::intake::Intake;
use crate::batch::Batch;

/// How many bytes a stage takes at once, or the rows that end in them.
const BLOCK_BYTES: usize = 256 * 1024;

/// How many blocks may wait for the next stage, and how many times the rows of one. They even out what
/// takes longer; more would leave the processor's cache before their turn.
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

/// The stages, in the order of a file's way through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Bytes,
    Rows,
    Mapping,
}

/// The first stage.
struct Source<'a> {
    bytes: &'a mut (dyn Read + Send),
}

/// The second stage.
struct Decoding<'a> {
    intake: &'a mut Intake,
    /// For their memory.
    spare: Vec<Batch>,
}

/// The last stage.
type Apply<'a> = &'a mut (dyn FnMut(&[String], &Batch) -> Result<(), IngestError> + Send);

/// The rows that end in a block.
#[derive(Default)]
struct Rows {
    header: Vec<String>,
    batches: Vec<Batch>,
}

/// A file on its way.
struct Way<'a> {
    state: Mutex<State<'a>>,
    /// There is something to do for one who waits, or nothing will be.
    changed: Condvar,
}

/// The stages, and what lies between them.
struct State<'a> {
    /// Nothing while somebody is at it, or if the bytes have ended.
    source: Option<Source<'a>>,
    /// Nothing while somebody is at it.
    decoding: Option<Decoding<'a>>,
    /// As above.
    mapping: Option<Apply<'a>>,
    blocks: VecDeque<Vec<u8>>,
    rows: VecDeque<Rows>,
    /// What was used, for its memory.
    used_blocks: Vec<Vec<u8>>,
    used_rows: Vec<Rows>,
    n_bytes: u64,
    n_working: usize,
    n_waiting: usize,
    /// What has failed last on the way, after which only later stages go on.
    failed: Option<(Stage, ReadError)>,
    /// What a thread has panicked with.
    defect: Option<Box<dyn Any + Send>>,
}

/// Something to be done at a stage, with what it needs.
enum Task<'a> {
    Read(Source<'a>, Vec<u8>),
    Decode(Decoding<'a>, Vec<u8>, Rows),
    Map(Apply<'a>, Rows),
}

/// What was done.
enum Done<'a> {
    Read(Option<Source<'a>>, Vec<u8>, io::Result<()>),
    Decoded(Decoding<'a>, Vec<u8>, Rows, Result<(), IngestError>),
    Mapped(Apply<'a>, Rows, Result<(), IngestError>),
}

/// Gives all full batches of a file to `apply`, with the header, and returns how many bytes were read.
/// What is left in the intake is the last batch.
pub(super) fn read(
    intake: &mut Intake,
    bytes: &mut (dyn Read + Send),
    mut apply: impl FnMut(&[String], &Batch) -> Result<(), IngestError> + Send,
) -> Result<u64, ReadError> {
    let way = Way::new(Source { bytes }, Decoding { intake, spare: Vec::new() }, &mut apply);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let others = threads.min(Stage::Mapping as usize + 1) - 1;
    thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| way.work());
        }
        way.work();
    });
    way.end()
}

impl<'a> Way<'a> {
    fn new(source: Source<'a>, decoding: Decoding<'a>, mapping: Apply<'a>) -> Self {
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
            defect: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Does what can be done until nothing is left.
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
            let done = panic::catch_unwind(AssertUnwindSafe(|| task.run()));
            state = self.lock();
            state.n_working -= 1;
            match done {
                Ok(done) => state.put_back(done),
                Err(defect) => state.defect = Some(defect),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(self) -> Result<u64, ReadError> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(defect) = state.defect {
            panic::resume_unwind(defect);
        }
        state.failed.map_or(Ok(state.n_bytes), |(_, error)| Err(error))
    }
}

impl<'a> State<'a> {
    /// The last stage at which something can be done.
    fn next_stage(&self) -> Option<Stage> {
        let may_go_on = |stage| self.failed.as_ref().is_none_or(|(failed, _)| stage > *failed);
        let can_map = self.mapping.is_some() && !self.rows.is_empty();
        let can_decode =
            self.decoding.is_some() && !self.blocks.is_empty() && self.rows.len() < WAITING_BLOCKS;
        let can_read = self.source.is_some() && self.blocks.len() < WAITING_BLOCKS;
        let stages =
            [(Stage::Mapping, can_map), (Stage::Rows, can_decode), (Stage::Bytes, can_read)];
        let mut possible = stages.into_iter().filter(|(stage, can)| *can && may_go_on(*stage));
        let (stage, _) = possible.next()?;
        self.defect.is_none().then_some(stage)
    }

    fn next_task(&mut self) -> Option<Task<'a>> {
        match self.next_stage()? {
            Stage::Mapping => Some(Task::Map(self.mapping.take()?, self.rows.pop_front()?)),
            Stage::Rows => {
                let rows = self.used_rows.pop().unwrap_or_default();
                Some(Task::Decode(self.decoding.take()?, self.blocks.pop_front()?, rows))
            }
            Stage::Bytes => {
                let block = self.used_blocks.pop().unwrap_or_default();
                Some(Task::Read(self.source.take()?, block))
            }
        }
    }

    fn put_back(&mut self, done: Done<'a>) {
        match done {
            Done::Read(source, block, result) => {
                self.n_bytes += block.len() as u64;
                self.source = source;
                // What came before a failure may be refused for something else.
                self.blocks.push_back(block);
                self.note(Stage::Bytes, result);
            }
            Done::Decoded(decoding, block, rows, result) => {
                self.decoding = Some(decoding);
                self.used_blocks.push(block);
                // As above.
                self.rows.push_back(rows);
                self.note(Stage::Rows, result);
            }
            Done::Mapped(mapping, rows, result) => {
                self.mapping = Some(mapping);
                self.used_rows.push(rows);
                self.note(Stage::Mapping, result);
            }
        }
    }

    /// Who is further behind in the file comes first.
    fn note(&mut self, stage: Stage, result: Result<(), impl Into<ReadError>>) {
        if let Err(error) = result
            && self.failed.as_ref().is_none_or(|(failed, _)| stage > *failed)
        {
            self.failed = Some((stage, error.into()));
        }
    }
}

impl<'a> Task<'a> {
    fn run(self) -> Done<'a> {
        match self {
            Self::Read(source, mut block) => {
                block.resize(BLOCK_BYTES, 0);
                let (n_read, result) = fill(source.bytes, &mut block);
                block.truncate(n_read);
                // Only the last one is not full.
                Done::Read((n_read == BLOCK_BYTES).then_some(source), block, result)
            }
            Self::Decode(mut decoding, block, mut rows) => {
                decoding.spare.append(&mut rows.batches);
                let result = decoding.decode(&block, &mut rows.batches);
                if rows.header.is_empty() {
                    rows.header = decoding.intake.header().to_vec();
                }
                Done::Decoded(decoding, block, rows, result)
            }
            Self::Map(apply, rows) => {
                let Rows { header, batches } = &rows;
                let result = batches.iter().try_for_each(|batch| apply(header, batch));
                Done::Mapped(apply, rows, result)
            }
        }
    }
}

impl Decoding<'_> {
    /// Appends the full batches that end in a block.
    fn decode(&mut self, mut block: &[u8], batches: &mut Vec<Batch>) -> Result<(), IngestError> {
        while !block.is_empty() {
            let n_decoded = self.intake.decode(block)?;
            block = &block[n_decoded..];
            if self.intake.is_full() {
                batches.push(self.intake.take_batch());
                if let Some(batch) = self.spare.pop() {
                    self.intake.recycle(batch);
                }
            }
        }
        Ok(())
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
