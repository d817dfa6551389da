//! The bytes of a results file: an export's CSV, compressed as the request asked.

use std::io::{self, Write};

use flate2::write::GzEncoder;

use crate::exports::{SavedQuery, Written, write_csv};
use crate::tenant::Tenant;

/// Fast rather than small: a simulated export is generated twice, once to know its length and once
/// to send it.
const ZSTD_LEVEL: i32 = 1;

/// The compression of a results file (Nexthink NQL API 1.2.0, export, `compression`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain CSV.
    None,
    /// One gzip member.
    Gzip,
    /// One Zstandard frame.
    Zstd {
        /// True if the frame ends with a checksum of its content.
        checksum: bool,
    },
}

impl Compression {
    /// The suffix of a results file's name.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::None => "csv",
            Self::Gzip => "csv.gz",
            Self::Zstd { .. } => "csv.zst",
        }
    }

    /// Compresses the output of `write`.
    ///
    /// # Errors
    ///
    /// Those of `sink`.
    pub(crate) fn encode<W: Write>(
        self,
        mut sink: W,
        write: impl FnOnce(&mut dyn Write) -> io::Result<Written>,
    ) -> io::Result<Written> {
        match self {
            Self::None => {
                let written = write(&mut sink)?;
                sink.flush()?;
                Ok(written)
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(sink, flate2::Compression::fast());
                let written = write(&mut encoder)?;
                encoder.finish()?.flush()?;
                Ok(written)
            }
            Self::Zstd { checksum } => {
                let mut encoder = zstd::Encoder::new(sink, ZSTD_LEVEL)?;
                encoder.include_checksum(checksum)?;
                let written = write(&mut encoder)?;
                encoder.finish()?.flush()?;
                Ok(written)
            }
        }
    }
}

/// Writes the results file of `query`. The same arguments give the same bytes.
///
/// # Errors
///
/// Those of `sink`.
pub fn write_results<W: Write>(
    tenant: &Tenant,
    query: SavedQuery,
    row_cap: Option<u64>,
    compression: Compression,
    sink: W,
) -> io::Result<Written> {
    compression.encode(sink, |mut sink| write_csv(tenant, query, row_cap, &mut sink))
}
