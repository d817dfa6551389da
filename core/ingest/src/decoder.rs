//! The byte-level CSV decoder: strict RFC 4180, streaming, into batches of rows.
//!
//! # Be advised
//!
//! This file works on bytes and positions for speed; `tests/it/twin.rs` says the same thing one
//! character at a time and is the specification. Property tests hold the two equal for every way of
//! cutting the input into chunks. What is clever here:
//!
//! - Most rows go another way, in `decoder/blocks.rs`, which finds the special bytes of many cells at
//!   once, or knows a row by what it has after its first cell, see `decoder/tails.rs`. This file reads
//!   what is left and needs to be right only.
//! - Lines are copied with their separators: after each cell stands one byte that belongs to none.
//!   Where the file has more there, such as quotes, it is left out or made white space, which counts
//!   for nothing around a cell.
//! - UTF-8 is checked once for a whole batch; the separators are ASCII, so that halves of a character
//!   in neighbouring cells do not become one. Only a batch that fails is searched row by row.
//!
//! The rules: UTF-8 with or without a byte order mark; `,` between cells; `"` around whole cells
//! only, `""` for one inside; LF or CRLF. What concerns one row (its width, its encoding, a
//! repeated header) quarantines that row; a NUL is replaced. What makes the following rows doubtful (a quote out of
//! place, a lone carriage return, an end inside quotes) refuses the file.

mod blocks;
mod rows;
mod tails;

use memchr::{memchr, memchr_iter};

use self::rows::{Rows, cells, position};
use self::tails::Tails;
use crate::batch::{Batch, NO_TAIL, Origin};
use crate::header;
use crate::recognition::{BYTE_ORDER_MARK, FIRST_BYTES, recognize};
use crate::refusal::{Quarantine, QuarantineReason, QuarantinedRow, Refusal, RefusalReason};

/// The most rows in a batch: small enough that a batch stays in the processor's cache while its
/// columns are walked one after the other.
const BATCH_ROWS: usize = 1024;

/// A batch is also full when its cells and their separators have this many bytes.
const BATCH_BYTES: usize = 256 * 1024;

/// The most cells in a header.
const MAX_COLUMNS: usize = 1024;

/// The most bytes in one cell; a stray quote that swallows the rest of a file ends here.
const MAX_CELL_BYTES: usize = 1024 * 1024;

/// The most bytes in the cells of one row. Quotes around them may count too.
const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

/// Decodes the files of an export, one after the other.
pub struct Decoder {
    state: State,
    /// The first bytes of the file, until there are enough of them to know what it is.
    preamble: Option<Vec<u8>>,
    header: Vec<String>,
    bytes: Vec<u8>,
    ends: Vec<u32>,
    origins: Vec<Origin>,
    tails: Tails,
    /// Where the row being read begins, in `bytes`, in `ends`, and in the file.
    row: RowStart,
    /// Where the cell being read begins in `bytes`.
    cell_start: usize,
    /// The bytes of the cells of the row being read that have ended.
    row_cell_bytes: usize,
    /// Whether the row being read has a quoted cell, which makes it a row even if it is empty.
    row_has_quotes: bool,
    /// The cells of the row being read. Those beyond the widest header are counted, not kept.
    row_cells: usize,
    line: u64,
    /// The file of the export, counted from 1.
    file: usize,
    batch_rows: usize,
    counts: DecoderCounts,
}

/// What was seen besides the rows that came out.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DecoderCounts {
    /// Rows read after the header, blank lines not included.
    pub rows: u64,
    /// Blank lines, which are skipped.
    pub blank_lines: u64,
    /// Rows with a NUL, in the place of which stands a replacement character (U+FFFD).
    pub rows_with_nul: u64,
    /// Rows that were set aside.
    pub quarantine: Quarantine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a cell without quotes, or before any cell.
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
            tails: Tails::default(),
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
    /// Makes batches of at most so many rows.
    #[must_use]
    pub fn with_batch_rows(mut self, batch_rows: usize) -> Self {
        self.batch_rows = batch_rows.max(1);
        self
    }

    /// The names of the columns; empty until the first line was read.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// What was seen so far.
    pub fn counts(&self) -> &DecoderCounts {
        &self.counts
    }

    /// Reads bytes until they end or a batch is full, and returns how many were read. The caller
    /// takes the batch when [`Self::is_full`]. The first [`FIRST_BYTES`] are decoded together, those of
    /// a shorter file when it ends.
    ///
    /// # Errors
    ///
    /// The file is refused; the decoder is not to be used again.
    pub fn decode(&mut self, input: &[u8]) -> Result<usize, Refusal> {
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

    /// Whether the batch must be taken before more is decoded.
    pub fn is_full(&self) -> bool {
        self.origins.len() >= self.batch_rows || self.row.bytes >= BATCH_BYTES
    }

    /// Ends the file: what is left is its last row.
    ///
    /// # Errors
    ///
    /// The file was cut inside quotes, or has no header.
    pub fn finish(&mut self) -> Result<(), Refusal> {
        if let Some(preamble) = self.preamble.take() {
            self.scan_preamble(&preamble)?;
        }
        match self.state {
            State::Quoted => return Err(self.refuse(RefusalReason::Unterminated)),
            State::CarriageReturn => return Err(self.refuse(RefusalReason::LoneCarriageReturn)),
            State::Plain if self.row_is_untouched() => {}
            State::Plain | State::QuoteInQuoted => {
                self.end_cell()?;
                self.end_row()?;
            }
        }
        if self.header.is_empty() {
            return Err(self.refuse(RefusalReason::Empty));
        }
        Ok(())
    }

    /// Begins the next file of the export. The one before was ended and its last batch taken; the
    /// counts go on.
    pub fn next_file(&mut self) {
        debug_assert!(self.row.bytes == 0 && self.row_cells == 0, "a file has ended");
        *self = Self {
            file: self.file + 1,
            batch_rows: self.batch_rows,
            counts: std::mem::take(&mut self.counts),
            ..Self::default()
        };
    }

    /// The rows decoded since the last call, checked to be UTF-8.
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
        let set_aside = |line| quarantine.add(QuarantinedRow { file, line, reason });
        let (batch, with_nul) = rows.into_batch(width, set_aside);
        self.counts.rows_with_nul += with_nul;
        let batch = batch.of_file(file);
        let moved = self.row.bytes;
        for end in &mut self.ends {
            *end -= position(moved);
        }
        self.cell_start -= moved;
        self.row = RowStart { bytes: 0, ends: 0, line: self.row.line };
        batch
    }

    /// Takes back the buffers of a batch, so that the next one needs no new memory.
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

    /// The first bytes, once they are all here. They are few, so that they may fill a batch to more
    /// than its measure.
    fn scan_preamble(&mut self, preamble: &[u8]) -> Result<(), Refusal> {
        if let Some(reason) = recognize(preamble) {
            return Err(self.refuse(reason));
        }
        self.scan(preamble.strip_prefix(BYTE_ORDER_MARK).unwrap_or(preamble), true)?;
        Ok(())
    }

    /// Reads on until the input ends or, between two rows, the batch is full.
    fn scan(&mut self, input: &[u8], beyond_full: bool) -> Result<usize, Refusal> {
        let mut at = 0;
        let may_go_on = |it: &Self| beyond_full || !(it.is_full() && it.row_is_untouched());
        while at < input.len() && may_go_on(self) {
            if !beyond_full {
                at += self.scan_blocks(&input[at..]);
            }
            if at == input.len() || !may_go_on(self) {
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
                    return Err(self.refuse(RefusalReason::LoneCarriageReturn));
                }
            };
        }
        Ok(at)
    }

    /// Cells without quotes, until the line ends or something else comes.
    fn scan_plain(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        let base = self.bytes.len();
        // Mostly so little is left that nothing in it can be too long.
        let may_be_too_long = self.check_length(base + input.len()).is_err();
        let is_special = |it: &(usize, &u8)| matches!(it.1, b',' | b'"' | b'\n' | b'\r');
        for (at, &special) in input.iter().enumerate().filter(is_special) {
            // Where the cell ends once the input is copied up to here.
            let end = base + at;
            if may_be_too_long {
                self.check_length(end)?;
            }
            match special {
                b',' => self.end_cell_at(end)?,
                b'\n' => {
                    self.bytes.extend_from_slice(&input[..=at]);
                    self.end_cell_at(end)?;
                    self.end_line()?;
                    return Ok(at + 1);
                }
                b'"' if end > self.cell_start => {
                    return Err(self.refuse(RefusalReason::StrayQuote));
                }
                _ => {
                    self.bytes.extend_from_slice(&input[..at]);
                    self.row_has_quotes |= special == b'"';
                    self.state =
                        if special == b'"' { State::Quoted } else { State::CarriageReturn };
                    return Ok(at + 1);
                }
            }
        }
        self.bytes.extend_from_slice(input);
        self.check_length(self.bytes.len())?;
        self.forget_excess_cells();
        Ok(input.len())
    }

    /// A run inside quotes and the quote after it, if it is there.
    fn scan_quoted(&mut self, input: &[u8]) -> Result<usize, Refusal> {
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

    /// The byte after a quoted cell.
    fn end_quoted(&mut self, byte: u8) -> Result<(), Refusal> {
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
            _ => Err(self.refuse(RefusalReason::TextAfterQuote)),
        }
    }

    fn end_line(&mut self) -> Result<(), Refusal> {
        self.end_row()?;
        self.line += 1;
        self.row.line = self.line;
        self.state = State::Plain;
        Ok(())
    }

    /// Ends a cell that is all there is in `bytes`, with a separator.
    fn end_cell(&mut self) -> Result<(), Refusal> {
        let end = self.bytes.len();
        self.bytes.push(b',');
        self.end_cell_at(end)?;
        self.forget_excess_cells();
        Ok(())
    }

    /// Ends a cell at this place of `bytes`, where its separator is or will be.
    fn end_cell_at(&mut self, end: usize) -> Result<(), Refusal> {
        self.row_cell_bytes += end - self.cell_start;
        self.cell_start = end + 1;
        self.row_cells += 1;
        if self.row_cells <= MAX_COLUMNS {
            self.ends.push(position(end));
        } else if self.header.is_empty() {
            return Err(self.refuse(RefusalReason::TooManyColumns));
        }
        Ok(())
    }

    /// A row of more cells than any header is set aside whatever they say, so that only the cell being
    /// read is kept: a line of commas alone would fill the memory with them.
    fn forget_excess_cells(&mut self) {
        if self.row_cells > MAX_COLUMNS {
            self.bytes.drain(self.row.bytes..self.cell_start);
            self.cell_start = self.row.bytes;
        }
    }

    fn end_row(&mut self) -> Result<(), Refusal> {
        let cells = std::mem::take(&mut self.row_cells);
        let blank = cells == 1
            && !self.row_has_quotes
            && self.cells_of_row().all(|it| it.trim_ascii().is_empty());
        if blank {
            self.counts.blank_lines += 1;
            self.cut_row();
        } else if self.header.is_empty() {
            self.header = self.read_header()?;
            self.cut_row();
        } else {
            self.counts.rows += 1;
            let expected = self.header.len();
            if cells != expected {
                self.set_aside(QuarantineReason::Width { cells, expected });
            } else if self.row_repeats_header() {
                self.set_aside(QuarantineReason::RepeatedHeader);
            } else {
                self.origins.push(Origin { line: self.row.line, tail: NO_TAIL });
            }
        }
        self.row.bytes = self.bytes.len();
        self.row.ends = self.ends.len();
        self.cell_start = self.bytes.len();
        self.row_cell_bytes = 0;
        self.row_has_quotes = false;
        Ok(())
    }

    fn set_aside(&mut self, reason: QuarantineReason) {
        self.counts.quarantine.add(QuarantinedRow { file: self.file, line: self.row.line, reason });
        self.cut_row();
    }

    fn cut_row(&mut self) {
        self.bytes.truncate(self.row.bytes);
        self.ends.truncate(self.row.ends);
    }

    fn read_header(&self) -> Result<Vec<String>, Refusal> {
        header::read_names(self.cells_of_row())
            .map_err(|(column, reason)| refusal(self.row.line, column, reason))
    }

    fn row_repeats_header(&self) -> bool {
        self.cells_of_row().zip(&self.header).all(|(cell, name)| {
            // Files that were put together keep the mark of each.
            let cell = cell.strip_prefix(BYTE_ORDER_MARK).unwrap_or(cell).trim_ascii();
            cell.eq_ignore_ascii_case(name.as_bytes())
        })
    }

    fn cells_of_row(&self) -> impl Iterator<Item = &[u8]> {
        cells(&self.bytes, self.row.bytes, &self.ends[self.row.ends..])
    }

    /// Whether nothing of a row was read yet.
    fn row_is_untouched(&self) -> bool {
        self.state == State::Plain && self.row_cells == 0 && self.bytes.len() == self.row.bytes
    }

    /// Refuses a cell or a row that is too long, if the cell being read goes on to this place.
    fn check_length(&self, end: usize) -> Result<(), Refusal> {
        let cell = end - self.cell_start;
        if cell > MAX_CELL_BYTES {
            return Err(self.refuse(RefusalReason::CellTooLong));
        }
        if self.row_cell_bytes + cell > MAX_ROW_BYTES {
            return Err(self.refuse(RefusalReason::RowTooLong));
        }
        Ok(())
    }

    fn refuse(&self, reason: RefusalReason) -> Refusal {
        refusal(self.line, self.row_cells + 1, reason)
    }
}

fn refusal(line: u64, column: usize, reason: RefusalReason) -> Refusal {
    Refusal { line, column, reason }
}

#[cfg(test)]
mod tests;
