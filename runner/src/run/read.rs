//! Reading: the files of one step, whole or in parts, as the rows of one dataset.

use std::io::{BufReader, Read as _};

use anyhow::Context as _;
use core_ingest::coverage::Coverage;
use core_ingest::decompress::{self, Caps, Compression};
use core_ingest::graph::Graph;
use core_ingest::outcome::{Outcome, PartialReason};
use core_ingest::partition::Pattern;
use core_ingest::step::{StepIngest, StepTables};
use core_model::step::Step;
use core_store::Downloads;
use jiff::tz::TimeZone;

use super::Stop;
use super::exports::{Delivery, Received};

/// How much of a file is read at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Reads the files of one step.
pub(super) struct Reader<'a> {
    pub(super) step: &'static Step,
    pub(super) downloads: &'a Downloads,
    /// The zone of times that name none.
    pub(super) zone: TimeZone,
    pub(super) stop: &'a Stop,
}

/// What was read.
pub(super) struct Read {
    pub(super) tables: StepTables,
    pub(super) outcome: Outcome,
    /// Of the first file.
    pub(super) compression: Option<Compression>,
    /// Bytes after decompression.
    pub(super) bytes: u64,
}

impl Reader<'_> {
    /// Reads all files; what was made of them is of use only if all are good.
    pub(super) fn read(&self, graph: &Graph, delivery: &Delivery) -> anyhow::Result<Read> {
        let mut ingest = StepIngest::new(self.step, graph).with_time_zone(self.zone.clone());
        let (mut bytes, mut compression) = (0, None);
        // Parts come first: where they lack something, an older row of the truncated file must not
        // win over a newer one.
        let rest = delivery.lacking.iter().flat_map(|_| &delivery.truncated);
        for (n, file) in delivery.files.iter().chain(rest).enumerate() {
            if n > 0 {
                ingest.next_file()?;
            }
            if let (Some(pattern), Some(query)) = (&file.pattern, self.step.query()) {
                ingest.expect(query.partition_column, pattern);
            }
            let read = self.read_file(file, |chunk| Ok(ingest.push(chunk)?));
            let (compressed, read) = read.with_context(|| in_file(file))?;
            compression.get_or_insert(compressed);
            bytes += read;
        }
        let tables = ingest.finish()?;
        let uncovered = self.count_uncovered(delivery)?;
        let outcome = outcome_of(delivery, &tables, uncovered);
        Ok(Read { tables, outcome, compression, bytes })
    }

    /// How many rows of the truncated files belong to no part: there are more such rows then, which
    /// nobody has seen.
    fn count_uncovered(&self, delivery: &Delivery) -> anyhow::Result<u64> {
        if delivery.lacking.is_some() {
            return Ok(0);
        }
        let patterns: Vec<Pattern> =
            delivery.files.iter().filter_map(|it| it.pattern.clone()).collect();
        let column = self.step.query().map_or("", |it| it.partition_column);
        let mut uncovered = 0;
        for file in &delivery.truncated {
            let mut coverage = Coverage::new(self.step, column, &patterns);
            let read = self.read_file(file, |chunk| Ok(coverage.push(chunk)?));
            read.with_context(|| in_file(file))?;
            uncovered += coverage.finish().with_context(|| in_file(file))?;
        }
        Ok(uncovered)
    }

    /// Gives all bytes of a file to `push`; how it was compressed, and how many bytes those were.
    fn read_file(
        &self,
        file: &Received,
        mut push: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<(Compression, u64)> {
        let reader = BufReader::new(self.downloads.read(&file.download)?);
        let caps = Caps::default();
        let (compression, mut reader) = decompress::reader(reader, file.export.bytes, caps)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut bytes = 0;
        loop {
            self.stop.check()?;
            let read = reader.read(&mut chunk).context("the file cannot be read to its end")?;
            if read == 0 {
                return Ok((compression, bytes));
            }
            bytes += read as u64;
            push(&chunk[..read])?;
        }
    }
}

/// The outcome of an export whose every row was read.
fn outcome_of(delivery: &Delivery, tables: &StepTables, uncovered: u64) -> Outcome {
    let account = &tables.account;
    let is_truncated = delivery.files.iter().any(|it| it.export.truncated);
    let unproven = delivery.files.iter().any(|it| !it.export.length_proven);
    let reasons = [
        (delivery.lacking.is_some(), PartialReason::PartUnfinished),
        (is_truncated, PartialReason::Truncated),
        (account.outside_partition > 0, PartialReason::OutsidePart),
        (uncovered > 0, PartialReason::PartsDoNotCover),
        (account.quarantined() > 0, PartialReason::Quarantined),
        (!account.missing_ends.is_empty(), PartialReason::MissingEnd),
        (unproven, PartialReason::LengthUnproven),
    ];
    let first = reasons.into_iter().find(|(applies, _)| *applies);
    first.map_or(Outcome::Complete, |(_, reason)| Outcome::Partial(reason))
}

fn in_file(file: &Received) -> String {
    match &file.pattern {
        Some(pattern) => format!("part `{pattern}`"),
        None => "the file".to_owned(),
    }
}
