//! The fast path of the decoder: rows in which nothing is odd, a block of 64 bytes at a time. A row of which
//! all but the first cell is known, see `decoder/tails.rs`, is taken as a whole.
//!
//! What is odd it leaves to the rest of the decoder, where it stands: a row of another width or one that
//! repeats the header, a quote or a line end inside of quotes, a carriage return alone, whatever is near
//! a limit. So it refuses nothing and sets nothing aside.
//!
//! All that it reads is copied in one piece. The quotes around a cell become spaces there, and the
//! carriage return of a line end stays: white space around a cell counts for nothing.

use std::ops::Range;

use memchr::memchr;

use super::rows::position;
use super::{Decoder, MAX_CELL_BYTES, MAX_ROW_BYTES, RowStart, State};
use crate::batch::{NO_TAIL, Origin};
use crate::recognition::BYTE_ORDER_MARK;
use crate::special::{BLOCK_BYTES, SpecialBytes};

/// The most that is read before it is copied, so that it is still in the processor's cache then.
const MAX_INPUT_BYTES: usize = 128 * 1024;

/// The row being read.
struct Row {
    /// The decoder's ends of cells.
    ends: Vec<u32>,
    /// How many of them are taken for good.
    taken: usize,
    /// Where it begins in the input; nothing if that was in an earlier one.
    start: Option<usize>,
    /// The place in the decoder's bytes up to which those of its cells are counted, and how many cells
    /// had ended there.
    counted: (usize, usize),
    /// The places of quotes in the input, of this row and of those before it.
    quotes: Vec<usize>,
    /// Where the first cell of the last row that was known is in the input, with the separator after it.
    first_cell: Range<usize>,
}

/// A block up to its first quote.
#[derive(Clone, Copy)]
struct Piece {
    separators: u64,
    line_feeds: u64,
    /// Where it ends in the block.
    end: usize,
}

impl Decoder {
    /// Reads rows until something is odd, the batch is full, or less than a block is left. Returns how
    /// many bytes were read.
    pub(super) fn scan_blocks(&mut self, input: &[u8]) -> usize {
        let input = &input[..input.len().min(MAX_INPUT_BYTES)];
        let cell = self.bytes.len() - self.cell_start + input.len();
        let is_near_a_limit = cell > MAX_CELL_BYTES || self.row_cell_bytes + cell > MAX_ROW_BYTES;
        // A line of one column may be a blank one, and while there is no header it is to come.
        let has_room = self.header.len() >= 2 && self.row_cells < self.header.len();
        if self.state != State::Plain || !has_room || is_near_a_limit {
            return 0;
        }
        let mut row = Row {
            taken: self.ends.len(),
            ends: std::mem::take(&mut self.ends),
            start: (self.bytes.len() == self.row.bytes && self.row_cells == 0).then_some(0),
            counted: (self.cell_start, self.row_cells),
            quotes: Vec::new(),
            first_cell: 0..0,
        };
        let mut at = 0;
        while let Some(block) = input[at..].first_chunk() {
            if let Some(read) = self.take_known_row(input, at, block, &mut row) {
                at += read;
                if self.is_full() {
                    break;
                }
                continue;
            }
            let Some(piece) = Piece::of(block, input.get(at + BLOCK_BYTES)) else { break };
            let (read, goes_on) = self.take_piece(input, at, piece, &mut row);
            at += read;
            if !goes_on {
                break;
            }
            if read == piece.end && read < BLOCK_BYTES {
                let Some(cell_end) = self.end_of_quoted(input, at) else { break };
                row.quotes.extend([at, cell_end - 1]);
                self.row_has_quotes = true;
                at = cell_end;
            }
        }
        self.end_blocks(&input[..at], row);
        at
    }

    /// Takes the row that begins here if what it has after its first cell is known, and tells how long it
    /// is.
    fn take_known_row(
        &mut self,
        input: &[u8],
        at: usize,
        block: &[u8; BLOCK_BYTES],
        row: &mut Row,
    ) -> Option<usize> {
        if row.start != Some(at) || !self.tails.are_useful() {
            return None;
        }
        // Rows are often grouped by their first cell.
        let first = &input[row.first_cell.clone()];
        let separator = if !first.is_empty() && input[at..].starts_with(first) {
            at + first.len() - 1
        } else {
            at + self.end_of_first_cell(block)?
        };
        let tail = self.tails.find(&input[separator + 1..])?;
        row.first_cell = at..separator + 1;
        let end = position(self.bytes.len() + separator);
        row.ends.push(end);
        let others = row.ends.len();
        row.ends.extend_from_slice(tail.ends);
        row.ends[others..].iter_mut().for_each(|it| *it += end);
        row.quotes.extend(tail.quotes.iter().map(|&it| separator + it as usize));
        let (number, next) = (tail.number, separator + 1 + tail.bytes);
        self.end_plain_row(next, number, row);
        Some(next - at)
    }

    /// Where the first cell of a row ends that begins with this block, if nothing is odd in it.
    fn end_of_first_cell(&self, block: &[u8; BLOCK_BYTES]) -> Option<usize> {
        let SpecialBytes { separators, line_feeds, others } = SpecialBytes::of(block);
        let in_cell = separators ^ separators.wrapping_sub(1);
        if separators == 0 || (line_feeds | others) & in_cell != 0 {
            return None;
        }
        let end = separators.trailing_zeros() as usize;
        (!self.may_be_first_name(&block[..end])).then_some(end)
    }

    /// Keeps what the row has after its first cell, which ends in the input before this place, so that
    /// the next row with the same is known. Returns its number, if it has one.
    fn keep_tail(&mut self, input: &[u8], next: usize, row: &Row) -> u32 {
        let Some(start) = row.start.filter(|_| self.tails.are_useful()) else { return NO_TAIL };
        let ends = &row.ends[self.row.ends..];
        let first = ends[0] as usize;
        let cell_end = start + first - self.row.bytes;
        let n_quotes = row.quotes.iter().rev().take_while(|it| **it >= start).count();
        let quotes = &row.quotes[row.quotes.len() - n_quotes..];
        if quotes.first().is_some_and(|&it| it < cell_end) {
            self.tails.look_back();
            return NO_TAIL;
        }
        let ends = ends[1..].iter().map(|&it| it - ends[0]);
        let quotes = quotes.iter().map(|it| position(it - cell_end));
        self.tails.keep(&input[cell_end + 1..next], ends, quotes).unwrap_or(NO_TAIL)
    }

    /// Takes the rows and cells that end in a piece, and tells how far: while tails are kept, up to the end
    /// of a row. It does not go on after what is odd, or when the batch is full.
    fn take_piece(
        &mut self,
        input: &[u8],
        at: usize,
        piece: Piece,
        row: &mut Row,
    ) -> (usize, bool) {
        let start = self.bytes.len() + at;
        let width = self.header.len();
        let Piece { mut separators, mut line_feeds, end } = piece;
        let mut read = 0;
        while line_feeds != 0 {
            let place = line_feeds.trailing_zeros();
            let of_row = line_feeds ^ (line_feeds - 1);
            push_places(&mut row.ends, start, separators & of_row);
            if row.ends.len() - self.row.ends != width || self.may_repeat_header(input, row) {
                row.ends.truncate(row.taken);
                return (read, false);
            }
            (separators, line_feeds) = (separators & !of_row, line_feeds & !of_row);
            read = place as usize + 1;
            let tail = self.keep_tail(input, at + read, row);
            self.end_plain_row(at + read, tail, row);
            if self.is_full() {
                return (read, false);
            }
            if self.tails.are_useful() {
                // What is known is looked for where a row begins.
                return (read, true);
            }
        }
        push_places(&mut row.ends, start, separators);
        if row.ends.len() - self.row.ends >= width {
            row.ends.truncate(row.taken);
            return (read, false);
        }
        row.taken = row.ends.len();
        (end, true)
    }

    /// Ends a row in which nothing is odd; the next one begins at this place of the input.
    #[inline]
    fn end_plain_row(&mut self, next: usize, tail: u32, row: &mut Row) {
        self.counts.rows += 1;
        self.origins.push(Origin { line: self.row.line, tail });
        self.line += 1;
        let start = self.bytes.len() + next;
        self.row = RowStart { bytes: start, ends: row.ends.len(), line: self.line };
        self.row_cell_bytes = 0;
        self.row_has_quotes = false;
        row.taken = row.ends.len();
        (row.start, row.counted) = (Some(next), (start, 0));
    }

    /// Where the quoted cell that begins here ends, if there is nothing odd about it.
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

    /// Whether the first cell of a row may be the name of its column.
    fn may_repeat_header(&self, input: &[u8], row: &Row) -> bool {
        let Some(start) = row.start else {
            return self.may_begin_header(self.bytes[self.row.bytes]);
        };
        let end = start + row.ends[self.row.ends] as usize - self.row.bytes;
        self.may_be_first_name(&input[start..end])
    }

    /// Whether a cell may be the name of the first column.
    fn may_be_first_name(&self, cell: &[u8]) -> bool {
        if !cell.first().is_some_and(|it| self.may_begin_header(*it)) {
            return false;
        }
        let cell = cell.strip_prefix(BYTE_ORDER_MARK).unwrap_or(cell);
        let cell = cell.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\"")).unwrap_or(cell);
        let cell = cell.strip_prefix(BYTE_ORDER_MARK).unwrap_or(cell);
        cell.trim_ascii().eq_ignore_ascii_case(self.header[0].as_bytes())
    }

    /// Whether the first column's name may be written so that it begins with this byte.
    fn may_begin_header(&self, first: u8) -> bool {
        let name = self.header[0].as_bytes();
        let odd = first.is_ascii_whitespace() || matches!(first, b'"' | 0xEF);
        odd || first.eq_ignore_ascii_case(&name[0])
    }

    /// Copies what was read, and leaves everything as if the rest of the decoder had read it.
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

impl Piece {
    /// The piece at the start of a block, unless a carriage return in it ends no line. `next` is the
    /// byte after the block.
    fn of(block: &[u8; BLOCK_BYTES], next: Option<&u8>) -> Option<Self> {
        let SpecialBytes { separators, line_feeds, mut others } = SpecialBytes::of(block);
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

/// Appends the places of the bits of a number, the lowest first, counted from `start`.
fn push_places(ends: &mut Vec<u32>, start: usize, mut bits: u64) {
    let start = position(start);
    while bits != 0 {
        ends.push(start + bits.trailing_zeros());
        bits &= bits - 1;
    }
}
