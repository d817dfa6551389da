//! The patience with a bucket that does not answer: for how long a failed request is sent again.
//!
//! It is the same for every object. A process that holds the lease tries for four minutes after the last answer of the
//! bucket, so that a run that has paid for its exports survives a shorter outage. A process that only reads tries for a
//! minute: a person may be waiting. The client's own attempts (`connect`) count as one.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{BucketError, RequestErrorKind};

/// The fewest attempts.
const ATTEMPTS: u32 = 5;

/// The pause after the first failed attempt; each further pause is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The time after the last answer of the bucket for which a holder of the lease tries.
const HOLDERS_TIME: Duration = Duration::from_mins(4);

/// The time after which a reader does not try again.
const READERS_TIME: Duration = Duration::from_mins(1);

/// The patience of one process with the bucket of one tenant.
#[derive(Debug, Clone)]
pub(crate) enum Patience {
    /// Of a process that reads.
    Reader,
    /// Of a process that takes or holds the lease.
    Holder(Arc<Mutex<Contact>>),
}

/// The contact of a holder with the bucket.
#[derive(Debug)]
pub(crate) struct Contact {
    /// The time of its last answer.
    answered: Instant,
    /// True if a request was given up since then. A run that ends for that has more to write, which is tried only once.
    is_given_up: bool,
}

impl Patience {
    pub(crate) fn holder() -> Self {
        let contact = Contact { answered: Instant::now(), is_given_up: false };
        Self::Holder(Arc::new(Mutex::new(contact)))
    }

    /// Carries out an operation again until the bucket answers, or the patience is over. It must be safe to repeat. The
    /// future of an `AsyncFn` is not `Send` for every caller: those whose future a runtime moves between threads use
    /// [`Patience::begin`] and [`Attempts::after`].
    pub(crate) async fn retry<T>(
        &self,
        operation: impl AsyncFn() -> Result<T, BucketError>,
    ) -> Result<T, BucketError> {
        let mut attempts = self.begin();
        loop {
            let error = match operation().await {
                Err(error) if Self::is_unanswered(&error) => error,
                // An error of this machine says nothing about the bucket.
                ended => {
                    if matches!(ended, Ok(_) | Err(BucketError::Request { .. })) {
                        self.note_answer();
                    }
                    return ended;
                }
            };
            if !attempts.again(&error).await {
                return Err(error);
            }
        }
    }

    /// Returns true for the error of a request that may be sent again.
    pub(crate) fn is_unanswered(error: &BucketError) -> bool {
        matches!(error, BucketError::Request { kind: RequestErrorKind::Unknown, .. })
    }

    /// Begins the attempts of one request.
    pub(crate) fn begin(&self) -> Attempts<'_> {
        let (until, is_only_one, fewest) = match self {
            Self::Reader => (Instant::now() + READERS_TIME, false, 1),
            Self::Holder(contact) => {
                let contact = lock(contact);
                (contact.answered + HOLDERS_TIME, contact.is_given_up, ATTEMPTS)
            }
        };
        Attempts { patience: self, until, is_only_one, fewest, made: 0, pause: FIRST_PAUSE }
    }

    pub(crate) fn note_answer(&self) {
        if let Self::Holder(contact) = self {
            *lock(contact) = Contact { answered: Instant::now(), is_given_up: false };
        }
    }
}

fn lock(contact: &Mutex<Contact>) -> MutexGuard<'_, Contact> {
    contact.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The attempts of one request.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    patience: &'a Patience,
    until: Instant,
    /// True if an earlier request was given up, and the bucket has not answered since.
    is_only_one: bool,
    fewest: u32,
    made: u32,
    pause: Duration,
}

impl Attempts<'_> {
    /// True if an earlier request was given up, so that this one is not sent again.
    pub(crate) fn is_only_one(&self) -> bool {
        self.is_only_one
    }

    /// Waits after a failed attempt, so that it can be repeated.
    ///
    /// # Errors
    ///
    /// The error of the attempt, if no other one is to follow.
    pub(crate) async fn after(&mut self, error: BucketError) -> Result<(), BucketError> {
        let is_repeated = Patience::is_unanswered(&error) && self.again(&error).await;
        if is_repeated { Ok(()) } else { Err(error) }
    }

    /// Waits after a failed attempt. Returns false if no other one is to follow.
    pub(crate) async fn again(&mut self, error: &impl Display) -> bool {
        self.made += 1;
        if self.is_only_one {
            return false;
        }
        if self.made >= self.fewest && Instant::now() >= self.until {
            if let Patience::Holder(contact) = self.patience {
                lock(contact).is_given_up = true;
            }
            return false;
        }
        if self.made == 1 {
            tracing::warn!(%error, "the bucket is asked again");
        }
        tokio::time::sleep(self.pause).await;
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        true
    }
}
