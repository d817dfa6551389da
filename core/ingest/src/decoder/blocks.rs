//! The decoder's fast path: ordinary rows, a block of 64 bytes at a time. A row whose suffix is
//! cached, see `decoder/row_suffix_cache.rs`, is taken as a whole.
//!
//! Anything unusual is left in place for the slow path: a row of another width or one that repeats
//! the header, a quote or a line end inside quotes, a lone carriage return, anything near a limit.
//! The fast path therefore never rejects a file or quarantines a row.
//!
//! Everything it reads is copied in one piece. The quotes around a cell become spaces in the copy,
//! and the carriage return of a line end stays: white space around a cell is trimmed later.

use std::ops::Range;

use memchr::memchr;

use super::rows::position;
use super::{Decoder, MAX_CELL_BYTES, MAX_ROW_BYTES, RowStart, State};
use crate::batch::{NO_SUFFIX, Origin};
use crate::delimiter_scan::{BLOCK_BYTES, DelimiterBits};
use crate::sniff::BYTE_ORDER_MARK;

/// The most bytes that are scanned before they are copied, so that they are still in the
/// processor's cache for the copy.
const MAX_INPUT_BYTES: usize = 128 * 1024;

/// The current row.
struct Row {
    /// The decoder's cell ends.
    ends: Vec<u32>,
    /// The number of `ends` that are final.
    final_ends: usize,
    /// The start of the row in the input; `None` if it began in an earlier input.
    start: Option<usize>,
    /// The offset in the decoder's bytes up to which the sizes of cells are counted, and the number
    /// of cells of the row that had ended there.
    counted: (usize, usize),
    /// The offsets of quotes in the input, of this row and of earlier ones.
    quotes: Vec<usize>,
    /// The first cell of the last row whose suffix was cached, in the input, with the separator
    /// after it.
    first_cell: Range<usize>,
}

/// A block up to its first quote.
#[derive(Clone, Copy)]
struct BlockPrefix {
    separators: u64,
    line_feeds: u64,
    /// The end of the prefix in the block.
    end: usize,
}

impl Decoder {
    /// Reads rows until one is unusual, the batch is full, or less than a block is left. Returns
    /// the number of bytes read.
    pub(super) fn scan_blocks(&mut self, input: &[u8]) -> usize {
        let input = &input[..input.len().min(MAX_INPUT_BYTES)];
        let cell = self.bytes.len() - self.cell_start + input.len();
        let is_near_limit = cell > MAX_CELL_BYTES || self.row_cell_bytes + cell > MAX_ROW_BYTES;
        // A line of one column may be a blank one, and without a header the first line is still to
        // come.
        let has_room = self.header.len() >= 2 && self.row_cells < self.header.len();
        if self.state != State::Plain || !has_room || is_near_limit {
            return 0;
        }
        let mut row = Row {
            final_ends: self.ends.len(),
            ends: std::mem::take(&mut self.ends),
            start: (self.bytes.len() == self.row.bytes && self.row_cells == 0).then_some(0),
            counted: (self.cell_start, self.row_cells),
            quotes: Vec::new(),
            first_cell: 0..0,
        };
        let mut at = 0;
        while let Some(block) = input[at..].first_chunk() {
            if let Some(read) = self.take_cached_row(input, at, block, &mut row) {
                at += read;
                if self.is_full() {
                    break;
                }
                continue;
            }
            let Some(prefix) = BlockPrefix::scan(block, input.get(at + BLOCK_BYTES)) else { break };
            let (read, can_continue) = self.take_prefix(input, at, prefix, &mut row);
            at += read;
            if !can_continue {
                break;
            }
            if read == prefix.end && read < BLOCK_BYTES {
                let Some(cell_end) = self.end_of_quoted(input, at) else { break };
                row.quotes.extend([at, cell_end - 1]);
                self.row_has_quotes = true;
                at = cell_end;
            }
        }
        self.end_blocks(&input[..at], row);
        at
    }

    /// Takes the row that begins here if its suffix is cached, and returns its length.
    fn take_cached_row(
        &mut self,
        input: &[u8],
        at: usize,
        block: &[u8; BLOCK_BYTES],
        row: &mut Row,
    ) -> Option<usize> {
        if row.start != Some(at) || !self.suffix_cache.is_enabled() {
            return None;
        }
        // Exports are often grouped by their first cell.
        let first = &input[row.first_cell.clone()];
        let separator = if !first.is_empty() && input[at..].starts_with(first) {
            at + first.len() - 1
        } else {
            at + self.end_of_first_cell(block)?
        };
        let suffix = self.suffix_cache.find(&input[separator + 1..])?;
        row.first_cell = at..separator + 1;
        let end = position(self.bytes.len() + separator);
        row.ends.push(end);
        let others = row.ends.len();
        row.ends.extend_from_slice(suffix.ends);
        row.ends[others..].iter_mut().for_each(|cell_end| *cell_end += end);
        row.quotes.extend(suffix.quotes.iter().map(|&offset| separator + offset as usize));
        let (number, next) = (suffix.number, separator + 1 + suffix.bytes);
        self.end_ordinary_row(next, number, row);
        Some(next - at)
    }

    /// The end of the first cell of a row that begins with this block, if the cell is ordinary.
    fn end_of_first_cell(&self, block: &[u8; BLOCK_BYTES]) -> Option<usize> {
        let DelimiterBits { separators, line_feeds, others } = DelimiterBits::scan(block);
        let in_cell = separators ^ separators.wrapping_sub(1);
        if separators == 0 || (line_feeds | others) & in_cell != 0 {
            return None;
        }
        let end = separators.trailing_zeros() as usize;
        (!self.may_be_first_name(&block[..end])).then_some(end)
    }

    /// Caches the row's suffix, which ends in the input before `next`, and returns its number, if
    /// it has one.
    fn cache_suffix(&mut self, input: &[u8], next: usize, row: &Row) -> u32 {
        let Some(start) = row.start.filter(|_| self.suffix_cache.is_enabled()) else {
            return NO_SUFFIX;
        };
        let ends = &row.ends[self.row.ends..];
        let first = ends[0] as usize;
        let first_end = start + first - self.row.bytes;
        let n_quotes = row.quotes.iter().rev().take_while(|offset| **offset >= start).count();
        let quotes = &row.quotes[row.quotes.len() - n_quotes..];
        if quotes.first().is_some_and(|&offset| offset < first_end) {
            self.suffix_cache.count_miss();
            return NO_SUFFIX;
        }
        let ends = ends[1..].iter().map(|&cell_end| cell_end - ends[0]);
        let quotes = quotes.iter().map(|offset| position(offset - first_end));
        self.suffix_cache.insert(&input[first_end + 1..next], ends, quotes).unwrap_or(NO_SUFFIX)
    }

    /// Takes the rows and cells that end in a prefix. Returns the number of bytes taken, while
    /// suffixes are cached up to the end of one row, and false if the next byte is unusual or the
    /// batch is full.
    fn take_prefix(
        &mut self,
        input: &[u8],
        at: usize,
        prefix: BlockPrefix,
        row: &mut Row,
    ) -> (usize, bool) {
        let start = self.bytes.len() + at;
        let width = self.header.len();
        let BlockPrefix { mut separators, mut line_feeds, end } = prefix;
        let mut read = 0;
        while line_feeds != 0 {
            let place = line_feeds.trailing_zeros();
            let row_bits = line_feeds ^ (line_feeds - 1);
            push_places(&mut row.ends, start, separators & row_bits);
            if row.ends.len() - self.row.ends != width || self.may_repeat_header(input, row) {
                row.ends.truncate(row.final_ends);
                return (read, false);
            }
            (separators, line_feeds) = (separators & !row_bits, line_feeds & !row_bits);
            read = place as usize + 1;
            let suffix = self.cache_suffix(input, at + read, row);
            self.end_ordinary_row(at + read, suffix, row);
            if self.is_full() {
                return (read, false);
            }
            if self.suffix_cache.is_enabled() {
                // A cached suffix is looked up only where a row begins.
                return (read, true);
            }
        }
        push_places(&mut row.ends, start, separators);
        if row.ends.len() - self.row.ends >= width {
            row.ends.truncate(row.final_ends);
            return (read, false);
        }
        row.final_ends = row.ends.len();
        (end, true)
    }

    /// Ends an ordinary row; the next one begins at this offset of the input.
    #[inline]
    fn end_ordinary_row(&mut self, next: usize, suffix: u32, row: &mut Row) {
        self.counts.rows += 1;
        self.origins.push(Origin { line: self.row.line, suffix });
        self.line += 1;
        let start = self.bytes.len() + next;
        self.row = RowStart { bytes: start, ends: row.ends.len(), line: self.line };
        self.row_cell_bytes = 0;
        self.row_has_quotes = false;
        row.final_ends = row.ends.len();
        (row.start, row.counted) = (Some(next), (start, 0));
    }

    /// The end of the quoted cell that begins here, if the cell is ordinary.
    fn end_of_quoted(&self, input: &[u8], start: usize) -> Option<usize> {
        let is_first = match start {
            0 => self.cell_start == self.bytes.len(),
            _ => matches!(input[start - 1], b',' | b'\n'),
        };
        let content = &input[start + 1..];
        let content = &content[..memchr(b'"', content)?];
        let end = start + content.len() + 2;
        let is_last = matches!(&input[end..], [b',' | b'\n', ..] | [b'\r', b'\n', ..]);
        (is_first && is_last && memchr(b'\n', content).is_none()).then_some(end)
    }

    /// Returns true if the first cell of a row may be the name of its column.
    fn may_repeat_header(&self, input: &[u8], row: &Row) -> bool {
        let Some(start) = row.start else {
            return self.may_begin_header(self.bytes[self.row.bytes]);
        };
        let end = start + row.ends[self.row.ends] as usize - self.row.bytes;
        self.may_be_first_name(&input[start..end])
    }

    /// Returns true if a cell may be the name of the first column.
    fn may_be_first_name(&self, cell: &[u8]) -> bool {
        if !cell.first().is_some_and(|first| self.may_begin_header(*first)) {
            return false;
        }
        let cell = cell.strip_prefix(BYTE_ORDER_MARK).unwrap_or(cell);
        let cell =
            cell.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(cell);
        let cell = cell.strip_prefix(BYTE_ORDER_MARK).unwrap_or(cell);
        cell.trim_ascii().eq_ignore_ascii_case(self.header[0].as_bytes())
    }

    /// Returns true if a spelling of the first column's name may begin with this byte.
    fn may_begin_header(&self, first: u8) -> bool {
        let name = self.header[0].as_bytes();
        let is_unusual = first.is_ascii_whitespace() || matches!(first, b'"' | 0xEF);

        is_unusual || first.eq_ignore_ascii_case(&name[0])
    }

    /// Copies the bytes that were read, and leaves the decoder in the state that the slow path
    /// would have reached.
    fn end_blocks(&mut self, input: &[u8], row: Row) {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(input);
        for quote in row.quotes {
            self.bytes[base + quote] = b' ';
        }
        self.ends = row.ends;
        self.row_cells = self.ends.len() - self.row.ends;
        self.cell_start = match self.ends[self.row.ends..] {
            [] => self.row.bytes,
            [.., last] => last as usize + 1,
        };
        let (counted_to, counted_cells) = row.counted;
        self.row_cell_bytes += self.cell_start - counted_to - (self.row_cells - counted_cells);
    }
}

impl BlockPrefix {
    /// Scans a block up to its first quote; `None` if it has a carriage return that ends no line.
    /// `next` is the byte after the block.
    fn scan(block: &[u8; BLOCK_BYTES], next: Option<&u8>) -> Option<Self> {
        let DelimiterBits { separators, line_feeds, mut others } = DelimiterBits::scan(block);
        while others != 0 {
            let place = others.trailing_zeros() as usize;
            let bit = others & others.wrapping_neg();
            others ^= bit;
            if block[place] == b'"' {
                let (separators, line_feeds) = (separators & (bit - 1), line_feeds & (bit - 1));
                return Some(Self { separators, line_feeds, end: place });
            }
            if block.get(place + 1).or(next) != Some(&b'\n') {
                return None;
            }
        }
        Some(Self { separators, line_feeds, end: BLOCK_BYTES })
    }
}

/// Appends the positions of the set bits, the lowest first, counted from `start`.
fn push_places(ends: &mut Vec<u32>, start: usize, mut bits: u64) {
    let start = position(start);
    while bits != 0 {
        ends.push(start + bits.trailing_zeros());
        bits &= bits - 1;
    }
}
