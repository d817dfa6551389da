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
    fn default() -> Caps {
        Caps { bytes: 16 << 30, ratio: 250 }
    }
}

/// Below this many bytes a high ratio does no harm.
const RATIO_COUNTS_FROM: u64 = 64 << 20;

/// Reads the file without its compression, and says which it had.
///
/// The reader fails at a frame or member that is cut or whose checksum is wrong, and at what
/// exceeds the caps. `file_bytes` is the size of the file.
///
/// # Errors
///
/// The first bytes cannot be read, or the decoder cannot be made.
pub fn reader<'a, R: BufRead + 'a>(
    mut file: R,
    file_bytes: u64,
    caps: Caps,
) -> io::Result<(Compression, Box<dyn Read + 'a>)> {
    let compression = Compression::of(file.fill_buf()?);
    let reader: Box<dyn Read + 'a> = match compression {
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TEXT: &[u8] = b"a,b\n1,2\n";

    fn read(file: &[u8], caps: Caps) -> io::Result<(Compression, Vec<u8>)> {
        let (compression, mut reader) = reader(file, file.len() as u64, caps)?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| (compression, bytes))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(bytes).expect("memory");
        writer.finish().expect("memory")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut writer = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("a level");
        writer.include_checksum(true).expect("allowed");
        writer.write_all(bytes).expect("memory");
        writer.finish().expect("memory")
    }

    #[test]
    fn a_file_is_read_whatever_its_compression() {
        let members = [gzip(TEXT), gzip(TEXT)].concat();
        let frames = [zstd(TEXT), zstd(TEXT)].concat();
        let table = [
            (TEXT.to_vec(), Compression::None, TEXT.to_vec()),
            (gzip(TEXT), Compression::Gzip, TEXT.to_vec()),
            (zstd(TEXT), Compression::Zstd, TEXT.to_vec()),
            (members, Compression::Gzip, TEXT.repeat(2)),
            (frames, Compression::Zstd, TEXT.repeat(2)),
        ];
        for (file, compression, bytes) in table {
            assert_eq!(read(&file, Caps::default()).expect("it is whole"), (compression, bytes));
        }
    }

    #[test]
    fn a_file_that_is_cut_or_changed_is_never_read_to_its_end() {
        for whole in [gzip(TEXT), zstd(TEXT)] {
            for length in 4..whole.len() {
                assert!(read(&whole[..length], Caps::default()).is_err(), "cut at {length}");
            }
            let mut changed = whole.clone();
            let last = changed.len() - 1;
            changed[last] ^= 1;
            assert!(read(&changed, Caps::default()).is_err(), "the checksum is wrong");
        }
    }

    #[test]
    fn a_file_that_grows_beyond_its_caps_is_refused() {
        let bomb = zstd(&vec![b'a'; 80 << 20]);
        assert!(read(&bomb, Caps::default()).is_err(), "the ratio is beyond measure");
        let loose = Caps { ratio: u64::MAX, ..Caps::default() };
        assert!(read(&bomb, loose).is_ok());
        assert!(read(TEXT, Caps { bytes: 7, ..Caps::default() }).is_err());
        assert!(read(TEXT, Caps { bytes: 8, ..Caps::default() }).is_ok());
    }
}
