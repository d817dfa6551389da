//! Runs each query in a separate process: SQL may allocate, recurse or compute without an end, and only a process can
//! be limited and ended from outside. There is no pool of processes: a start costs about 0.1 seconds, and nothing of
//! one query is left for the next.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::Explorer;
use crate::access::Role;
use crate::erasure_watch::ErasureWatch;
use crate::error::ApiError;
use crate::host::Host;

/// The pieces in which an answer is handed on. Bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// The number of pieces that wait for a slow reader.
pub(crate) const PIECES: usize = 8;

/// The most answers that wait for their clients to read on. Each has a process.
pub(crate) const MAX_SLOW: usize = 32;

/// The number of times as long as a query that a client may take to read the answer.
const SLOW_READER: u32 = 10;

/// The longest first line of an answer.
const MAX_HEAD_BYTES: u64 = 64 * 1024;

/// The longest request. Bytes.
const MAX_REQUEST_BYTES: u64 = 1024 * 1024;

/// A query, as the process that answers it reads it: one JSON object, the whole of its standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerRequest {
    /// The tenant.
    pub tenant: String,
    /// SQL or J1QL, or a saved question.
    pub query: Asked,
    /// The values of the parameters of a question or of a J1QL query.
    pub parameters: BTreeMap<String, String>,
    /// The generation: an ID, a day or `previous`; none for the published one.
    pub as_of: Option<String>,
    /// The older generation that `diff_entities` and `diff_relationships` compare with, if they are asked.
    pub compare_with: Option<String>,
    /// The form of the answer.
    pub format: AnswerFormat,
    /// Who asks, for the ledger.
    pub user: String,
    /// Their rights.
    pub role: Role,
}

impl WorkerRequest {
    /// Reads a request, in the process that answers it.
    ///
    /// # Errors
    /// It cannot be read, or is no request.
    pub fn read(input: impl io::Read) -> io::Result<Self> {
        let mut text = String::new();
        input.take(MAX_REQUEST_BYTES).read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// The request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// A query in SQL or J1QL.
    Query(String),
    /// A saved question by its name.
    Question(String),
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerFormat {
    /// The first rows and the number of all, as one JSON object.
    Json {
        /// The greatest number of rows.
        limit: usize,
    },
    /// All rows as CSV.
    Csv,
}

/// The first line of the process's answer; the body follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerHead {
    /// True if the body is an answer; otherwise the body is an error.
    pub ok: bool,
}

/// The answer of a process: its body comes in pieces.
pub(crate) struct WorkerAnswer {
    pub(crate) pieces: mpsc::Receiver<io::Result<Bytes>>,
    process: Process,
    pub(crate) erasures: ErasureWatch,
    timeout: Duration,
    /// The time for which the process may still be waited for: the client's own time does not count.
    left: Duration,
    /// The end of the time that the client has.
    ends: Instant,
}

/// A process, which is killed when its answer is no longer wanted.
struct Process {
    child: Child,
    /// The place among the queries that are answered at once, or, once the client was waited for, among the answers that
    /// wait for their clients.
    place: OwnedSemaphorePermit,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl WorkerAnswer {
    /// Returns the next piece of the body; none at its end.
    ///
    /// # Errors
    /// The process was ended by its limits, or someone was erased, so that the body is not whole.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let asked = Instant::now();
        let deadline = self.ends.min(asked + self.left);
        let piece = tokio::select! {
            biased;
            () = self.erasures.erased() => return Err(erased()),
            piece = tokio::time::timeout_at(deadline, self.pieces.recv()) => piece,
        };
        self.left = self.left.saturating_sub(asked.elapsed());
        match piece {
            Err(_) => Err(timed_out(self.timeout)),
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(error))) => Err(ApiError::internal(&error)),
            Ok(None) => self.check_end().map(|()| None),
        }
    }

    /// Hands on all pieces, and nothing after the last one. A failure cuts the answer off: the receiver then gets no
    /// end, so that no one takes a part for the whole.
    pub(crate) async fn send(mut self, client: mpsc::Sender<Option<Bytes>>, slow: Arc<Semaphore>) {
        let sent = tokio::select! {
            () = client.closed() => Ok(()),
            sent = self.send_pieces(&client, &slow) => sent,
        };
        if let Err(error) = sent {
            tracing::warn!(reason = error.message(), "an answer in CSV was cut off");
        }
    }

    async fn send_pieces(
        &mut self,
        client: &mpsc::Sender<Option<Bytes>>,
        slow: &Arc<Semaphore>,
    ) -> Result<(), ApiError> {
        let mut is_slow = false;
        loop {
            let piece = self.next().await?;
            let is_last = piece.is_none();
            match client.try_send(piece) {
                Err(TrySendError::Full(piece)) => {
                    if !is_slow {
                        is_slow = true;
                        self.give_way(slow);
                    }
                    tokio::select! {
                        biased;
                        () = self.erasures.erased() => return Err(erased()),
                        // Without a receiver, the client has gone.
                        _ = client.send(piece) => {}
                    }
                }
                Err(TrySendError::Closed(_)) => return Ok(()),
                Ok(()) => {}
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Gives the place of a query to another one, since this one is held up by its client: as many slow clients as there
    /// are places would stop the queries of all others. If too many are slow, it keeps the place, so that the number of
    /// processes stays limited.
    fn give_way(&mut self, slow: &Arc<Semaphore>) {
        if let Ok(place) = Arc::clone(slow).try_acquire_owned() {
            drop(std::mem::replace(&mut self.process.place, place));
        }
    }

    /// The pipe is closed, so that the process has ended or is about to.
    fn check_end(&mut self) -> Result<(), ApiError> {
        let status = self.process.child.wait().map_err(|error| ApiError::internal(&error))?;
        if status.success() { Ok(()) } else { Err(out_of_memory()) }
    }
}

/// Has a query answered by a process.
///
/// # Errors
/// The query was refused, failed, or was ended by its limits before its first row.
pub(crate) async fn ask(
    explorer: &Explorer,
    request: WorkerRequest,
) -> Result<WorkerAnswer, ApiError> {
    let timeout = explorer.settings.query_timeout;
    let deadline = Instant::now() + timeout;
    let permit = tokio::time::timeout_at(deadline, Arc::clone(&explorer.queries).acquire_owned());
    let permit = permit.await.map_err(|_| {
        let message = "too many other queries are being answered; try again later";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    })?;
    let permit = permit.map_err(|error| ApiError::internal(&error))?;
    // Before the process opens the generation, so that no erasure is missed.
    let erasures = super::api::blocking(|| {
        let watch = ErasureWatch::start(explorer.tenant(&request.tenant)?)?;
        Ok(watch)
    });
    let erasures = erasures.await?;
    let host = Arc::clone(&explorer.host);
    let (sender, pieces) = mpsc::channel(PIECES);
    let (started, starting) = oneshot::channel();
    // The system ends a process with the thread that has started it. So this thread also reads the answer: one that
    // were given back to the runtime would be ended after some idle seconds, and the process with it.
    tokio::task::spawn_blocking(move || match start(host.as_ref(), permit, &request) {
        Ok((process, output)) => {
            // Without a receiver, the client has gone, and `process` with it.
            if started.send(Ok(process)).is_ok() {
                forward(output, &sender);
            }
        }
        Err(error) => drop(started.send(Err(error))),
    });
    let started = starting.await.map_err(|error| ApiError::internal(&error))?;
    let process = started.map_err(|error| ApiError::internal(&error))?;
    let now = Instant::now();
    let (left, ends) = (deadline.saturating_duration_since(now), now + timeout * SLOW_READER);
    let mut answer = WorkerAnswer { pieces, process, erasures, timeout, left, ends };
    let Some(head) = answer.next().await? else { return Err(out_of_memory()) };
    let head: AnswerHead =
        serde_json::from_slice(&head).map_err(|error| ApiError::internal(&error))?;
    if head.ok {
        return Ok(answer);
    }
    let mut message = Vec::new();
    while let Some(piece) = answer.next().await? {
        message.extend_from_slice(&piece);
    }
    let message = String::from_utf8_lossy(&message).trim_end().to_owned();
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "query", message))
}

/// Starts a process and gives it the request; returns its output too.
fn start(
    host: &dyn Host,
    permit: OwnedSemaphorePermit,
    request: &WorkerRequest,
) -> io::Result<(Process, ChildStdout)> {
    let mut process = Process { child: host.start_worker()?, place: permit };
    let output = process.child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut input = process.child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    input.write_all(&serde_json::to_vec(request)?)?;
    Ok((process, output))
}

/// Hands on the first line as one piece, then the rest. It ends with the process, or when the reader goes away.
fn forward(output: ChildStdout, sender: &mpsc::Sender<io::Result<Bytes>>) {
    let mut output = BufReader::with_capacity(PIECE_BYTES, output);
    let mut head = Vec::new();
    if let Err(error) = output.by_ref().take(MAX_HEAD_BYTES).read_until(b'\n', &mut head) {
        let _ = sender.blocking_send(Err(error));
        return;
    }
    if head.is_empty() || sender.blocking_send(Ok(head.into())).is_err() {
        return;
    }
    loop {
        let piece = match output.fill_buf() {
            Ok([]) => return,
            Ok(piece) => Ok(Bytes::copy_from_slice(piece)),
            Err(error) => Err(error),
        };
        let length = piece.as_ref().map_or(0, Bytes::len);
        output.consume(length);
        if sender.blocking_send(piece).is_err() || length == 0 {
            return;
        }
    }
}

fn timed_out(timeout: Duration) -> ApiError {
    let limit = format!("{} seconds", timeout.as_secs());
    let message = core_query::out_of_time(limit, "start `serve` with a longer --timeout");
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "timeout", message)
}

fn erased() -> ApiError {
    let message = "people or devices were erased since this answer began: ask again";
    ApiError::new(StatusCode::CONFLICT, "erased", message)
}

/// A failed allocation and a stack overflow abort a process.
fn out_of_memory() -> ApiError {
    let message = core_query::out_of_memory("start `serve` with a higher --memory-limit");
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "memory", message)
}
