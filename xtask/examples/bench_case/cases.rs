//! The cases: how far the data is processed, from bytes to published tables.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use clap::ValueEnum;
use core_ingest::decoder::Decoder;
use core_ingest::decompress::{self, Caps};
use core_ingest::graph::Graph;
use core_ingest::step::{StepIngest, ingest_row};
use core_model::step::Step;
use core_privacy::protection::Protection;

use crate::people;
use crate::publishing::{Threads, publish};

/// The number of bytes read at once, as in the program.
const CHUNK_BYTES: usize = 64 * 1024;

/// The processing of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Decode plain CSV.
    Decode,
    /// Decompress and decode.
    DecodeZstd,
    /// Decode plain CSV and map it to entities and edges.
    Map,
    /// The same, with pseudonyms for people.
    MapPseudonymous,
    /// The same, sorted, written as Parquet and published.
    Publish,
    /// The same, from Zstandard.
    PublishZstd,
    /// The same with the program's threads: they decompress, decode and map, and two write tables.
    TwoThreads,
}

impl Case {
    /// Runs the case and returns the number of rows read.
    pub(crate) fn run(self, folder: &Path) -> anyhow::Result<u64> {
        let suffix = match self {
            Self::Decode | Self::Map | Self::MapPseudonymous | Self::Publish => "csv",
            Self::DecodeZstd | Self::PublishZstd | Self::TwoThreads => "csv.zst",
        };
        let file = |name: &str| folder.join(format!("{name}.{suffix}"));
        let steps = [(&step_devices::STEP, "devices"), (&step_packages::STEP, "packages")];
        let mut rows = 0;
        if matches!(self, Self::Decode | Self::DecodeZstd) {
            for (_, name) in steps {
                rows += decode(&file(name))?;
            }
            return Ok(rows);
        }
        let mut graph = Graph::default();
        let account = [("account.tenant_id", "acme"), ("account.region", "eu")];
        graph.add(ingest_row(&step_account::STEP, &graph, &account)?);
        let threads = if self == Self::TwoThreads { Threads::Two } else { Threads::One };
        let protection = match self {
            Self::MapPseudonymous => people::pseudonymous()?,
            _ => None,
        };
        for (step, name) in steps {
            rows += map(step, &file(name), &mut graph, protection.clone(), threads)?;
        }
        if !matches!(self, Self::Map | Self::MapPseudonymous) {
            publish(graph, &folder.join("store"), threads)?;
        }
        Ok(rows)
    }

    /// Returns true if a single thread does all the work.
    pub(crate) fn is_single_threaded(self) -> bool {
        !matches!(self, Self::TwoThreads)
    }
}

fn decode(path: &Path) -> anyhow::Result<u64> {
    let mut decoder = Decoder::default();
    read(path, |mut bytes| {
        while !bytes.is_empty() {
            let n_read = decoder.decode(bytes)?;
            bytes = &bytes[n_read..];
            if decoder.is_full() {
                let batch = decoder.take_batch();
                decoder.recycle(batch);
            }
        }
        Ok(())
    })?;
    decoder.finish()?;
    decoder.take_batch();
    Ok(decoder.counts().rows)
}

fn map(
    step: &'static Step,
    path: &Path,
    graph: &mut Graph,
    protection: Option<Protection>,
    threads: Threads,
) -> anyhow::Result<u64> {
    let mut ingest = StepIngest::new(step, graph).with_protection(protection);
    match threads {
        Threads::One => read(path, |bytes| Ok(ingest.push(bytes)?))?,
        Threads::Two => drop(ingest.read(&mut open(path)?)?),
    }
    let tables = ingest.finish()?;
    let rows = tables.account.decoder.rows;
    graph.add(tables);
    Ok(rows)
}

fn read(path: &Path, mut push: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut reader = open(path)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(()),
            n_read => push(&chunk[..n_read])?,
        }
    }
}

fn open(path: &Path) -> anyhow::Result<impl Read + Send> {
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    let (_, reader) = decompress::reader(BufReader::new(file), file_bytes, Caps::default())?;
    Ok(reader)
}
