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
    /// Gzip, of one member or several.
    Gzip,
    /// None.
    None,
}

impl Compression {
    /// The compression of a file that begins with these bytes.
    pub fn of(first_bytes: &[u8]) -> Compression {
        match first_bytes {
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Compression::Zstd,
            [0x1F, 0x8B, ..] => Compression::Gzip,
            _ => Compression::None,
        }
    }

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
            Compression::None => "none",
        }
    }
}

/// Reads the file without its compression, and says which it had.
///
/// The reader fails at a frame or member that is cut or whose checksum is wrong.
///
/// # Errors
///
/// The first bytes cannot be read, or the decoder cannot be made.
pub fn reader<'a, R: BufRead + 'a>(mut file: R) -> io::Result<(Compression, Box<dyn Read + 'a>)> {
    let compression = Compression::of(file.fill_buf()?);
    let reader: Box<dyn Read + 'a> = match compression {
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Compression::None => Box::new(file),
    };
    Ok((compression, reader))
}
