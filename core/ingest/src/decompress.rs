//! Which compression a file has, by its first bytes, and its bytes without it.
//!
//! Nexthink compresses an export as asked for (ZSTD, GZIP, NONE; Nexthink NQL API 1.2.0, export), but
//! documents neither a file name nor a header that would say so.

use std::io::{self, BufRead, Read};

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// Zstandard without a checksum of its content: a bit that has changed may go unnoticed, so that
    /// only the way here vouches for it.
    ZstdWithoutChecksum,
    /// Gzip, of one member or several.
    Gzip,
    /// None.
    None,
}

impl Compression {
    /// The compression of a file that begins with these bytes.
    pub fn of(first_bytes: &[u8]) -> Self {
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

/// How much a file may grow when it is decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// The most bytes without compression.
    pub bytes: u64,
    /// The most bytes without compression for each compressed one, once there are more than 64 MiB.
    pub ratio: u64,
}

impl Default for Caps {
    /// 16 GiB; 250 for one, which is ten times what an export has.
    fn default() -> Self {
        Self { bytes: 16 << 30, ratio: 250 }
    }
}

/// Below this many bytes a high ratio does no harm.
const RATIO_COUNTS_FROM: u64 = 64 << 20;

/// Reads the file without its compression, and says which it had. One layer is taken off; what is
/// compressed within is for the decoder to refuse.
///
/// The reader fails at a frame or member that is cut or whose checksum is wrong, and at what
/// exceeds the caps. `file_bytes` is the size of the file.
///
/// # Errors
///
/// The first bytes cannot be read, or the decoder cannot be made.
pub fn reader<'a, R: BufRead + Send + 'a>(
    mut file: R,
    file_bytes: u64,
    caps: Caps,
) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
    let compression = Compression::of(file.fill_buf()?);
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

/// A reader that fails when more comes than may come.
struct Capped<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let Some(left) = self.left.checked_sub(read as u64) else {
            let reason = "it grows beyond all measure when decompressed";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        };
        self.left = left;
        Ok(read)
    }
}
