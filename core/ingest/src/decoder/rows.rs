//! Rows of bytes, as they were decoded, into a batch of text.

use memchr::memchr;

use crate::batch::{Batch, Cells, Origin};

/// Stands in the place of a NUL, which databases and JSON of others refuse. Some programs fill up a name with
/// NULs, and a row that is set aside for one would keep every run from being complete.
const NUL_MARK: &str = "\u{fffd}";

/// Whole rows. After each cell stands one ASCII byte that belongs to none.
pub(super) struct Rows {
    pub(super) bytes: Vec<u8>,
    /// Where each cell ends.
    pub(super) ends: Vec<u32>,
    pub(super) origins: Vec<Origin>,
}

impl Rows {
    /// A batch of the rows that are text; `set_aside` gets the lines of the others. Also returns how many
    /// rows have a NUL, in the place of which stands a replacement character.
    pub(super) fn into_batch(mut self, width: usize, set_aside: impl FnMut(u64)) -> (Batch, u64) {
        if memchr(0, &self.bytes).is_none() {
            match String::from_utf8(self.bytes) {
                Ok(text) => {
                    return (Batch::new(Cells { text, ends: self.ends }, self.origins, width), 0);
                }
                Err(error) => self.bytes = error.into_bytes(),
            }
        }
        self.keep_text(width, set_aside)
    }

    /// The slow path: looks at every cell.
    fn keep_text(self, width: usize, mut set_aside: impl FnMut(u64)) -> (Batch, u64) {
        let (mut kept, mut origins, mut with_nul) = (Cells::default(), Vec::new(), 0);
        let mut start = 0;
        for (ends, origin) in self.ends.chunks_exact(width).zip(self.origins) {
            let texts = cells(&self.bytes, start, ends).map(str::from_utf8);
            match texts.collect::<Result<Vec<&str>, _>>() {
                Err(_) => set_aside(origin.line),
                Ok(texts) => {
                    with_nul += u64::from(texts.iter().any(|it| it.contains('\0')));
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
