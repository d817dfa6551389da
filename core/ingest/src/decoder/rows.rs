//! Conversion of decoded rows of bytes to a batch of text.

use memchr::memchr;

use crate::batch::{Batch, Cells, Origin};

/// The replacement for a NUL, which databases and other JSON parsers reject. Some programs pad
/// names with NULs; quarantining their rows would keep every run from being complete.
const NUL_MARK: &str = "\u{fffd}";

/// Complete rows. One ASCII byte that belongs to no cell follows each cell.
pub(super) struct Rows {
    pub(super) bytes: Vec<u8>,
    /// The end of each cell.
    pub(super) ends: Vec<u32>,
    pub(super) origins: Vec<Origin>,
}

impl Rows {
    /// Returns a batch of the rows that are valid UTF-8, and the number of rows with a NUL, which
    /// is replaced by a replacement character. `quarantine` gets the lines of the other rows.
    pub(super) fn into_batch(mut self, width: usize, quarantine: impl FnMut(u64)) -> (Batch, u64) {
        if memchr(0, &self.bytes).is_none() {
            match String::from_utf8(self.bytes) {
                Ok(text) => {
                    return (Batch::new(Cells { text, ends: self.ends }, self.origins, width), 0);
                }
                Err(error) => self.bytes = error.into_bytes(),
            }
        }
        self.keep_text(width, quarantine)
    }

    /// The slow path, which checks every cell.
    fn keep_text(self, width: usize, mut quarantine: impl FnMut(u64)) -> (Batch, u64) {
        let (mut kept, mut origins, mut with_nul) = (Cells::default(), Vec::new(), 0);
        let mut start = 0;
        for (ends, origin) in self.ends.chunks_exact(width).zip(self.origins) {
            let texts = cells(&self.bytes, start, ends).map(str::from_utf8);
            match texts.collect::<Result<Vec<&str>, _>>() {
                Err(_) => quarantine(origin.line),
                Ok(texts) => {
                    with_nul += u64::from(texts.iter().any(|text| text.contains('\0')));
                    for text in texts {
                        kept.push(&text.replace('\0', NUL_MARK));
                    }
                    origins.push(origin);
                }
            }
            start = ends[width - 1] as usize + 1;
        }
        (Batch::new(kept, origins, width), with_nul)
    }
}

/// Iterates over the cells that end at these offsets; the first begins at `start`.
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

/// Converts an offset in a batch, which always fits: a batch is full at 256 KiB, and its last row
/// has at most 16 MiB in its cells and one more run of input.
pub(super) fn position(at: usize) -> u32 {
    u32::try_from(at).expect("a batch is far smaller than 4 GiB")
}
