//! Reads the files of one step, whole or in parts, as the rows of one dataset.

use std::io::{self, BufReader, Read as _};

use anyhow::Context as _;
use core_ingest::coverage::Coverage;
use core_ingest::decompress::{self, Caps, Compression};
use core_ingest::graph::Graph;
use core_ingest::outcome::{Outcome, PartialReason};
use core_ingest::partition::cover_hexadecimal;
use core_ingest::step::{StepIngest, StepTables};
use core_model::step::Step;
use core_privacy::protection::Protection;
use jiff::tz::TimeZone;

use super::encrypted_downloads::Files;
use super::exports::{FetchedFile, FetchedFiles};
use crate::cancellation::Cancellation;

/// The size of one read of a file, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// The settings for reading the files of all steps.
pub(super) struct Reading {
    /// The zone of times without a zone.
    pub(super) zone: TimeZone,
    pub(super) files: Files,
    /// The redaction of personal data. From step to step, it learns more rows to suppress.
    pub(super) protection: Option<Protection>,
}

/// Reads the files of one step.
pub(super) struct Reader<'a> {
    pub(super) step: &'static Step,
    pub(super) reading: &'a Reading,
    pub(super) cancellation: &'a Cancellation,
}

/// The result of reading.
pub(super) struct Read {
    pub(super) tables: StepTables,
    pub(super) outcome: Outcome,
    /// The compression of the first file.
    pub(super) compression: Option<Compression>,
    /// The number of bytes after decompression.
    pub(super) bytes: u64,
}

/// The reason why the files cannot be used, and the file that caused it.
pub(super) struct Unreadable {
    /// The name of the download; none if no single file is the cause.
    pub(super) download: Option<String>,
    pub(super) error: anyhow::Error,
}

impl From<anyhow::Error> for Unreadable {
    fn from(error: anyhow::Error) -> Unreadable {
        Unreadable { download: None, error }
    }
}

impl Reader<'_> {
    /// Reads all files. The result is usable only if all of them are valid.
    pub(super) fn read(&self, graph: &Graph, delivery: &FetchedFiles) -> Result<Read, Unreadable> {
        let mut ingest = StepIngest::new(self.step, graph)
            .with_time_zone(self.reading.zone.clone())
            .with_protection(self.reading.protection.clone());
        let (mut bytes, mut compression) = (0, None);
        // If parts are missing, the truncated files have rows that those parts would have had.
        let rest = delivery.lacking.iter().flat_map(|_| &delivery.truncated);
        let mut last = None;
        for file in delivery.files.iter().chain(rest) {
            if let Some(last) = last {
                ingest.next_file().map_err(|error| in_file(last, error))?;
            }
            if let Some(pattern) = &file.pattern {
                ingest.expect(self.partition_column(), pattern);
            }
            let (compressed, mut rows) = self.open(file).map_err(|error| in_file(file, error))?;
            compression.get_or_insert(compressed);
            bytes += ingest.read(&mut rows).map_err(|error| in_file(file, error))?;
            last = Some(file);
        }
        let tables = ingest.finish().map_err(|error| match last {
            Some(file) => in_file(file, error),
            None => anyhow::Error::new(error).into(),
        })?;
        let uncovered = self.count_uncovered(delivery)?;
        let outcome = outcome_of(delivery, &tables, uncovered);
        Ok(Read { tables, outcome, compression, bytes })
    }

    /// Counts the rows of the truncated files that belong to no part. If there are any, more such rows were never
    /// exported.
    fn count_uncovered(&self, delivery: &FetchedFiles) -> Result<u64, Unreadable> {
        if delivery.lacking.is_some() {
            return Ok(0);
        }
        let patterns = delivery.patterns();
        let mut uncovered = 0;
        for file in &delivery.truncated {
            let mut coverage = Coverage::new(self.step, self.partition_column(), &patterns);
            let read = self.for_each_chunk(file, |chunk| Ok(coverage.push(chunk)?));
            read.map_err(|error| in_file(file, error))?;
            uncovered += coverage.finish().map_err(|error| in_file(file, error))?;
        }
        Ok(uncovered)
    }

    fn partition_column(&self) -> &'static str {
        self.step.query().map_or("", |query| query.partition_column)
    }

    /// Passes all bytes of a file to `push`.
    fn for_each_chunk(
        &self,
        file: &FetchedFile,
        mut push: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (_, mut bytes) = self.open(file)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match bytes.read(&mut chunk).context("the file cannot be read to its end")? {
                0 => return Ok(()),
                n_read => push(&chunk[..n_read])?,
            }
        }
    }

    /// Opens a file. Returns its compression and its decompressed bytes.
    fn open(&self, file: &FetchedFile) -> anyhow::Result<(Compression, impl io::Read + Send)> {
        let reader = BufReader::new(self.reading.files.read(&file.download)?);
        let (compression, bytes) = decompress::reader(reader, file.bytes, Caps::default())?;
        Ok((compression, Stoppable { bytes, cancellation: self.cancellation }))
    }
}

/// A reader that fails once the run is asked to stop.
struct Stoppable<'a, R> {
    bytes: R,
    cancellation: &'a Cancellation,
}

impl<R: io::Read> io::Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancellation.check().map_err(io::Error::other)?;
        self.bytes.read(buffer)
    }
}

/// Returns true if every possible row belongs to a part.
fn covers_everything(delivery: &FetchedFiles) -> bool {
    delivery.truncated.is_empty() || cover_hexadecimal(&delivery.patterns())
}

/// Returns the outcome of an export of which every row was read.
fn outcome_of(delivery: &FetchedFiles, tables: &StepTables, uncovered: u64) -> Outcome {
    let account = &tables.account;
    let is_truncated = delivery.files.iter().any(|file| file.truncated);
    let unproven = delivery.files.iter().any(|file| !file.length_proven);
    let reasons = [
        (delivery.lacking.is_some(), PartialReason::PartUnfinished),
        (is_truncated, PartialReason::Truncated),
        (delivery.narrowing.limit.is_some(), PartialReason::Limited),
        (account.outside_partition > 0, PartialReason::OutsidePart),
        (uncovered > 0, PartialReason::PartsDoNotCover),
        (!covers_everything(delivery), PartialReason::PartsUnproven),
        (account.quarantined() > 0, PartialReason::Quarantined),
        (!account.missing_ends.is_empty(), PartialReason::MissingEnd),
        (unproven, PartialReason::LengthUnproven),
    ];
    let first = reasons.into_iter().find(|(applies, _)| *applies);
    first.map_or(Outcome::Complete, |(_, reason)| Outcome::Partial(reason))
}

fn in_file(file: &FetchedFile, error: impl Into<anyhow::Error>) -> Unreadable {
    let error = error.into();
    let error = match &file.pattern {
        Some(pattern) => error.context(format!("part `{pattern}`")),
        None => error,
    };
    Unreadable { download: Some(file.download.clone()), error }
}
