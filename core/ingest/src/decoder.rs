//! The byte-level CSV decoder: strict RFC 4180, streaming, into batches of rows.
//!
//! # Be advised
//!
//! This file works on bytes and offsets for speed; `tests/it/twin.rs` does the same one character
//! at a time and is the specification. Property tests keep the two equal for every way to cut the
//! input into chunks. The optimizations:
//!
//! - Most rows take the fast path in `decoder/blocks.rs`, which finds the delimiters of many cells
//!   at once, or recognizes a row by its suffix, see `decoder/row_suffix_cache.rs`. This file reads
//!   the rest and needs only to be correct.
//! - Lines are copied with their separators: one byte that belongs to no cell follows each cell.
//!   Other bytes there, such as quotes, are dropped or overwritten with white space, which is
//!   trimmed from cells.
//! - UTF-8 is checked once for a whole batch. That is sound because the separators are ASCII:
//!   halves of a character in neighbouring cells cannot combine. Only a batch that fails is
//!   searched row by row.
//!
//! The rules: UTF-8 with or without a byte order mark; `,` between cells; `"` around whole cells
//! only, `""` for one inside; LF or CRLF. A problem that concerns one row (its width, its encoding,
//! a repeated header) quarantines that row; a NUL is replaced. A problem that makes the following
//! rows doubtful (a misplaced quote, a lone carriage return, an end inside quotes) rejects the
//! file.

mod blocks;
mod row_suffix_cache;
mod rows;

use memchr::{memchr, memchr_iter};

use self::row_suffix_cache::RowSuffixCache;
use self::rows::{Rows, cells, position};
use crate::batch::{Batch, NO_SUFFIX, Origin};
use crate::header;
use crate::rejection::{Quarantine, QuarantineReason, QuarantinedRow, Rejection, RejectionReason};
use crate::sniff::{BYTE_ORDER_MARK, FIRST_BYTES, sniff};

/// The most rows in a batch. A batch must fit the processor's cache, because its columns are read
/// one after the other.
const BATCH_ROWS: usize = 1024;

/// The number of bytes, separators included, at which a batch is full too.
const BATCH_BYTES: usize = 256 * 1024;

/// The most cells in a header.
const MAX_COLUMNS: usize = 1024;

/// The most bytes in one cell. A stray quote that swallows the rest of a file is detected here.
const MAX_CELL_BYTES: usize = 1024 * 1024;

/// The most bytes in the cells of one row. Quotes around them may count.
const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

/// Decodes the files of an export, one after the other.
pub struct Decoder {
    state: State,
    /// The first bytes of the file, until there are enough to tell its format.
    preamble: Option<Vec<u8>>,
    header: Vec<String>,
    bytes: Vec<u8>,
    ends: Vec<u32>,
    origins: Vec<Origin>,
    suffix_cache: RowSuffixCache,
    /// The start of the current row, in `bytes`, in `ends`, and in the file.
    row: RowStart,
    /// The start of the current cell in `bytes`.
    cell_start: usize,
    /// The total size of the finished cells of the current row, in bytes.
    row_cell_bytes: usize,
    /// True if the current row has a quoted cell, which makes it a row even if it is empty.
    row_has_quotes: bool,
    /// The number of cells in the current row. Cells beyond the widest allowed header are counted
    /// but not kept.
    row_cells: usize,
    line: u64,
    /// The file of the export, counted from 1.
    file: usize,
    batch_rows: usize,
    counts: DecoderCounts,
}

/// The decoder's statistics.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DecoderCounts {
    /// Rows read after the header, without blank lines.
    pub rows: u64,
    /// Blank lines, which are skipped.
    pub blank_lines: u64,
    /// Rows with a NUL, which is replaced by a replacement character (U+FFFD).
    pub rows_with_nul: u64,
    /// Rows that were quarantined.
    pub quarantine: Quarantine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In an unquoted cell, or before any cell.
    Plain,
    Quoted,
    QuoteInQuoted,
    /// After a carriage return that ended a cell.
    CarriageReturn,
}

#[derive(Debug, Default, Clone, Copy)]
struct RowStart {
    bytes: usize,
    ends: usize,
    line: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: State::Plain,
            preamble: Some(Vec::new()),
            header: Vec::new(),
            bytes: Vec::new(),
            ends: Vec::new(),
            origins: Vec::new(),
            suffix_cache: RowSuffixCache::default(),
            row: RowStart { line: 1, ..RowStart::default() },
            cell_start: 0,
            row_cell_bytes: 0,
            row_has_quotes: false,
            row_cells: 0,
            line: 1,
            file: 1,
            batch_rows: BATCH_ROWS,
            counts: DecoderCounts::default(),
        }
    }
}

impl Decoder {
    /// Limits batches to this many rows.
    #[must_use]
    pub fn with_batch_rows(mut self, batch_rows: usize) -> Self {
        self.batch_rows = batch_rows.max(1);
        self
    }

    /// The column names; empty until the first line was read.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The statistics so far.
    pub fn counts(&self) -> &DecoderCounts {
        &self.counts
    }

    /// Reads bytes until they end or a batch is full, and returns the number of bytes read. The
    /// caller takes the batch when [`Self::is_full`]. The first [`FIRST_BYTES`] are decoded
    /// together, those of a shorter file when it ends.
    ///
    /// # Errors
    ///
    /// The file is rejected; the decoder must not be used again.
    pub fn decode(&mut self, input: &[u8]) -> Result<usize, Rejection> {
        let Some(mut preamble) = self.preamble.take() else { return self.scan(input, false) };
        let taken = (FIRST_BYTES - preamble.len()).min(input.len());
        preamble.extend_from_slice(&input[..taken]);
        if preamble.len() < FIRST_BYTES {
            self.preamble = Some(preamble);
            return Ok(taken);
        }
        self.scan_preamble(&preamble)?;
        Ok(taken + self.scan(&input[taken..], false)?)
    }

    /// Returns true if the batch must be taken before more is decoded.
    pub fn is_full(&self) -> bool {
        self.origins.len() >= self.batch_rows || self.row.bytes >= BATCH_BYTES
    }

    /// Ends the file; the remaining bytes are its last row.
    ///
    /// # Errors
    ///
    /// The file was cut inside quotes, or has no header.
    pub fn finish(&mut self) -> Result<(), Rejection> {
        if let Some(preamble) = self.preamble.take() {
            self.scan_preamble(&preamble)?;
        }
        match self.state {
            State::Quoted => return Err(self.reject(RejectionReason::Unterminated)),
            State::CarriageReturn => return Err(self.reject(RejectionReason::LoneCarriageReturn)),
            State::Plain if self.is_between_rows() => {}
            State::Plain | State::QuoteInQuoted => {
                self.end_cell()?;
                self.end_row()?;
            }
        }
        if self.header.is_empty() {
            return Err(self.reject(RejectionReason::Empty));
        }
        Ok(())
    }

    /// Begins the next file of the export, after the previous one was ended and its last batch
    /// taken. The counts continue.
    pub fn next_file(&mut self) {
        debug_assert!(self.row.bytes == 0 && self.row_cells == 0, "a file has ended");
        *self = Self {
            file: self.file + 1,
            batch_rows: self.batch_rows,
            counts: std::mem::take(&mut self.counts),
            ..Self::default()
        };
    }

    /// Returns the rows decoded since the last call, after checking that they are UTF-8.
    pub fn take_batch(&mut self) -> Batch {
        let width = self.header.len();
        let unfinished_bytes = self.bytes.split_off(self.row.bytes);
        let unfinished_ends = self.ends.split_off(self.row.ends);
        let rows = Rows {
            bytes: std::mem::replace(&mut self.bytes, unfinished_bytes),
            ends: std::mem::replace(&mut self.ends, unfinished_ends),
            origins: std::mem::take(&mut self.origins),
        };
        let (file, quarantine) = (self.file, &mut self.counts.quarantine);
        let reason = QuarantineReason::Encoding;
        let quarantine_row = |line| quarantine.add(QuarantinedRow { file, line, reason });
        let (batch, with_nul) = rows.into_batch(width, quarantine_row);
        self.counts.rows_with_nul += with_nul;
        let batch = batch.with_file(file);
        let moved = self.row.bytes;
        for end in &mut self.ends {
            *end -= position(moved);
        }
        self.cell_start -= moved;
        self.row = RowStart { bytes: 0, ends: 0, line: self.row.line };
        batch
    }

    /// Takes back the buffers of a batch, so that the next batch allocates nothing.
    pub fn recycle(&mut self, batch: Batch) {
        let (mut bytes, mut ends, mut origins) = batch.into_buffers();
        bytes.clear();
        ends.clear();
        origins.clear();
        bytes.extend_from_slice(&self.bytes);
        ends.extend_from_slice(&self.ends);
        origins.extend_from_slice(&self.origins);
        (self.bytes, self.ends, self.origins) = (bytes, ends, origins);
    }

    /// Decodes the first bytes once they are complete. They are few, so a batch may exceed its
    /// limit by them.
    fn scan_preamble(&mut self, preamble: &[u8]) -> Result<(), Rejection> {
        if let Some(reason) = sniff(preamble) {
            return Err(self.reject(reason));
        }
        self.scan(preamble.strip_prefix(BYTE_ORDER_MARK).unwrap_or(preamble), true)?;
        Ok(())
    }

    /// Decodes until the input ends or, between two rows, the batch is full.
    fn scan(&mut self, input: &[u8], may_overfill: bool) -> Result<usize, Rejection> {
        let mut at = 0;
        let can_continue =
            |decoder: &Self| may_overfill || !(decoder.is_full() && decoder.is_between_rows());
        while at < input.len() && can_continue(self) {
            if !may_overfill {
                at += self.scan_blocks(&input[at..]);
            }
            if at == input.len() || !can_continue(self) {
                break;
            }
            at += match (self.state, input[at]) {
                (State::Plain, _) => self.scan_plain(&input[at..])?,
                (State::Quoted, _) => self.scan_quoted(&input[at..])?,
                (State::QuoteInQuoted, b'"') => {
                    self.bytes.push(b'"');
                    self.state = State::Quoted;
                    1
                }
                (State::QuoteInQuoted, byte) => {
                    self.end_quoted(byte)?;
                    1
                }
                (State::CarriageReturn, b'\n') => {
                    self.end_cell()?;
                    self.end_line()?;
                    1
                }
                (State::CarriageReturn, _) => {
                    return Err(self.reject(RejectionReason::LoneCarriageReturn));
                }
            };
        }
        Ok(at)
    }

    /// Decodes unquoted cells until the line ends or another construct begins.
    fn scan_plain(&mut self, input: &[u8]) -> Result<usize, Rejection> {
        let base = self.bytes.len();
        // Usually the remaining input is too short to exceed any limit, which saves a check per
        // cell.
        let may_be_too_long = self.check_length(base + input.len()).is_err();
        let is_special =
            |candidate: &(usize, &u8)| matches!(candidate.1, b',' | b'"' | b'\n' | b'\r');
        for (at, &delimiter_scan) in input.iter().enumerate().filter(is_special) {
            // The end of the cell once the input is copied up to here.
            let end = base + at;
            if may_be_too_long {
                self.check_length(end)?;
            }
            match delimiter_scan {
                b',' => self.end_cell_at(end)?,
                b'\n' => {
                    self.bytes.extend_from_slice(&input[..=at]);
                    self.end_cell_at(end)?;
                    self.end_line()?;
                    return Ok(at + 1);
                }
                b'"' if end > self.cell_start => {
                    return Err(self.reject(RejectionReason::StrayQuote));
                }
                _ => {
                    self.bytes.extend_from_slice(&input[..at]);
                    self.row_has_quotes |= delimiter_scan == b'"';
                    self.state =
                        if delimiter_scan == b'"' { State::Quoted } else { State::CarriageReturn };
                    return Ok(at + 1);
                }
            }
        }
        self.bytes.extend_from_slice(input);
        self.check_length(self.bytes.len())?;
        self.drop_excess_cells();
        Ok(input.len())
    }

    /// Decodes a run inside quotes and the quote after it, if it is there.
    fn scan_quoted(&mut self, input: &[u8]) -> Result<usize, Rejection> {
        let quote = memchr(b'"', input);
        let run = &input[..quote.unwrap_or(input.len())];
        self.line += memchr_iter(b'\n', run).count() as u64;
        self.bytes.extend_from_slice(run);
        self.check_length(self.bytes.len())?;
        if quote.is_none() {
            return Ok(run.len());
        }
        self.state = State::QuoteInQuoted;
        Ok(run.len() + 1)
    }

    /// Decodes the byte after a quoted cell.
    fn end_quoted(&mut self, byte: u8) -> Result<(), Rejection> {
        match byte {
            b',' => {
                self.state = State::Plain;
                self.end_cell()
            }
            b'\n' => {
                self.end_cell()?;
                self.end_line()
            }
            b'\r' => {
                self.state = State::CarriageReturn;
                Ok(())
            }
            _ => Err(self.reject(RejectionReason::TextAfterQuote)),
        }
    }

    fn end_line(&mut self) -> Result<(), Rejection> {
        self.end_row()?;
        self.line += 1;
        self.row.line = self.line;
        self.state = State::Plain;
        Ok(())
    }

    /// Ends a cell that is complete in `bytes`, and appends a separator.
    fn end_cell(&mut self) -> Result<(), Rejection> {
        let end = self.bytes.len();
        self.bytes.push(b',');
        self.end_cell_at(end)?;
        self.drop_excess_cells();
        Ok(())
    }

    /// Ends a cell at this offset of `bytes`, where its separator is or will be.
    fn end_cell_at(&mut self, end: usize) -> Result<(), Rejection> {
        self.row_cell_bytes += end - self.cell_start;
        self.cell_start = end + 1;
        self.row_cells += 1;
        if self.row_cells <= MAX_COLUMNS {
            self.ends.push(position(end));
        } else if self.header.is_empty() {
            return Err(self.reject(RejectionReason::TooManyColumns));
        }
        Ok(())
    }

    /// Drops the cells of a row that has more cells than any header may have. Such a row is
    /// quarantined whatever it holds, and a line of commas alone would otherwise fill the memory.
    fn drop_excess_cells(&mut self) {
        if self.row_cells > MAX_COLUMNS {
            self.bytes.drain(self.row.bytes..self.cell_start);
            self.cell_start = self.row.bytes;
        }
    }

    fn end_row(&mut self) -> Result<(), Rejection> {
        let cells = std::mem::take(&mut self.row_cells);
        let blank = cells == 1
            && !self.row_has_quotes
            && self.cells_of_row().all(|cell| cell.trim_ascii().is_empty());
        if blank {
            self.counts.blank_lines += 1;
            self.discard_row();
        } else if self.header.is_empty() {
            self.header = self.read_header()?;
            self.discard_row();
        } else {
            self.counts.rows += 1;
            let expected = self.header.len();
            if cells != expected {
                self.quarantine_row(QuarantineReason::Width { cells, expected });
            } else if self.row_repeats_header() {
                self.quarantine_row(QuarantineReason::RepeatedHeader);
            } else {
                self.origins.push(Origin { line: self.row.line, suffix: NO_SUFFIX });
            }
        }
        self.row.bytes = self.bytes.len();
        self.row.ends = self.ends.len();
        self.cell_start = self.bytes.len();
        self.row_cell_bytes = 0;
        self.row_has_quotes = false;
        Ok(())
    }

    fn quarantine_row(&mut self, reason: QuarantineReason) {
        self.counts.quarantine.add(QuarantinedRow { file: self.file, line: self.row.line, reason });
        self.discard_row();
    }

    fn discard_row(&mut self) {
        self.bytes.truncate(self.row.bytes);
        self.ends.truncate(self.row.ends);
    }

    fn read_header(&self) -> Result<Vec<String>, Rejection> {
        header::read_names(self.cells_of_row())
            .map_err(|(column, reason)| rejection(self.row.line, column, reason))
    }

    fn row_repeats_header(&self) -> bool {
        self.cells_of_row().zip(&self.header).all(|(cell, name)| {
            // Concatenated files keep the byte order mark of each.
            let cell = cell.strip_prefix(BYTE_ORDER_MARK).unwrap_or(cell).trim_ascii();
            cell.eq_ignore_ascii_case(name.as_bytes())
        })
    }

    fn cells_of_row(&self) -> impl Iterator<Item = &[u8]> {
        cells(&self.bytes, self.row.bytes, &self.ends[self.row.ends..])
    }

    /// Returns true if nothing of a row has been read yet.
    fn is_between_rows(&self) -> bool {
        self.state == State::Plain && self.row_cells == 0 && self.bytes.len() == self.row.bytes
    }

    /// Rejects a cell or row that is too long if the current cell extends to this offset.
    fn check_length(&self, end: usize) -> Result<(), Rejection> {
        let cell = end - self.cell_start;
        if cell > MAX_CELL_BYTES {
            return Err(self.reject(RejectionReason::CellTooLong));
        }
        if self.row_cell_bytes + cell > MAX_ROW_BYTES {
            return Err(self.reject(RejectionReason::RowTooLong));
        }
        Ok(())
    }

    fn reject(&self, reason: RejectionReason) -> Rejection {
        rejection(self.line, self.row_cells + 1, reason)
    }
}

fn rejection(line: u64, column: usize, reason: RejectionReason) -> Rejection {
    Rejection { line, column, reason }
}

#[cfg(test)]
mod tests;
