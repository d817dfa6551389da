//! Reads and writes a head, so that every writer learns whether its write arrived.
//!
//! A write is conditional: it replaces the head that it was made from, or nothing. An error proves nothing: a bucket
//! may answer 500 after it has written, and the client's second attempt then fails with "already exists". So after
//! every error the head is read back, and its nonces tell whether the write arrived. If not, it is sent again with
//! the same bytes, so that it does not matter which of two attempts arrives, or how late.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};
use serde::Deserialize;

use crate::error::{BucketError, RequestErrorKind, kind, reason};
use crate::head::{FORMAT_VERSION, Head};
use crate::patience::Patience;

/// The file of the head in a tenant's folder.
pub(crate) const HEAD_FILE: &str = "head.json";

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
    patience: Patience,
}

impl HeadStore {
    /// The head in a tenant's folder of a bucket.
    pub fn new(store: Arc<dyn ObjectStore>, folder: &Path) -> Self {
        Self { store, path: folder.clone().join(HEAD_FILE), patience: Patience::holder() }
    }

    /// The patience of the process that writes this head, for its other requests.
    pub(crate) fn patience(&self) -> Patience {
        self.patience.clone()
    }

    /// Reads the head; None if there is none.
    ///
    /// # Errors
    ///
    /// [`BucketError::Request`], [`BucketError::Damaged`], [`BucketError::NewerFormat`].
    pub async fn read(&self) -> Result<Option<StoredHead>, BucketError> {
        let mut attempts = Patience::Reader.begin();
        loop {
            let error = match self.read_once().await {
                Err(error) if Patience::is_unanswered(&error) => error,
                read => return read,
            };
            if !attempts.again(&error).await {
                return Err(error);
            }
        }
    }

    async fn read_once(&self) -> Result<Option<StoredHead>, BucketError> {
        let answer = match self.store.get(&self.path).await {
            Ok(answer) => answer,
            Err(error) if kind(&error) == RequestErrorKind::NotFound => {
                self.patience.note_answer();
                return Ok(None);
            }
            Err(error) => return Err(BucketError::request("read", HEAD_FILE)(error)),
        };
        let (e_tag, version) = (answer.meta.e_tag.clone(), answer.meta.version.clone());
        let bytes = answer.bytes().await.map_err(BucketError::request("read", HEAD_FILE))?;
        self.patience.note_answer();
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
        let mut attempts = self.patience.begin();
        loop {
            let options = PutOptions { mode: mode.clone(), ..PutOptions::default() };
            let mut last_reason =
                match self.store.put_opts(&self.path, bytes.clone().into(), options).await {
                    Ok(put) => {
                        self.patience.note_answer();
                        let version = UpdateVersion { e_tag: put.e_tag, version: put.version };
                        return Ok(Written::Done(StoredHead { head: next, version }));
                    }
                    Err(error)
                        if [
                            RequestErrorKind::Refused,
                            RequestErrorKind::NoBucket,
                            RequestErrorKind::Rejected,
                        ]
                        .contains(&kind(&error)) =>
                    {
                        return Err(BucketError::request("write", HEAD_FILE)(error));
                    }
                    Err(error)
                        if attempts.is_only_one() && kind(&error) == RequestErrorKind::Unknown =>
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
            if !attempts.again(&last_reason).await {
                return Err(unconfirmed(last_reason));
            }
        }
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
