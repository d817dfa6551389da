//! Detection of a file's compression by its first bytes, and decompression.
//!
//! Nexthink compresses an export as requested (ZSTD, GZIP, NONE; Nexthink NQL API 1.2.0, export),
//! but documents neither a file name nor a header that states it.

use std::io::{self, BufRead, Read};

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// Zstandard without a content checksum. A flipped bit may go unnoticed, so only the transport
    /// guarantees the content.
    ZstdWithoutChecksum,
    /// Gzip, of one member or several.
    Gzip,
    /// No compression.
    None,
}

impl Compression {
    /// Detects the compression of a file from its first bytes.
    pub fn detect(first_bytes: &[u8]) -> Self {
        match first_bytes {
            // The third bit of the frame's descriptor announces the checksum (RFC 8878, 3.1.1.1.1).
            [0x28, 0xB5, 0x2F, 0xFD, descriptor, ..] if descriptor & 4 == 0 => {
                Self::ZstdWithoutChecksum
            }
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstd,
            [0x1F, 0x8B, ..] => Self::Gzip,
            _ => Self::None,
        }
    }

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::ZstdWithoutChecksum => "zstd without checksum",
            Self::Gzip => "gzip",
            Self::None => "none",
        }
    }
}

/// Limits on how much a file may grow when it is decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// The most decompressed bytes.
    pub bytes: u64,
    /// The most decompressed bytes per compressed byte, which counts only above 64 MiB.
    pub ratio: u64,
}

impl Default for Caps {
    /// 16 GiB, and a ratio of 250, which is ten times that of a real export.
    fn default() -> Self {
        Self { bytes: 16 << 30, ratio: 250 }
    }
}

/// The number of decompressed bytes below which a high ratio does no harm.
const RATIO_COUNTS_FROM: u64 = 64 << 20;

/// Detects the compression of a file and returns a reader of the decompressed bytes. One layer is
/// removed; the decoder rejects a file that is compressed twice.
///
/// The reader fails at a truncated frame or member, at a wrong checksum, and above the caps.
/// `file_bytes` is the size of the file.
///
/// # Errors
///
/// The first bytes cannot be read, or the decompressor cannot be created.
pub fn reader<'a, R: BufRead + Send + 'a>(
    mut file: R,
    file_bytes: u64,
    caps: Caps,
) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
    let compression = Compression::detect(file.fill_buf()?);
    let reader: Box<dyn Read + Send + 'a> = match compression {
        Compression::Zstd | Compression::ZstdWithoutChecksum => {
            Box::new(zstd::stream::read::Decoder::with_buffer(file)?)
        }
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Compression::None => Box::new(file),
    };
    let by_ratio = file_bytes.saturating_mul(caps.ratio).max(RATIO_COUNTS_FROM);
    Ok((compression, Box::new(Capped { reader, left: caps.bytes.min(by_ratio) })))
}

/// A reader that fails when more bytes come than allowed.
struct Capped<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let Some(left) = self.left.checked_sub(read as u64) else {
            let reason = "it grows far beyond the size of an export when decompressed";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        };
        self.left = left;
        Ok(read)
    }
}
