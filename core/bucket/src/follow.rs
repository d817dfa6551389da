//! Working copies that a process reads for as long as it lives, such as the explorer's.
//!
//! A follower polls the head, brings the folder up to date when the head has changed, and sends the records of its reads.
//! Until a folder has the tables of all generations, it fetches some of them each time, the newest first.
//! If the bucket does not answer for long, it gives up: the folder may show a person who was erased since.

use std::time::Duration;

use core_store::StoreError;
use tokio::time::{Instant, sleep};

use crate::arrival::Needed;
use crate::error::BucketError;
use crate::head::Content;
use crate::reader::published;
use crate::working_copy::{WorkingCopyRequest, refresh, send_reads};

/// The time between two polls of a bucket: what another machine publishes or erases is seen within it.
pub const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// The time without an answer of the bucket after which a follower gives up.
pub const GIVE_UP_AFTER: Duration = Duration::from_mins(10);

/// The number of generations that are fetched at a time. Between two times, the head is polled, so that an erasure is not
/// waited for longer than these take.
const FETCHED_AT_ONCE: usize = 4;

/// The pause before the next generations are fetched, in which other processes of the machine can use the folder.
const FETCHING_PAUSE: Duration = Duration::from_secs(1);

/// The working copies that one process follows.
#[derive(Debug)]
pub struct Follower {
    copies: Vec<Followed>,
}

#[derive(Debug)]
struct Followed {
    request: WorkingCopyRequest,
    /// The content of the head with which the folder is up to date; None if that is not known.
    seen: Option<Content>,
    /// The number of the newest generations whose tables were fetched, while some are missing.
    fetched: usize,
    /// True if the tables of older generations are missing.
    lacks_tables: bool,
    last_answer: Instant,
}

impl Follower {
    /// Brings each folder up to date, with the tables that the requests name.
    ///
    /// # Errors
    ///
    /// Those of [`refresh`], with the place of the store.
    pub async fn open(requests: Vec<WorkingCopyRequest>) -> Result<Self, StoreError> {
        let mut copies = Vec::with_capacity(requests.len());
        for request in requests {
            let place = request.place.clone();
            let copy = Followed::open(request).await;
            copies.push(copy.map_err(|error| error.into_store_at(&place))?);
        }
        Ok(Self { copies })
    }

    /// Keeps the folders up to date, and fetches the tables of all generations. Returns only when a bucket has not
    /// answered for [`GIVE_UP_AFTER`].
    pub async fn follow(&mut self) -> StoreError {
        loop {
            let is_fetching = self.copies.iter().any(Followed::is_fetching);
            sleep(if is_fetching { FETCHING_PAUSE } else { POLL_INTERVAL }).await;
            for copy in &mut self.copies {
                if let Err(error) = copy.poll().await {
                    return error.into_store_at(&copy.request.place);
                }
            }
        }
    }

    /// Sends the records of reads. Those that cannot be sent are sent by the next command on this machine.
    pub async fn close(self) {
        for copy in self.copies {
            if let Err(error) = send_reads(&copy.request).await {
                tracing::warn!(%error, "these reads are not in the ledger of the bucket yet");
            }
        }
    }
}

impl Followed {
    async fn open(request: WorkingCopyRequest) -> Result<Self, BucketError> {
        refresh(&request).await?;
        let lacks_tables = request.lacks_tables()?;
        let (seen, last_answer) = (None, Instant::now());
        Ok(Self { request, seen, fetched: 0, lacks_tables, last_answer })
    }

    /// Polls the head. Returns an error only after a long time without an answer.
    async fn poll(&mut self) -> Result<(), BucketError> {
        match self.catch_up().await {
            Ok(()) => self.last_answer = Instant::now(),
            Err(error) if self.last_answer.elapsed() >= GIVE_UP_AFTER => return Err(error),
            Err(error) => {
                self.seen = None;
                tracing::warn!(
                    tenant = self.request.tenant, %error, "the working copy is not known to be up to date"
                );
            }
        }
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), BucketError> {
        let content = published(&self.request.bucket()?).await?;
        if self.seen.as_ref() == Some(&content) && !self.lacks_tables {
            return send_reads(&self.request).await;
        }
        let fetched = self.fetched + FETCHED_AT_ONCE;
        let needed = Needed::Newest(fetched);
        let brought = refresh(&WorkingCopyRequest { needed, ..self.request.clone() }).await;
        let (is_brought, is_damaged) = match brought {
            // The other generations can be read, and most questions are about the published one.
            Err(BucketError::Store(error @ StoreError::Damaged { .. })) => {
                let tenant = &self.request.tenant;
                tracing::error!(tenant, %error, "older generations are not fetched");
                (refresh(&self.request).await?, true)
            }
            brought => (brought?, false),
        };
        self.seen = is_brought.then_some(content);
        if is_brought {
            self.lacks_tables = !is_damaged && self.request.lacks_tables()?;
            // An erasure on another machine makes new tables of many generations.
            self.fetched = if self.lacks_tables { fetched } else { 0 };
        }
        Ok(())
    }

    /// Returns true if more tables can be fetched at once: the bucket answers, and no other process writes.
    fn is_fetching(&self) -> bool {
        self.lacks_tables && self.seen.is_some()
    }
}
