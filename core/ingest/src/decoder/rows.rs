//! Rows of bytes, as they were decoded, into a batch of text.

use memchr::memchr;

use crate::batch::{Batch, Cells, Origin};
use crate::refusal::QuarantineReason;

/// Whole rows. After each cell stands one ASCII byte that belongs to none.
pub(super) struct Rows {
    pub(super) bytes: Vec<u8>,
    /// Where each cell ends.
    pub(super) ends: Vec<u32>,
    pub(super) origins: Vec<Origin>,
}

impl Rows {
    /// A batch of the rows that are text; `set_aside` gets the lines of the others.
    pub(super) fn into_batch(
        mut self,
        width: usize,
        set_aside: impl FnMut(u64, QuarantineReason),
    ) -> Batch {
        if memchr(0, &self.bytes).is_none() {
            match String::from_utf8(self.bytes) {
                Ok(text) => {
                    return Batch::new(Cells { text, ends: self.ends }, self.origins, width);
                }
                Err(error) => self.bytes = error.into_bytes(),
            }
        }
        let rows = self.keep_text(width, set_aside);
        let text = String::from_utf8(rows.bytes).expect("rows that are not UTF-8 were dropped");
        Batch::new(Cells { text, ends: rows.ends }, rows.origins, width)
    }

    /// The slow path: looks at every cell.
    fn keep_text(self, width: usize, mut set_aside: impl FnMut(u64, QuarantineReason)) -> Rows {
        let mut kept = Rows { bytes: Vec::new(), ends: Vec::new(), origins: Vec::new() };
        let mut start = 0;
        for (ends, origin) in self.ends.chunks_exact(width).zip(self.origins) {
            let end = ends[width - 1] as usize + 1;
            if let Some(reason) = reason_to_drop(cells(&self.bytes, start, ends)) {
                set_aside(origin.line, reason);
            } else {
                let base = kept.bytes.len();
                kept.bytes.extend_from_slice(&self.bytes[start..end]);
                let moved = ends.iter().map(|&end| position(base + end as usize - start));
                kept.ends.extend(moved);
                kept.origins.push(origin);
            }
            start = end;
        }
        kept
    }
}

fn reason_to_drop<'a>(mut cells: impl Iterator<Item = &'a [u8]>) -> Option<QuarantineReason> {
    cells.find_map(|cell| {
        if str::from_utf8(cell).is_err() {
            return Some(QuarantineReason::Encoding);
        }
        memchr(0, cell).map(|_| QuarantineReason::Nul)
    })
}

/// The cells that end at these places, the first of which begins at `start`.
pub(super) fn cells<'a>(
    bytes: &'a [u8],
    mut start: usize,
    ends: &'a [u32],
) -> impl Iterator<Item = &'a [u8]> {
    ends.iter().map(move |&end| {
        let cell = &bytes[start..end as usize];
        start = end as usize + 1;
        cell
    })
}

/// A position in a batch, which always fits: a batch is full at 256 KiB, and its last row has at most
/// 16 MiB in its cells and one run of input more.
pub(super) fn position(at: usize) -> u32 {
    u32::try_from(at).expect("a batch is far smaller than 4 GiB")
}
