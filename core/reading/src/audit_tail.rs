//! The latest events of the audit trail, and those that come.

use std::time::Duration;

use arrow_array::RecordBatch;
use core_engine::Failure;
use core_engine::audit::LOG;
use core_engine::ledger::Event;
use core_store::EventFile;

use crate::audit_trail::{Filter, Seen, rows};
use crate::progress::Progress;
use crate::reader::Reader;

/// The interval at which new events are looked for.
const LOOK: Duration = Duration::from_secs(2);

/// Reads the end of the audit trail.
pub struct Tail<'a> {
    /// Who reads.
    pub reader: &'a Reader<'a>,
    /// The events that are wanted.
    pub filter: Filter<'a>,
    /// The number of events at first.
    pub lines: u32,
    /// True if those that come are wanted, too.
    pub follows: bool,
}

impl Tail<'_> {
    /// Shows the latest events. Returns those to go on from; none if there is nothing to follow, or `show` says that
    /// the output is closed.
    ///
    /// # Errors
    ///
    /// They cannot be read or shown.
    pub async fn show_latest<E: From<Failure>>(
        &self,
        mut show: impl FnMut(&[RecordBatch]) -> Result<bool, E>,
    ) -> Result<Option<Seen>, E> {
        let Self { reader, filter, lines, follows } = self;
        let log = reader.tenant.events(LOG).map_err(Failure::from)?;
        let has_events = !log.files().is_empty();
        if has_events || *follows {
            reader.record(&Event::AuditRead { question: "tail" });
        }
        if !has_events && *follows {
            return Ok(Some(Seen::default()));
        }
        let ask = || async {
            let session = reader.open_events().await?;
            let latest = rows(&session, &filter.latest(*lines)).await?;
            if !follows {
                return Ok((latest, None));
            }
            let recent = rows(&session, &filter.recent(reader.host.now_ms())).await?;
            Ok::<_, Failure>((latest, Some(Seen::new(&recent))))
        };
        let (latest, seen) = Progress::default().retried(reader, ask).await?;
        Ok(if show(&latest)? { seen } else { None })
    }

    /// Shows events as they come, until `show` says that the output is closed.
    ///
    /// # Errors
    ///
    /// They cannot be read or shown.
    pub async fn follow<E: From<Failure>>(
        &self,
        mut seen: Seen,
        mut show: impl FnMut(&[RecordBatch]) -> Result<bool, E>,
    ) -> Result<(), E> {
        let files = || self.files().map_err(E::from);
        let mut known = files()?;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = files()?;
            if now == known || now.is_empty() {
                continue;
            }
            let came = match self.recent().await {
                Ok(came) => came,
                // A run has made these files into others in the meantime: they are read with the next look.
                Err(_) if files()? != now => continue,
                Err(failure) => return Err(failure.into()),
            };
            known = now;
            if !show(&seen.unseen(&came))? {
                return Ok(());
            }
        }
    }

    fn files(&self) -> Result<Vec<EventFile>, Failure> {
        Ok(self.reader.tenant.events(LOG)?.files().to_vec())
    }

    async fn recent(&self) -> Result<Vec<RecordBatch>, Failure> {
        let session = self.reader.open_events().await?;
        rows(&session, &self.filter.recent(self.reader.host.now_ms())).await
    }
}
