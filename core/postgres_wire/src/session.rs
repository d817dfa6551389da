//! A session: statements, prepared ones and cursors, one after the other, and the transaction that they are in.
//!
//! A transaction reads one generation, the one that is published when its first query begins. The session holds
//! everything that a client has prepared, so that a query which is canceled or takes too much costs its process alone.

mod answer;
mod extended;
mod portal;
mod utility;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use self::extended::Statement;
use self::portal::Portal;
use crate::backend::{self, Severity};
use crate::command::{Command, Text, split};
use crate::connection::{Connection, End};
use crate::error::{WireError, state};
use crate::frontend::{Message, Target};
use crate::process::Process;
use crate::request::Hello;
use crate::server::{Place, Wire};
use crate::settings::Settings;

/// The time for which a process without a query is kept.
const KEPT: Duration = Duration::from_secs(30);

/// The time for which a cursor that is not at its end is kept without being read. It holds a process.
const CURSOR_KEPT: Duration = Duration::from_mins(10);

/// The time after which a session without a message ends.
const IDLE: Duration = Duration::from_hours(12);

/// The most prepared statements of a session, and the most cursors.
const MAX_PREPARED: usize = 1_000;

/// The longest text of statements: what `core/query` takes. The words of a text take a hundred times its length.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// The most bytes of prepared statements, cursors and their values that a session holds.
const MAX_HELD_BYTES: usize = 32 * 1024 * 1024;

/// The reason why a statement is not done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An error, which ends the statement.
    Error(WireError),
    /// The same, as the process of the query has written it.
    Written(Bytes),
    /// The end of the connection.
    End(End),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Error(error)
    }
}

impl From<End> for Stop {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

/// The transaction of a session.
#[derive(Debug, Default)]
struct Transaction {
    /// True between `begin` and its end.
    is_open: bool,
    /// True after an error in it.
    has_failed: bool,
    /// The generation that it reads, once it has read.
    generation: Option<String>,
    /// The settings that the session has at its end; none outside of a transaction.
    settings: Option<SavedSettings>,
}

/// The settings that a session has after a transaction.
#[derive(Debug)]
struct SavedSettings {
    /// If it is committed: without those of the transaction alone.
    committed: Settings,
    /// If it is rolled back: those at its start.
    rolled_back: Settings,
}

impl Transaction {
    /// Begins, unless one has begun before.
    fn begin(&mut self, settings: &Settings) {
        self.is_open = true;
        self.settings.get_or_insert_with(|| SavedSettings {
            committed: settings.clone(),
            rolled_back: settings.clone(),
        });
    }

    fn status(&self) -> u8 {
        match (self.is_open, self.has_failed) {
            (false, _) => b'I',
            (true, false) => b'T',
            (true, true) => b'E',
        }
    }
}

/// A session of a client that has logged in.
pub(crate) struct Session {
    wire: Arc<Wire>,
    connection: Connection,
    place: Place,
    hello: Hello,
    settings: Settings,
    transaction: Transaction,
    statements: HashMap<String, Statement>,
    portals: HashMap<String, Portal>,
    /// A process without a query, and since when.
    process: Option<(Process, Instant)>,
    /// True after an error in a series of messages, until the series ends.
    is_skipping: bool,
}

/// The next event of a session that waits.
enum Event {
    Message(Result<Message, End>),
    ProcessUnused,
    CursorUnread,
    Idle,
    Ended(End),
}

impl Session {
    pub(crate) fn new(
        wire: Arc<Wire>,
        connection: Connection,
        place: Place,
        hello: Hello,
        settings: Settings,
    ) -> Self {
        let (statements, portals) = (HashMap::new(), HashMap::new());
        let transaction = Transaction::default();
        let (process, is_skipping) = (None, false);
        Self {
            wire,
            connection,
            place,
            hello,
            settings,
            transaction,
            statements,
            portals,
            process,
            is_skipping,
        }
    }

    /// Answers messages until the client goes.
    pub(crate) async fn run(mut self) {
        let end = loop {
            let handled = match self.event().await {
                Event::Message(Ok(message)) => self.handle(message).await,
                Event::Message(Err(end)) | Event::Ended(end) => Err(end),
                Event::ProcessUnused => {
                    self.process = None;
                    Ok(())
                }
                Event::CursorUnread => {
                    self.end_unread_cursors();
                    Ok(())
                }
                Event::Idle => {
                    let message = "the session was without a query for 12 hours";
                    Err(End::Fatal(WireError::new(state::IDLE, message)))
                }
            };
            if let Err(end) = handled {
                break end;
            }
        };
        self.connection.end(end).await;
    }

    async fn event(&mut self) -> Event {
        let unused = self.process.as_ref().map(|(_, since)| *since + KEPT);
        let read = self.portals.values().filter_map(Portal::paused_since).min();
        let unread = read.map(|since| since + CURSOR_KEPT);
        tokio::select! {
            biased;
            end = self.place.ending.ended() => Event::Ended(end),
            message = self.connection.message() => Event::Message(message),
            () = until(unused) => Event::ProcessUnused,
            () = until(unread) => Event::CursorUnread,
            () = tokio::time::sleep(IDLE) => Event::Idle,
        }
    }

    fn end_unread_cursors(&mut self) {
        let is_read = |since: Instant| since.elapsed() < CURSOR_KEPT;
        self.portals.retain(|_, portal| portal.paused_since().is_none_or(is_read));
    }

    /// Answers a message. Messages after an error are skipped until the series ends.
    async fn handle(&mut self, message: Message) -> Result<(), End> {
        match message {
            Message::Terminate => return Err(End::Closed),
            Message::Sync => {
                self.is_skipping = false;
                return self.ready().await;
            }
            _ if self.is_skipping => return Ok(()),
            Message::Query(text) => return self.simple(&text).await,
            Message::Flush => return self.connection.flush().await,
            // A client that sends a copy when it is asked for none is at fault, and loses nothing.
            Message::Copy => return Ok(()),
            Message::Password(_) => {
                let message = "a password is sent once, when a session begins";
                return Err(End::Fatal(WireError::new(state::PROTOCOL, message)));
            }
            _ => {}
        }
        let done = match message {
            Message::Parse { name, query, types } => self.parse(name, &query, types),
            Message::Bind(bind) => self.bind(bind),
            Message::Describe { target: Target::Statement, name } => {
                self.describe_statement(&name).await
            }
            Message::Describe { target: Target::Portal, name } => self.describe_portal(&name).await,
            Message::Execute { portal, max_rows } => self.execute(&portal, max_rows).await,
            Message::Close { target, name } => {
                match target {
                    Target::Statement => drop(self.statements.remove(&name)),
                    Target::Portal => drop(self.portals.remove(&name)),
                }
                backend::bare(&mut self.connection.out, b'3');
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(stop) = done {
            self.is_skipping = true;
            self.fail(stop)?;
        }
        self.connection.flush_if_full().await
    }

    /// Tells an error, which also ends a transaction.
    fn fail(&mut self, stop: Stop) -> Result<(), End> {
        let out = &mut self.connection.out;
        match stop {
            Stop::Error(error) => backend::error(out, Severity::Error, &error),
            Stop::Written(message) => out.extend_from_slice(&message),
            Stop::End(end) => return Err(end),
        }
        self.transaction.has_failed = self.transaction.is_open;
        Ok(())
    }

    /// Ends a series of messages.
    async fn ready(&mut self) -> Result<(), End> {
        if !self.transaction.is_open {
            self.end_transaction(true);
        }
        backend::ready(&mut self.connection.out, self.transaction.status());
        self.connection.flush().await
    }

    /// Forgets the generation, the settings and the cursors that end with a transaction.
    fn end_transaction(&mut self, is_committed: bool) {
        let transaction = std::mem::take(&mut self.transaction);
        if let Some(saved) = transaction.settings {
            self.restore(if is_committed { saved.committed } else { saved.rolled_back });
        }
        self.portals.retain(|_, portal| portal.is_held);
    }

    /// Answers statements in one text. They read one generation, and the first error ends them.
    async fn simple(&mut self, text: &str) -> Result<(), End> {
        self.portals.remove("");
        if let Err(error) = check_text(text) {
            self.fail(error.into())?;
            return self.ready().await;
        }
        let statements =
            split(text).into_iter().map(|statement| (Command::parse(&statement.text), statement));
        let statements: Vec<_> =
            statements.filter(|(command, _)| *command != Command::Empty).collect();
        if statements.is_empty() {
            backend::bare(&mut self.connection.out, b'I');
        }
        for (command, statement) in statements {
            if let Err(stop) = self.statement(command, statement).await {
                self.fail(stop)?;
                break;
            }
            self.connection.flush_if_full().await?;
        }
        self.ready().await
    }

    /// Answers a statement with its columns, its rows and its end.
    async fn statement(&mut self, command: Command, text: Text) -> Result<(), Stop> {
        self.check_transaction(&command)?;
        match command {
            Command::Fetch { cursor, count } => self.fetch(&cursor, count, true).await,
            command @ (Command::Query | Command::Copy { .. }) => {
                let mut portal = Portal::new(command, text);
                let advanced = self.advance(&mut portal, None, true).await?;
                backend::complete(&mut self.connection.out, &advanced.tag("SELECT"));
                Ok(())
            }
            command => {
                let answer = self.utility(command)?;
                answer.write(&mut self.connection.out, true);
                Ok(())
            }
        }
    }

    /// Refuses to hold so many bytes more: the server has no other limit for what clients prepare.
    fn check_held(&self, more: usize) -> Result<(), WireError> {
        let statements = self.statements.values().map(Statement::held_bytes);
        let held: usize = statements.chain(self.portals.values().map(Portal::held_bytes)).sum();
        if held.saturating_add(more) <= MAX_HELD_BYTES {
            return Ok(());
        }
        let message = format!(
            "the session holds statements, cursors and values of {MAX_HELD_BYTES} bytes: close some"
        );
        Err(WireError::new(state::LIMIT, message))
    }

    /// Refuses everything but the end of a transaction that has failed.
    fn check_transaction(&self, command: &Command) -> Result<(), WireError> {
        let ends = matches!(command, Command::Commit | Command::Rollback | Command::RollbackTo);
        if self.transaction.has_failed && !ends {
            return Err(WireError::new(
                state::FAILED_TRANSACTION,
                "the transaction has failed: nothing is answered until ROLLBACK ends it",
            ));
        }
        Ok(())
    }
}

/// Waits until a time; for ever without one.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Refuses a text that would take too much to look at.
fn check_text(text: &str) -> Result<(), WireError> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    let message = format!("the text of the statement is longer than {MAX_TEXT_BYTES} bytes");
    Err(WireError::new(state::TOO_LONG, message))
}
