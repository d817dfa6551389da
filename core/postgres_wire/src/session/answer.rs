//! An answer, from the process that makes it to the client, with its limits: the time, a cancel, a client that goes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use core_explorer::ErasureWatch;
use core_store::{StoreError, TenantStore};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::portal::{Portal, Running, without_formats};
use super::{Session, Stop};
use crate::command::Text;
use crate::connection::{End, FULL_BYTES};
use crate::error::{WireError, state};
use crate::process::{Process, body, take};
use crate::request::{Action, END, GENERATION, LAST, Request};
use crate::server::{MAX_PAUSED, names};

/// The time after which a process is not used again: nothing of a large query stays.
const HEAVY: Duration = Duration::from_secs(1);

/// The most answers of a session that are not over.
const MAX_RUNNING: usize = 4;

/// A part of an answer that was sent.
#[derive(Debug, Default)]
pub(super) struct Advanced {
    /// The number of rows.
    pub(super) rows: u64,
    /// True if there is no more.
    pub(super) is_over: bool,
    /// The words of the process about a copy.
    tag: Option<String>,
}

impl Advanced {
    /// Returns what the client is told at the end of a statement of this kind.
    pub(super) fn tag(&self, kind: &str) -> String {
        self.tag.clone().unwrap_or_else(|| format!("{kind} {}", self.rows))
    }
}

/// The end of a part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// So many rows.
    Rows(u64),
    /// The columns.
    Columns,
    /// The end.
    End,
}

/// The limits of a part of an answer.
struct Watch {
    deadline: Instant,
    timeout: Duration,
    /// The place among the queries that are answered at once, or, once the client was waited for, among the answers that
    /// wait for their clients: as many slow clients as there are places would stop the queries of all others.
    place: OwnedSemaphorePermit,
    is_slow: bool,
}

/// The next event of an answer.
enum Event {
    Messages(Option<Bytes>),
    Read(Result<(), End>),
    ClientIsSlow,
    Sent(Result<(), End>),
    Canceled,
    Erased,
    Late,
    Ended(End),
}

impl Session {
    /// Sends an answer, or the next part of one. `limit` is the most rows, and `is_told` says that the columns are sent.
    pub(super) async fn advance(
        &mut self,
        portal: &mut Portal,
        limit: Option<u64>,
        is_told: bool,
    ) -> Result<Advanced, Stop> {
        if is_told && let Some(columns) = &portal.columns {
            self.connection.out.extend_from_slice(columns);
        }
        if portal.is_done || limit == Some(0) {
            return Ok(Advanced { is_over: portal.is_done, ..Advanced::default() });
        }
        self.answer(portal, limit.map_or(Until::End, Until::Rows), is_told).await
    }

    /// Starts an answer if it has not begun, and reads it up to a place.
    pub(super) async fn answer(
        &mut self,
        portal: &mut Portal,
        until: Until,
        is_told: bool,
    ) -> Result<Advanced, Stop> {
        let mut watch = self.watch().await?;
        let mut running = match portal.running.take() {
            Some(running) => self.resume(running).await?,
            None => self.start(portal.query.clone(), portal.types.clone(), portal.action()).await?,
        };
        let mut advanced = Advanced::default();
        let mut error = None;
        let end = loop {
            let Some((kind, message)) = take(&mut running.rest) else {
                // A row may be long, and a client slow.
                self.next_messages(&mut running, &mut watch).await?;
                continue;
            };
            match kind {
                GENERATION => self.note_generation(message),
                b'T' => {
                    if portal
                        .expected
                        .as_ref()
                        .is_some_and(|expected| **expected != *without_formats(&message))
                    {
                        return Err(changed().into());
                    }
                    if is_told {
                        self.connection.out.extend_from_slice(&message);
                    }
                    portal.columns = Some(message);
                    if until == Until::Columns {
                        self.pause(portal, running)?;
                        return Ok(advanced);
                    }
                }
                b'C' => advanced.tag = copy_tag(&message),
                b'E' => error = Some(message),
                END | LAST => break kind,
                b'D' => {
                    self.connection.out.extend_from_slice(&message);
                    advanced.rows += 1;
                    if until == Until::Rows(advanced.rows) {
                        self.pause(portal, running)?;
                        return Ok(advanced);
                    }
                }
                _ => self.connection.out.extend_from_slice(&message),
            }
        };
        portal.is_done = true;
        self.keep(running, end);
        advanced.is_over = true;
        match error {
            Some(error) => Err(Stop::Written(error)),
            None => Ok(advanced),
        }
    }

    /// Asks for the types of the parameters of a query and for its columns; returns both messages.
    pub(super) async fn describe(
        &mut self,
        query: Text,
        types: Vec<u32>,
    ) -> Result<(Bytes, Bytes), Stop> {
        let mut watch = self.watch().await?;
        let mut running = self.start(query, types, Action::Describe).await?;
        let (mut parameters, mut columns, mut error) = (Bytes::new(), Bytes::new(), None);
        let end = loop {
            let Some((kind, message)) = take(&mut running.rest) else {
                self.next_messages(&mut running, &mut watch).await?;
                continue;
            };
            match kind {
                GENERATION => self.note_generation(message),
                b't' => parameters = message,
                b'T' => columns = message,
                b'E' => error = Some(message),
                END | LAST => break kind,
                _ => {}
            }
        };
        self.keep(running, end);
        match error {
            Some(error) => Err(Stop::Written(error)),
            None => Ok((parameters, columns)),
        }
    }

    /// Waits until the query may be answered.
    async fn watch(&mut self) -> Result<Watch, Stop> {
        // A cancel that comes now is for this statement, and an earlier one was for another.
        self.place.canceled.borrow_and_update();
        let limit = self.wire.settings.query_timeout;
        let timeout = self.settings.statement_timeout().map_or(limit, |own| own.min(limit));
        let deadline = Instant::now() + timeout;
        let permit = Arc::clone(&self.wire.queries).acquire_owned();
        let place = tokio::select! {
            permit = permit => permit.map_err(|error| WireError::internal(&error.into()))?,
            _ = self.place.canceled.changed() => return Err(canceled().into()),
            end = self.place.ending.ended() => return Err(end.into()),
            () = tokio::time::sleep_until(deadline) => {
                let message = "too many other queries are being answered; try again later";
                return Err(WireError::new(state::LIMIT, message).into());
            }
        };
        Ok(Watch { deadline, timeout, place, is_slow: false })
    }

    /// Sends a query to a process.
    async fn start(
        &mut self,
        query: Text,
        types: Vec<u32>,
        action: Action,
    ) -> Result<Running, Stop> {
        let stores = self.wire.stores().await?;
        if self.transaction.generation.is_none() {
            // An erasure may have begun since: a store that it has not been through is shown to no one.
            self.hello.databases = names(&stores);
        }
        // Before the process opens the generation, so that no erasure is missed.
        let erasures = self.watch_erasures(stores)?;
        if self.portals.values().filter(|portal| portal.running.is_some()).count() >= MAX_RUNNING {
            let message = format!(
                "the session has {MAX_RUNNING} cursors that are not at their end: close one"
            );
            return Err(WireError::new(state::LIMIT, message).into());
        }
        let request = Request {
            generation: self.transaction.generation.clone(),
            settings: self.settings.values().clone(),
            query: query.text,
            before: query.before,
            types,
            action,
        };
        let since = Instant::now();
        let mut process = match self.process.take() {
            Some((process, _)) => process,
            None => {
                Process::start(Arc::clone(&self.wire), self.hello.clone()).await.map_err(failed)?
            }
        };
        process.ask(request).await.map_err(failed)?;
        Ok(Running { process, rest: Bytes::new(), since, erasures, paused: None })
    }

    /// Has an answer wait until the client reads on.
    fn pause(&self, portal: &mut Portal, mut running: Running) -> Result<(), WireError> {
        let place = Arc::clone(&self.wire.paused).try_acquire_owned().map_err(|_| {
            let message = format!(
                "{MAX_PAUSED} cursors of all sessions are not at their end: close some, or read without a limit of rows"
            );
            WireError::new(state::LIMIT, message)
        })?;
        running.paused = Some((Instant::now(), place));
        portal.running = Some(running);
        Ok(())
    }

    /// Goes on with an answer, unless someone was erased since it began: it may still have that person.
    async fn resume(&mut self, running: Running) -> Result<Running, WireError> {
        // A store that may show an erased person is not read.
        self.wire.stores().await?;
        if running.erasures.is_erased().map_err(unread)? {
            return Err(erased());
        }
        Ok(Running { paused: None, ..running })
    }

    /// Starts to watch the erasures of this session's tenant.
    fn watch_erasures(&self, stores: Vec<TenantStore>) -> Result<ErasureWatch, WireError> {
        let tenant = &self.hello.tenant;
        let own = stores.into_iter().find(|store| store.name() == tenant);
        let own = own.ok_or_else(|| {
            let message = format!("there is no database {tenant} any more");
            WireError::new(state::NO_DATABASE, message)
        })?;
        ErasureWatch::start(own).map_err(unread)
    }

    /// Waits for more of an answer, and sends what is there. The process is ended with `running` if it must not go on.
    async fn next_messages(
        &mut self,
        running: &mut Running,
        watch: &mut Watch,
    ) -> Result<(), Stop> {
        loop {
            let connection = &mut self.connection;
            let event = if connection.out.len() >= FULL_BYTES {
                tokio::select! {
                    biased;
                    _ = self.place.canceled.changed() => Event::Canceled,
                    end = self.place.ending.ended() => Event::Ended(end),
                    () = running.erasures.erased() => Event::Erased,
                    () = tokio::time::sleep_until(watch.deadline) => Event::Late,
                    sent = connection.send_some() => Event::Sent(sent),
                    // Ready only if the client was waited for.
                    () = std::future::ready(()), if !watch.is_slow => Event::ClientIsSlow,
                }
            } else {
                tokio::select! {
                    biased;
                    _ = self.place.canceled.changed() => Event::Canceled,
                    end = self.place.ending.ended() => Event::Ended(end),
                    () = running.erasures.erased() => Event::Erased,
                    () = tokio::time::sleep_until(watch.deadline) => Event::Late,
                    messages = running.process.next() => Event::Messages(messages),
                    read = connection.read(), if connection.has_room() => Event::Read(read),
                }
            };
            match event {
                Event::Messages(Some(messages)) => {
                    running.rest = messages;
                    return Ok(());
                }
                Event::Messages(None) => return Err(out_of_memory().into()),
                Event::Read(done) | Event::Sent(done) => done?,
                Event::ClientIsSlow => self.give_way(watch),
                Event::Canceled => return Err(canceled().into()),
                Event::Erased => return Err(erased().into()),
                Event::Late => return Err(late(watch.timeout).into()),
                Event::Ended(end) => return Err(end.into()),
            }
        }
    }

    /// Gives the place of a query to another one, since this one is held up by its client. If too many are, it keeps the
    /// place, so that the number of processes stays limited.
    fn give_way(&self, watch: &mut Watch) {
        watch.is_slow = true;
        if let Ok(place) = Arc::clone(&self.wire.paused).try_acquire_owned() {
            drop(std::mem::replace(&mut watch.place, place));
        }
    }

    /// Keeps a process for the next query, if this one took little and was not its last.
    fn keep(&mut self, running: Running, end: u8) {
        if self.process.is_none() && end == END && running.since.elapsed() < HEAVY {
            self.process = Some((running.process, Instant::now()));
        }
    }

    /// The first query of a transaction decides which generation it reads.
    fn note_generation(&mut self, message: Bytes) {
        let id = String::from_utf8_lossy(&body(message)).into_owned();
        self.transaction.generation.get_or_insert(id);
    }
}

/// Returns the words about a copy; the rows of other answers are counted here.
fn copy_tag(message: &Bytes) -> Option<String> {
    let text = body(message.clone());
    let text = String::from_utf8_lossy(&text);
    let text = text.trim_end_matches('\0');
    text.starts_with("COPY").then(|| text.to_owned())
}

fn failed(error: io::Error) -> Stop {
    let error = anyhow::Error::new(error).context("cannot start a process for the query");
    WireError::internal(&error).into()
}

fn canceled() -> WireError {
    WireError::new(state::CANCELED, "the query was canceled by its user")
}

fn unread(error: StoreError) -> WireError {
    WireError::internal(&error.into())
}

fn erased() -> WireError {
    let message = "people or devices were erased since this answer began: ask again";
    WireError::new(state::UNSUPPORTED, message)
}

fn late(timeout: Duration) -> WireError {
    let limit = format!("{} seconds", timeout.as_secs_f64());
    let raise =
        "raise statement_timeout if you have set it, or start `serve` with a longer --timeout";
    WireError::new(state::CANCELED, core_query::out_of_time(limit, raise))
}

fn changed() -> WireError {
    WireError::new(
        state::UNSUPPORTED,
        "a new generation has other columns than those that this statement was prepared with: prepare it again",
    )
}

/// A failed allocation and a stack overflow abort a process.
fn out_of_memory() -> WireError {
    let message = core_query::out_of_memory("start `serve` with a higher --memory-limit");
    WireError::new(state::MEMORY, message)
}
