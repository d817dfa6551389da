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
        (delivery.narrowing.may_have_limit(), PartialReason::LimitUnchecked),
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use core_ingest::partition::Pattern;
    use core_ingest::step::{RowAccount, ingest_row};
    use core_simulator::{SavedQuery, Tenant, TenantSpec, write_csv};

    use super::*;
    use crate::failure::StopReason;
    use crate::run::narrowing::Unchecked;
    use crate::testing::{Place, host};

    const NAME: &str = "fetch-users";

    fn file(download: &str, pattern: Option<&str>) -> FetchedFile {
        FetchedFile {
            download: download.to_owned(),
            pattern: pattern.map(|text| Pattern::parse(text).expect("a pattern")),
            export_id: None,
            truncated: false,
            bytes: 0,
            length_proven: true,
        }
    }

    fn whole() -> FetchedFiles {
        FetchedFiles { files: vec![file(NAME, None)], ..FetchedFiles::default() }
    }

    /// Files, an account and the number of rows that are in no part.
    type Case = (FetchedFiles, RowAccount, u64);
    type Spoil = fn(&mut Case);

    fn outcome_of_case((files, account, uncovered): &Case) -> Outcome {
        let account = account.clone();
        let tables =
            StepTables { entities: Vec::new(), edges: Vec::new(), account, protection: None };
        outcome_of(files, &tables, *uncovered)
    }

    #[test]
    fn an_export_is_complete_only_if_nothing_speaks_against_it_and_the_gravest_reason_is_told() {
        let spoil: [(Spoil, PartialReason); 10] = [
            (
                |case| case.0.narrowing.unchecked = Some(Unchecked::Late),
                PartialReason::LimitUnchecked,
            ),
            (|case| case.0.files[0].length_proven = false, PartialReason::LengthUnproven),
            (|case| case.1.missing_ends.push("a_has_b"), PartialReason::MissingEnd),
            (|case| case.1.decoder.quarantine.rows = 1, PartialReason::Quarantined),
            (|case| case.0.truncated.push(file("whole", None)), PartialReason::PartsUnproven),
            (|case| case.2 = 1, PartialReason::PartsDoNotCover),
            (|case| case.1.outside_partition = 1, PartialReason::OutsidePart),
            (|case| case.0.narrowing.limit = Some("limit 10".to_owned()), PartialReason::Limited),
            (|case| case.0.files[0].truncated = true, PartialReason::Truncated),
            (|case| case.0.lacking = Some("a part".to_owned()), PartialReason::PartUnfinished),
        ];
        let mut all = (whole(), RowAccount::default(), 0);
        assert_eq!(outcome_of_case(&all), Outcome::Complete);
        all.0.narrowing.unchecked = Some(Unchecked::Hidden);
        assert_eq!(outcome_of_case(&all), Outcome::Complete);
        for (spoil, reason) in spoil {
            let mut alone = (whole(), RowAccount::default(), 0);
            spoil(&mut alone);
            assert_eq!(outcome_of_case(&alone), Outcome::Partial(reason));
            spoil(&mut all);
            assert_eq!(outcome_of_case(&all), Outcome::Partial(reason), "it outweighs the others");
        }
    }

    #[test]
    fn only_parts_of_all_sixteen_digits_prove_that_no_row_is_in_none() {
        let digits = "0123456789abcdef";
        let part = |digit: char| file(&format!("part-{digit}"), Some(&format!("{digit}*")));
        let mut files = FetchedFiles {
            files: digits.chars().map(part).collect(),
            truncated: vec![file(NAME, None)],
            ..FetchedFiles::default()
        };
        assert!(covers_everything(&files));
        files.files.remove(7);
        assert!(!covers_everything(&files));
        files.truncated.clear();
        assert!(covers_everything(&files), "what was not truncated is the whole");
    }

    /// The users of a simulated tenant: a header and 20 rows or fewer.
    fn users(rows: u64) -> Vec<u8> {
        let spec = TenantSpec { devices: 30, users: 20, ..TenantSpec::default() };
        let mut csv = Vec::new();
        write_csv(&Tenant::new(spec), SavedQuery::Users, Some(rows), &mut csv).expect("memory");
        csv
    }

    /// Downloads with these contents, and the files that they are.
    fn downloads(place: &Place, contents: &[(&str, Vec<u8>)]) -> (Reading, Vec<FetchedFile>) {
        let downloads = place.lock.downloads().expect("there is room");
        let write = |(name, bytes): &(&str, Vec<u8>)| {
            let mut download = downloads.resume(name).expect("it can be made");
            download.write_all(bytes).expect("there is room");
            FetchedFile { bytes: bytes.len() as u64, ..file(name, None) }
        };
        let files = contents.iter().map(write).collect();
        let held = Files::new(downloads, false, &host());
        (Reading { zone: TimeZone::UTC, files: held, protection: None }, files)
    }

    /// A graph with the account, which has the users.
    fn graph() -> Graph {
        let mut graph = Graph::default();
        let row = [("account.tenant_id", "acme"), ("account.display_name", "acme")];
        let account = ingest_row(&step_account::STEP, &graph, &row).expect("it has a key");
        graph.add(account);
        graph
    }

    fn read(reading: &Reading, files: &FetchedFiles) -> Result<Read, Unreadable> {
        let cancellation = Cancellation::default();
        let reader = Reader { step: &step_users::STEP, reading, cancellation: &cancellation };
        reader.read(&graph(), files)
    }

    #[test]
    fn several_files_are_one_dataset_and_rows_that_repeat_are_counted_as_merged() {
        let place = Place::new();
        let contents = [("first", users(12)), ("second", users(20))];
        let bytes: usize = contents.iter().map(|(_, bytes)| bytes.len()).sum();
        let (reading, files) = downloads(&place, &contents);
        let files = FetchedFiles { files, ..FetchedFiles::default() };
        let read = read(&reading, &files).unwrap_or_else(|refused| panic!("{:#}", refused.error));
        assert_eq!((read.outcome, read.bytes), (Outcome::Complete, bytes as u64));
        let account = &read.tables.account;
        assert_eq!((account.files, account.read(), account.merged), (2, 32, 12));
        assert_eq!(read.tables.entities[0].len(), 20);
    }

    #[test]
    fn where_parts_are_lacking_the_rows_of_the_truncated_whole_take_their_place() {
        let place = Place::new();
        let (reading, mut files) = downloads(&place, &[("part", users(5)), ("whole", users(20))]);
        let truncated = files.split_off(1);
        let mut files = FetchedFiles { files, truncated, ..FetchedFiles::default() };
        let rows = |read: Result<Read, Unreadable>| {
            let read = read.unwrap_or_else(|refused| panic!("{:#}", refused.error));
            (read.tables.entities[0].len(), read.outcome)
        };
        files.lacking = Some("a part failed".to_owned());
        let expected = (20, Outcome::Partial(PartialReason::PartUnfinished));
        assert_eq!(rows(self::read(&reading, &files)), expected);
        // Without a lack the parts are the dataset, and rows of the whole that are in none are missing.
        files.lacking = None;
        let expected = (5, Outcome::Partial(PartialReason::PartsDoNotCover));
        assert_eq!(rows(self::read(&reading, &files)), expected);
    }

    #[test]
    fn the_file_that_cannot_be_read_is_named_with_its_part() {
        let place = Place::new();
        let page = b"<html><body>Service unavailable</body></html>".to_vec();
        let (reading, mut files) = downloads(&place, &[("first", users(5)), ("second", page)]);
        files[1].pattern = Some(Pattern::parse("1*").expect("a pattern"));
        let files = FetchedFiles { files, ..FetchedFiles::default() };
        let Err(refused) = read(&reading, &files) else { panic!("a page is no export") };
        assert_eq!(refused.download.as_deref(), Some("second"));
        let words = format!("{:#}", refused.error);
        assert!(words.starts_with("part `1*`: "), "{words}");
        assert!(!words.contains("unavailable"), "nothing of the file is shown: {words}");
    }

    #[test]
    fn reading_ends_when_a_stop_is_requested() {
        let place = Place::new();
        let (reading, files) = downloads(&place, &[("first", users(20))]);
        let files = FetchedFiles { files, ..FetchedFiles::default() };
        let cancellation = Cancellation::default();
        cancellation.request(StopReason::Interrupted);
        let (step, reading) = (&step_users::STEP, &reading);
        let reader = Reader { step, reading, cancellation: &cancellation };
        assert!(reader.read(&Graph::default(), &files).is_err());
    }
}
