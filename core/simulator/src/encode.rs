//! The bytes of a results file: an export's CSV, compressed as the request asked.

use std::io::{self, Write};

use flate2::write::GzEncoder;

use crate::exports::{SavedQuery, Written, write_csv};
use crate::tenant::Tenant;

/// How a results file is compressed (Nexthink NQL API 1.2.0, export, `compression`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain CSV.
    None,
    /// One gzip member.
    Gzip,
    /// One Zstandard frame.
    Zstd {
        /// Whether the frame ends with a checksum of its content.
        checksum: bool,
    },
}

impl Compression {
    /// What the name of a results file ends with.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::None => "csv",
            Self::Gzip => "csv.gz",
            Self::Zstd { .. } => "csv.zst",
        }
    }
}

/// Speed before size: a simulated export is made twice, once to know its length and once to send it.
const ZSTD_LEVEL: i32 = 1;

/// Writes the results file of `query`. The same arguments give the same bytes.
///
/// # Errors
/// Those of `sink`.
pub fn write_results<W: Write>(
    tenant: &Tenant,
    query: SavedQuery,
    row_cap: Option<u64>,
    compression: Compression,
    mut sink: W,
) -> io::Result<Written> {
    match compression {
        Compression::None => {
            let written = write_csv(tenant, query, row_cap, &mut sink)?;
            sink.flush()?;
            Ok(written)
        }
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(sink, flate2::Compression::fast());
            let written = write_csv(tenant, query, row_cap, &mut encoder)?;
            encoder.finish()?.flush()?;
            Ok(written)
        }
        Compression::Zstd { checksum } => {
            let mut encoder = zstd::Encoder::new(sink, ZSTD_LEVEL)?;
            encoder.include_checksum(checksum)?;
            let written = write_csv(tenant, query, row_cap, &mut encoder)?;
            encoder.finish()?.flush()?;
            Ok(written)
        }
    }
}
