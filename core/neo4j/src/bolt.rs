//! The part of the Bolt protocol that a delivery needs: versions, login, statements and their answers, over any stream
//! of bytes. Versions 4.4 and 5.0 to 5.4, which every Neo4j since 4.4 speaks.

use std::io;

use core_http::Secret;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::packstream::{Malformed, Reader, TimeForm, write, write_structure};
use crate::value::{Value, map};

/// The beginning of every connection, with the versions that are offered, the best first: each as a gap that says how
/// many minor versions below are fine too, the minor and the major version.
const HANDSHAKE: [u8; 20] =
    [0x60, 0x60, 0xb0, 0x17, 0, 4, 4, 5, 0, 0, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0];

/// The longest answer. Those to statements of ours have at most some thousand keys.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

const HELLO: u8 = 0x01;
const GOODBYE: u8 = 0x02;
const LOGON: u8 = 0x6a;
const RUN: u8 = 0x10;
const PULL: u8 = 0x3f;
const RESET: u8 = 0x0f;
const SUCCESS: u8 = 0x70;
const RECORD: u8 = 0x71;
const IGNORED: u8 = 0x7e;
const FAILURE: u8 = 0x7f;

/// A failure of a connection.
#[derive(Debug)]
pub(crate) enum BoltError {
    /// The connection broke.
    Io(io::Error),
    /// The server speaks none of the versions, or another protocol.
    Version,
    /// The server sent something else than an answer.
    Protocol,
    /// The server refused.
    Failure {
        /// Its code, such as `Neo.ClientError.Security.Unauthorized`.
        code: String,
        /// Its message, which may show a cell.
        message: String,
    },
}

impl From<io::Error> for BoltError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Malformed> for BoltError {
    fn from(_: Malformed) -> Self {
        Self::Protocol
    }
}

/// The rows of an answer.
pub(crate) type Rows = Vec<Vec<Value>>;

/// An answer of the server.
enum Answer {
    Success,
    Record(Vec<Value>),
    Ignored,
    Failure { code: String, message: String },
}

/// The version of the protocol that both sides speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    major: u8,
    minor: u8,
}

impl Version {
    fn time_form(self) -> TimeForm {
        if self.major >= 5 { TimeForm::Utc } else { TimeForm::Local }
    }

    /// Returns true if the login is a message of its own.
    fn has_logon(self) -> bool {
        (self.major, self.minor) >= (5, 1)
    }
}

/// A connection that has logged in.
pub(crate) struct Bolt<S> {
    stream: S,
    version: Version,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Bolt<S> {
    /// Agrees on a version and logs in; a server without authentication needs no password.
    pub(crate) async fn open(
        mut stream: S,
        user: &str,
        password: Option<&Secret>,
    ) -> Result<Self, BoltError> {
        stream.write_all(&HANDSHAKE).await?;
        stream.flush().await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        let version = match answer {
            [0, 0, minor @ 0..=4, 5] => Version { major: 5, minor },
            [0, 0, 4, 4] => Version { major: 4, minor: 4 },
            _ => return Err(BoltError::Version),
        };
        let mut bolt = Self { stream, version };
        bolt.log_in(user, password).await?;
        Ok(bolt)
    }

    async fn log_in(&mut self, user: &str, password: Option<&Secret>) -> Result<(), BoltError> {
        let agent = || Value::from(concat!("nexthink-graph/", env!("CARGO_PKG_VERSION")));
        let credentials = || match password {
            None => vec![("scheme", Value::from("none"))],
            Some(password) => vec![
                ("scheme", Value::from("basic")),
                ("principal", Value::from(user)),
                ("credentials", Value::from(password.expose())),
            ],
        };
        let fields = |fields: Vec<(&str, Value)>| {
            Value::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
        };
        let mut hello = vec![("user_agent", agent()), ("bolt_agent", map([("product", agent())]))];
        if !self.version.has_logon() {
            hello.extend(credentials());
        }
        self.send(HELLO, &[fields(hello)]).await?;
        self.expect_success().await?;
        if self.version.has_logon() {
            self.send(LOGON, &[fields(credentials())]).await?;
            self.expect_success().await?;
        }
        Ok(())
    }

    /// Runs a statement in a transaction of its own; returns its rows.
    pub(crate) async fn run(
        &mut self,
        database: &str,
        text: &str,
        parameters: Value,
    ) -> Result<Rows, BoltError> {
        let extra = map([("db", Value::from(database))]);
        self.send(RUN, &[Value::from(text), parameters, extra]).await?;
        self.send(PULL, &[map([("n", Value::Integer(-1))])]).await?;
        if let Err(failure) = self.expect_success().await {
            // The answer to PULL is that it was ignored; then the connection is used again.
            self.receive().await?;
            self.reset().await?;
            return Err(failure);
        }
        let mut rows = Vec::new();
        loop {
            match self.receive().await? {
                Answer::Record(row) => rows.push(row),
                Answer::Success => return Ok(rows),
                Answer::Ignored => return Err(BoltError::Protocol),
                Answer::Failure { code, message } => {
                    self.reset().await?;
                    return Err(BoltError::Failure { code, message });
                }
            }
        }
    }

    async fn reset(&mut self) -> Result<(), BoltError> {
        self.send(RESET, &[]).await?;
        self.expect_success().await
    }

    /// Says good-bye.
    pub(crate) async fn close(mut self) -> Result<(), BoltError> {
        self.send(GOODBYE, &[]).await?;
        Ok(self.stream.shutdown().await?)
    }

    async fn expect_success(&mut self) -> Result<(), BoltError> {
        match self.receive().await? {
            Answer::Success => Ok(()),
            Answer::Failure { code, message } => Err(BoltError::Failure { code, message }),
            Answer::Record(_) | Answer::Ignored => Err(BoltError::Protocol),
        }
    }

    /// Sends a message, in chunks with their length before them.
    async fn send(&mut self, tag: u8, fields: &[Value]) -> Result<(), BoltError> {
        let mut bytes = Vec::new();
        let count = u8::try_from(fields.len()).expect("a message has at most three fields");
        write_structure(tag, count, &mut bytes);
        for field in fields {
            write(field, self.version.time_form(), &mut bytes);
        }
        for chunk in bytes.chunks(usize::from(u16::MAX)) {
            let length = u16::try_from(chunk.len()).expect("a chunk is no longer");
            self.stream.write_all(&length.to_be_bytes()).await?;
            self.stream.write_all(chunk).await?;
        }
        self.stream.write_all(&[0, 0]).await?;
        Ok(self.stream.flush().await?)
    }

    async fn receive(&mut self) -> Result<Answer, BoltError> {
        let bytes = self.receive_bytes().await?;
        let mut reader = Reader::new(&bytes);
        let (tag, fields) = reader.structure()?;
        let content = if fields == 0 { Value::Null } else { reader.value()? };
        match (tag, content) {
            (SUCCESS, _) => Ok(Answer::Success),
            (RECORD, Value::List(row)) => Ok(Answer::Record(row)),
            (IGNORED, _) => Ok(Answer::Ignored),
            (FAILURE, content) => {
                let text = |name| content.field(name).and_then(Value::as_text).unwrap_or("");
                let (code, message) = (text("code").to_owned(), text("message").to_owned());
                Ok(Answer::Failure { code, message })
            }
            _ => Err(BoltError::Protocol),
        }
    }

    /// Receives the chunks of a message. Empty chunks between two messages keep a connection open.
    async fn receive_bytes(&mut self) -> Result<Vec<u8>, BoltError> {
        let mut bytes = Vec::new();
        loop {
            let length = usize::from(self.stream.read_u16().await?);
            if length == 0 {
                if bytes.is_empty() {
                    continue;
                }
                return Ok(bytes);
            }
            let start = bytes.len();
            if start + length > LONGEST_ANSWER {
                return Err(BoltError::Protocol);
            }
            bytes.resize(start + length, 0);
            self.stream.read_exact(&mut bytes[start..]).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// A server that answers the handshake and then, message by message, what it is told; it returns what it got.
    async fn serve(mut stream: DuplexStream, version: [u8; 4], answers: Vec<Vec<u8>>) -> Vec<u8> {
        let mut handshake = [0; 20];
        stream.read_exact(&mut handshake).await.expect("it begins with the handshake");
        assert_eq!(handshake, HANDSHAKE);
        stream.write_all(&version).await.expect("the client listens");
        for answer in answers {
            // One that has hung up needs no answer.
            let _ = stream.write_all(&answer).await;
        }
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.expect("the client ends the connection");
        received
    }

    /// A message in chunks of at most so many bytes.
    fn message(tag: u8, fields: &[Value], chunk: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_structure(tag, u8::try_from(fields.len()).expect("few"), &mut bytes);
        for field in fields {
            write(field, TimeForm::Utc, &mut bytes);
        }
        let mut framed = Vec::new();
        for chunk in bytes.chunks(chunk) {
            framed.extend(u16::try_from(chunk.len()).expect("few").to_be_bytes());
            framed.extend(chunk);
        }
        framed.extend([0, 0]);
        framed
    }

    fn success() -> Vec<u8> {
        message(SUCCESS, &[map([])], 100)
    }

    fn failure(code: &str) -> Vec<u8> {
        let told = [("code", Value::from(code)), ("message", Value::from("it says"))];
        message(FAILURE, &[map(told)], 100)
    }

    fn record(number: i64, chunk: usize) -> Vec<u8> {
        message(RECORD, &[Value::List(vec![Value::Integer(number), Value::from("text")])], chunk)
    }

    /// Opens a connection and runs a statement; returns its rows, and what the server got.
    async fn talk(version: [u8; 4], answers: Vec<Vec<u8>>) -> (Result<Rows, BoltError>, Vec<u8>) {
        let (ours, theirs) = duplex(1 << 20);
        let server = tokio::spawn(serve(theirs, version, answers));
        let password = Secret::new("a-password".to_owned());
        let rows = match Bolt::open(ours, "writer", Some(&password)).await {
            Err(error) => Err(error),
            Ok(mut bolt) => {
                let text = "x".repeat(70_000);
                let rows = bolt.run("graph", &text, map([("a", Value::Integer(1))])).await;
                let _ = bolt.close().await;
                rows
            }
        };
        (rows, server.await.expect("the server does not panic"))
    }

    fn holds(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[tokio::test]
    async fn rows_are_received_whatever_their_chunks_and_keep_alive_bytes_are() {
        let keep_alive = vec![0, 0, 0, 0];
        let answers = vec![
            success(),
            success(),
            success(),
            keep_alive,
            record(1, 1),
            record(2, 3),
            success(),
        ];
        let (rows, received) = talk([0, 0, 4, 5], answers).await;
        let rows = rows.expect("it succeeds");
        let numbers: Vec<_> = rows.iter().filter_map(|row| row[0].as_integer()).collect();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(rows[1][1].as_text(), Some("text"));
        assert!(holds(&received, "credentials") && holds(&received, "graph"));
    }

    #[tokio::test]
    async fn an_older_server_gets_the_login_with_the_greeting() {
        let answers = vec![success(), success(), success()];
        let (rows, received) = talk([0, 0, 4, 4], answers).await;
        assert!(rows.expect("it succeeds").is_empty());
        let logons = received.windows(2).filter(|window| *window == [0xb1, LOGON]).count();
        assert!(holds(&received, "a-password") && logons == 0);
    }

    #[tokio::test]
    async fn a_server_of_another_version_or_protocol_is_refused() {
        for version in [[0; 4], *b"HTTP", [0, 0, 3, 4], [0, 0, 9, 5]] {
            let (rows, _) = talk(version, Vec::new()).await;
            assert!(matches!(rows, Err(BoltError::Version)), "{version:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_login_and_a_refused_statement_have_their_code() {
        let code_of = |rows: Result<Rows, BoltError>| match rows {
            Err(BoltError::Failure { code, .. }) => code,
            other => panic!("unexpected: {other:?}"),
        };
        let (rows, _) = talk([0, 0, 4, 5], vec![success(), failure("no-login")]).await;
        assert_eq!(code_of(rows), "no-login");
        let ignored = message(IGNORED, &[], 100);
        let answers = vec![success(), success(), failure("no-statement"), ignored, success()];
        let (rows, received) = talk([0, 0, 4, 5], answers).await;
        assert_eq!(code_of(rows), "no-statement");
        assert!(received.windows(2).any(|window| window == [0xb0, RESET]));
        let answers =
            vec![success(), success(), success(), record(1, 9), failure("late"), success()];
        assert_eq!(code_of(talk([0, 0, 4, 5], answers).await.0), "late");
    }

    #[tokio::test]
    async fn something_else_than_an_answer_is_an_error_and_no_panic() {
        let odd = [
            message(0x33, &[map([])], 100),
            message(RECORD, &[Value::Null], 100),
            vec![0, 1, 0xc7, 0, 0],
            message(IGNORED, &[], 100),
        ];
        for odd in odd {
            let (rows, _) = talk([0, 0, 4, 5], vec![success(), success(), success(), odd]).await;
            assert!(matches!(rows, Err(BoltError::Protocol)), "{rows:?}");
        }
    }
}
