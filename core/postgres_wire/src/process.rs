//! The process that answers the queries of a session: SQL may allocate, recurse or compute without an end, and only a
//! process can be limited and ended from outside. It stays for the next query, since a start costs a tenth of a second.

use std::io::{self, Read as _};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::thread;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use crate::request::{Hello, Request, write};
use crate::server::Wire;

/// The size of the pieces in which an answer is read. Bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// The number of pieces that wait for a slow reader.
const PIECES: usize = 4;

/// A running process, which is killed when it is no longer wanted.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    pieces: mpsc::Receiver<Bytes>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts a process for a session.
    pub(crate) async fn start(wire: Arc<Wire>, hello: Hello) -> io::Result<Self> {
        let (sender, pieces) = mpsc::channel(PIECES);
        let (started, starting) = oneshot::channel();
        // The system ends a worker with the thread that has started it, so this thread lives as long as the worker.
        thread::Builder::new().name("postgres worker".to_owned()).spawn(move || {
            let start = || {
                let mut child = wire.start_worker()?;
                let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
                let mut input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
                write(&mut input, &hello)?;
                io::Result::Ok((child, input, output))
            };
            match start() {
                Ok((child, input, output)) => {
                    // Without a receiver, the session has ended meanwhile, and `child` with it.
                    if started.send(Ok((child, input))).is_ok() {
                        forward(output, &sender);
                    }
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        })?;
        let (child, input) = starting.await.map_err(io::Error::other)??;
        Ok(Self { child, input: Some(input), pieces })
    }

    /// Sends a request.
    pub(crate) async fn ask(&mut self, request: Request) -> io::Result<()> {
        let mut input = self.input.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let written = tokio::task::spawn_blocking(move || {
            write(&mut input, &request)?;
            io::Result::Ok(input)
        });
        self.input = Some(written.await.map_err(io::Error::other)??);
        Ok(())
    }

    /// Returns the next whole messages; none if the process has ended.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        self.pieces.recv().await
    }
}

/// Hands on messages as they come, each whole. It ends with the process, or when the session goes away.
fn forward(mut output: ChildStdout, sender: &mpsc::Sender<Bytes>) {
    let mut buffer = BytesMut::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let Ok(read) = output.read(&mut piece) else { return };
        if read == 0 {
            return;
        }
        buffer.extend_from_slice(&piece[..read]);
        let whole = whole_messages(&buffer);
        if whole > 0 && sender.blocking_send(buffer.split_to(whole).freeze()).is_err() {
            return;
        }
    }
}

/// Returns the length of the whole messages at the start of a buffer.
fn whole_messages(buffer: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = length(&buffer[end..]) {
        if end + length > buffer.len() {
            break;
        }
        end += length;
    }
    end
}

/// Returns the length of the message at the start of a buffer, with its kind.
fn length(buffer: &[u8]) -> Option<usize> {
    let length = buffer.get(1..5)?;
    let length = <[u8; 4]>::try_from(length).map(u32::from_be_bytes).ok()?;
    usize::try_from(length).ok()?.checked_add(1)
}

/// Takes the first message of some whole ones: its kind and all its bytes.
pub(crate) fn take(messages: &mut Bytes) -> Option<(u8, Bytes)> {
    let length = length(messages).filter(|length| (5..=messages.len()).contains(length))?;
    let message = messages.split_to(length);
    Some((message[0], message))
}

/// Returns the content of a message.
pub(crate) fn body(mut message: Bytes) -> Bytes {
    message.advance(5.min(message.len()));
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend;

    #[test]
    fn messages_are_handed_on_whole() {
        let mut messages = BytesMut::new();
        backend::complete(&mut messages, "SELECT 1");
        let first = messages.len();
        backend::bare(&mut messages, b'z');
        for end in 0..messages.len() {
            let expected = if end < first { 0 } else { first };
            assert_eq!(whole_messages(&messages[..end]), expected, "{end}");
        }
        assert_eq!(whole_messages(&messages), messages.len());
        let mut messages = messages.freeze();
        let (kind, message) = take(&mut messages).expect("it is whole");
        assert_eq!((kind, &body(message)[..]), (b'C', &b"SELECT 1\0"[..]));
        assert_eq!(take(&mut messages).map(|(kind, _)| kind), Some(b'z'));
        assert_eq!(take(&mut messages), None);
    }
}
