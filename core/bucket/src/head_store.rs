//! Reads and writes a head, so that every writer learns whether its write arrived.
//!
//! A write is conditional: it replaces the head that it was made from, or nothing. An error proves nothing: a bucket
//! may answer 500 after it has written, and the client's second attempt then fails with "already exists". So after
//! every error the head is read back, and its nonces tell whether the write arrived. If not, it is sent again with
//! the same bytes, so that it does not matter which of two attempts arrives, or how late.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};
use serde::Deserialize;
use tokio::time::Instant;

use crate::error::{BucketError, RequestErrorKind, kind, reason};
use crate::head::{FORMAT_VERSION, Head};

/// The file of the head in a tenant's folder.
pub(crate) const HEAD_FILE: &str = "head.json";

/// The attempts of a read, and the fewest attempts of a write.
const ATTEMPTS: u32 = 5;

/// The pause after the first failed attempt; each further pause is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The time after the last answer of the bucket for which a write is tried. A run that has paid for its exports
/// survives a shorter outage.
const WRITE_PATIENCE: Duration = Duration::from_mins(4);

/// The time after which a read is not tried again: a person may be waiting.
const READ_PATIENCE: Duration = Duration::from_mins(1);

/// A head, and the version of its object.
#[derive(Debug, Clone)]
pub struct StoredHead {
    /// The head.
    pub head: Head,
    version: UpdateVersion,
}

/// The end of a conditional write.
#[derive(Debug)]
pub enum Written {
    /// The written head is the current one.
    Done(StoredHead),
    /// The head was written, and others have followed.
    Followed(StoredHead),
    /// The head differed from the one that the writer knew, so nothing was written. None if there is no head at all.
    Conflict(Option<StoredHead>),
}

/// The object of one tenant's head.
#[derive(Debug, Clone)]
pub struct HeadStore {
    store: Arc<dyn ObjectStore>,
    path: Path,
    contact: Arc<Mutex<Contact>>,
}

/// The contact with the bucket.
#[derive(Debug, Clone, Copy)]
struct Contact {
    /// The time of its last answer.
    answered: Instant,
    /// True if a write was given up since then. A run that ends for that has more to write, which is tried only once.
    is_given_up: bool,
}

impl HeadStore {
    /// The head in a tenant's folder of a bucket.
    pub fn new(store: Arc<dyn ObjectStore>, folder: &Path) -> Self {
        let contact = Contact { answered: Instant::now(), is_given_up: false };
        let contact = Arc::new(Mutex::new(contact));
        Self { store, path: folder.clone().join(HEAD_FILE), contact }
    }

    /// Reads the head; None if there is none.
    ///
    /// # Errors
    ///
    /// [`BucketError::Request`], [`BucketError::Damaged`], [`BucketError::NewerFormat`].
    pub async fn read(&self) -> Result<Option<StoredHead>, BucketError> {
        let (started, mut pause, mut attempt) = (Instant::now(), FIRST_PAUSE, 0);
        loop {
            attempt += 1;
            match self.read_once().await {
                Err(error @ BucketError::Request { kind: RequestErrorKind::Unknown, .. })
                    if attempt < ATTEMPTS && started.elapsed() < READ_PATIENCE =>
                {
                    if attempt == 1 {
                        tracing::warn!(%error, "the bucket is asked again");
                    }
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                read => return read,
            }
        }
    }

    async fn read_once(&self) -> Result<Option<StoredHead>, BucketError> {
        let answer = match self.store.get(&self.path).await {
            Ok(answer) => answer,
            Err(error) if kind(&error) == RequestErrorKind::NotFound => {
                self.note_answer();
                return Ok(None);
            }
            Err(error) => return Err(BucketError::request("read", HEAD_FILE)(error)),
        };
        let (e_tag, version) = (answer.meta.e_tag.clone(), answer.meta.version.clone());
        let bytes = answer.bytes().await.map_err(BucketError::request("read", HEAD_FILE))?;
        self.note_answer();
        let head = parse(&bytes)?;
        Ok(Some(StoredHead { head, version: UpdateVersion { e_tag, version } }))
    }

    /// Replaces the head `base` by `next`, or creates the first head if there is none.
    ///
    /// # Errors
    ///
    /// [`BucketError::Unconfirmed`] if the bucket neither confirmed nor refused any attempt: the head may still become
    /// `next`, but only as long as it is `base`. [`BucketError::Request`] for refused credentials.
    pub async fn write(
        &self,
        base: Option<&StoredHead>,
        next: Head,
    ) -> Result<Written, BucketError> {
        let mut bytes = serde_json::to_vec_pretty(&next).expect("a head is plain data");
        bytes.push(b'\n');
        let bytes = Bytes::from(bytes);
        let mode = base.map_or(PutMode::Create, |base| PutMode::Update(base.version.clone()));
        let contact = *self.contact();
        let patient_until = contact.answered + WRITE_PATIENCE;
        let (mut attempt, mut pause) = (0, FIRST_PAUSE);
        loop {
            attempt += 1;
            let options = PutOptions { mode: mode.clone(), ..PutOptions::default() };
            let mut last_reason =
                match self.store.put_opts(&self.path, bytes.clone().into(), options).await {
                    Ok(put) => {
                        self.note_answer();
                        let version = UpdateVersion { e_tag: put.e_tag, version: put.version };
                        return Ok(Written::Done(StoredHead { head: next, version }));
                    }
                    Err(error)
                        if [RequestErrorKind::Refused, RequestErrorKind::NoBucket]
                            .contains(&kind(&error)) =>
                    {
                        return Err(BucketError::request("write", HEAD_FILE)(error));
                    }
                    Err(error)
                        if contact.is_given_up && kind(&error) == RequestErrorKind::Unknown =>
                    {
                        return Err(unconfirmed(reason(&error)));
                    }
                    Err(error) => reason(&error),
                };
            match self.read_once().await {
                Ok(found) => {
                    if let Some(end) = judge(base, &next, found) {
                        return Ok(end);
                    }
                }
                Err(error) => last_reason = error.to_string(),
            }
            if attempt >= ATTEMPTS && Instant::now() >= patient_until {
                self.contact().is_given_up = true;
                return Err(unconfirmed(last_reason));
            }
            if attempt == 1 {
                tracing::warn!(reason = last_reason, "the bucket is asked again");
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    fn note_answer(&self) {
        *self.contact() = Contact { answered: Instant::now(), is_given_up: false };
    }

    fn contact(&self) -> MutexGuard<'_, Contact> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unconfirmed(reason: String) -> BucketError {
    BucketError::Unconfirmed { key: HEAD_FILE.to_owned(), reason }
}

/// Decides the result of a write by the head that was read back; None if the write has not arrived yet.
fn judge(base: Option<&StoredHead>, next: &Head, found: Option<StoredHead>) -> Option<Written> {
    match (base, found) {
        (_, Some(found)) if found.head.nonce == next.nonce => Some(Written::Done(found)),
        (_, Some(found)) if found.head.descends_from(&next.nonce) => Some(Written::Followed(found)),
        (Some(base), Some(found)) if found.head.nonce == base.head.nonce => None,
        (None, None) => None,
        (_, found) => Some(Written::Conflict(found)),
    }
}

fn parse(bytes: &[u8]) -> Result<Head, BucketError> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let key = HEAD_FILE.to_owned();
    let damaged = |error: serde_json::Error| BucketError::Damaged {
        key: HEAD_FILE.to_owned(),
        reason: format!("line {}, column {}", error.line(), error.column()),
    };
    // The version first: a newer format may differ in everything else.
    let version: Version = serde_json::from_slice(bytes).map_err(damaged)?;
    if version.format_version > FORMAT_VERSION {
        return Err(BucketError::NewerFormat { key, found: version.format_version });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}
