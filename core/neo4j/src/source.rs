//! The rows of a table in pieces of bounded size, read on a thread of their own.

use std::collections::HashSet;

use core_destination::DeliveryError;
use core_store::Generation;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::rows::{Row, RowEncoder};
use crate::statement::Shape;

/// The most rows of one statement.
const ROWS: usize = 2_000;
/// About the most bytes of the rows of one statement.
const BYTES: usize = 1024 * 1024;
/// The number of pieces that wait for the network.
const WAITING: usize = 2;

/// The rows of a table, a piece after the other.
pub(crate) struct Source {
    pieces: mpsc::Receiver<Vec<Row>>,
    reading: JoinHandle<Result<u64, DeliveryError>>,
}

impl Source {
    /// Opens a table.
    pub(crate) fn open(generation: &Generation, shape: &Shape) -> Self {
        let (sender, pieces) = mpsc::channel(WAITING);
        let (generation, shape) = (generation.clone(), shape.clone());
        let reading = tokio::task::spawn_blocking(move || read(&generation, &shape, &sender));
        Self { pieces, reading }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Vec<Row>> {
        self.pieces.recv().await
    }

    /// Ends the reading; returns the number of values that were changed.
    pub(crate) async fn finish(self) -> Result<u64, DeliveryError> {
        drop(self.pieces);
        self.reading.await.map_err(defect)?
    }
}

/// Reads the rows of a table and hands them on. Ends early if the receiver is gone.
fn read(
    generation: &Generation,
    shape: &Shape,
    sender: &mpsc::Sender<Vec<Row>>,
) -> Result<u64, DeliveryError> {
    let mut encoder = RowEncoder::new(shape);
    let mut pieces = Pieces::default();
    for batch in generation.batches(shape.kind(), &shape.name)? {
        for row in encoder.encode(&batch?)? {
            if let Some(piece) = pieces.push(row)
                && sender.blocking_send(piece).is_err()
            {
                return Ok(encoder.changed_values);
            }
        }
    }
    if !pieces.rows.is_empty() {
        // A receiver that is gone has failed, and says why.
        let _ = sender.blocking_send(pieces.rows);
    }
    Ok(encoder.changed_values)
}

/// Cuts rows into pieces.
#[derive(Default)]
struct Pieces {
    rows: Vec<Row>,
    size: usize,
}

impl Pieces {
    /// Takes a row; returns a piece once it is full.
    fn push(&mut self, row: Row) -> Option<Vec<Row>> {
        self.size += row.size;
        self.rows.push(row);
        if self.rows.len() < ROWS && self.size < BYTES {
            return None;
        }
        self.size = 0;
        Some(std::mem::take(&mut self.rows))
    }
}

/// The keys of a table, as 8 bytes each. Of a hundred million keys, one that is not among them is taken for one of them
/// with a chance of 5 in a million million.
pub(crate) struct KeySet(HashSet<u64>);

impl KeySet {
    /// Reads the keys of a table.
    pub(crate) async fn read(
        generation: &Generation,
        shape: &Shape,
    ) -> Result<Self, DeliveryError> {
        let (generation, shape) = (generation.clone(), shape.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let encoder = RowEncoder::new(&shape);
            let mut hashes = HashSet::new();
            for batch in generation.batches(shape.kind(), &shape.name)? {
                hashes.extend(encoder.keys(&batch?)?.iter().map(|key| short_hash(key)));
            }
            Ok(Self(hashes))
        });
        reading.await.map_err(defect)?
    }

    /// Returns true if the table has this key.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.0.contains(&short_hash(key))
    }
}

fn short_hash(key: &str) -> u64 {
    let hash = blake3::hash(key.as_bytes());
    let first = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*first)
}

/// The error of a panic. Its message stays unsaid, since it may show a cell.
fn defect(_: tokio::task::JoinError) -> DeliveryError {
    DeliveryError::Local(anyhow::anyhow!(
        "the program has a defect and stopped; please report this"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn sizes_of_pieces(rows: usize, size: usize) -> Vec<usize> {
        let mut pieces = Pieces::default();
        let row = |number: usize| Row {
            key: number.to_string(),
            ends: None,
            hash: 0,
            properties: Value::Null,
            size,
        };
        let full = (0..rows).filter_map(|number| pieces.push(row(number)));
        let mut sizes: Vec<usize> = full.map(|piece| piece.len()).collect();
        sizes.push(pieces.rows.len());
        sizes
    }

    #[test]
    fn a_piece_has_a_bounded_number_of_rows_and_of_bytes() {
        assert_eq!(sizes_of_pieces(4_500, 100), [2_000, 2_000, 500]);
        assert_eq!(sizes_of_pieces(5, BYTES / 2), [2, 2, 1]);
        assert_eq!(sizes_of_pieces(2, 2 * BYTES), [1, 1, 0], "a long row is a piece of its own");
        assert_eq!(sizes_of_pieces(0, 1), [0]);
    }
}
