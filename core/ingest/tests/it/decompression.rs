//! Compressed files: complete, truncated, corrupted, mixed, and far larger than they look.

use std::io::{self, Read as _, Write as _};

use core_ingest::decoder::Decoder;
use core_ingest::decompress::{Caps, Compression, reader};
use core_ingest::rejection::RejectionReason;

/// A text that compresses to a few hundred bytes in several blocks.
fn text() -> Vec<u8> {
    let rows =
        (0..400).map(|number| format!("d-{number},name {},{}\n", number * 7919 % 1000, number % 3));
    format!("thing.uid,thing.name,thing.label\n{}", rows.collect::<String>()).into_bytes()
}

fn read(file: &[u8], caps: Caps) -> io::Result<(Compression, Vec<u8>)> {
    let (compression, mut reader) = reader(file, file.len() as u64, caps)?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map(|_| (compression, bytes))
}

/// The decoder's rejection of a file after decompression.
fn rejection(file: &[u8]) -> Option<RejectionReason> {
    let (_, bytes) = read(file, Caps::default()).expect("the compression is whole");
    let mut decoder = Decoder::default();
    let read = decoder.decode(&bytes).and_then(|_| decoder.finish());
    read.err().map(|rejection| rejection.reason)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes).expect("memory");
    writer.finish().expect("memory")
}

fn zstd_frame(bytes: &[u8], checksum: bool) -> Vec<u8> {
    let mut writer = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("a level");
    writer.include_checksum(checksum).expect("allowed");
    writer.write_all(bytes).expect("memory");
    writer.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd_frame(bytes, true)
}

#[test]
fn e9_the_compression_is_detected_from_the_bytes_and_one_layer_is_removed() {
    let text = text();
    let read_as = [
        (text.clone(), Compression::None),
        (gzip(&text), Compression::Gzip),
        (zstd(&text), Compression::Zstd),
        (zstd_frame(&text, false), Compression::ZstdWithoutChecksum),
    ];
    for (file, compression) in read_as {
        let (found, bytes) = read(&file, Caps::default()).expect("it is whole");
        assert_eq!(found, compression);
        assert!(bytes == text, "{}", compression.name());
        assert_eq!(rejection(&file), None);
    }
    let rejected = [
        (gzip(&gzip(&text)), RejectionReason::CompressedTwice),
        (gzip(&zstd(&text)), RejectionReason::CompressedTwice),
        (zstd(&gzip(&text)), RejectionReason::CompressedTwice),
        (b"<!doctype html><title>Sign in</title>".to_vec(), RejectionReason::Html),
    ];
    for (file, reason) in rejected {
        assert_eq!(rejection(&file), Some(reason));
    }
}

#[test]
fn e10_truncated_gzip_never_reads_as_complete() {
    let whole = gzip(&text());
    let positions = (0..200).map(|step| 2 + step * (whole.len() - 2) / 200);
    for length in positions.chain([1, 4, 8].map(|missing| whole.len() - missing)) {
        assert!(read(&whole[..length], Caps::default()).is_err(), "cut at {length}");
    }
    let mut wrong_checksum = whole.clone();
    let trailer = whole.len() - 8;
    wrong_checksum[trailer] ^= 1;
    assert!(read(&wrong_checksum, Caps::default()).is_err());
}

#[test]
fn e11_all_gzip_members_are_read_and_trailing_bytes_fail() {
    let text = text();
    let members = [gzip(&text[..1000]), gzip(&text[1000..])].concat();
    assert!(read(&members, Caps::default()).expect("two whole members").1 == text);
    let garbage = [gzip(&text), b"garbage".to_vec()].concat();
    assert!(read(&garbage, Caps::default()).is_err());
    assert_eq!(rejection(&gzip(b"")), Some(RejectionReason::Empty));
    assert_eq!(rejection(&zstd(b"")), Some(RejectionReason::Empty));
}

#[test]
fn e12_truncated_zstd_never_reads_as_complete() {
    let whole = zstd(&text());
    for length in 5..whole.len() {
        assert!(read(&whole[..length], Caps::default()).is_err(), "cut at {length}");
    }
}

/// Only the length of the download can reveal the cut: everything here is complete.
#[test]
fn e12_zstd_truncated_between_two_frames_reads_as_complete() {
    let text = text();
    let (first, second) = (zstd(&text[..1000]), zstd(&text[1000..]));
    assert!(read(&first, Caps::default()).expect("a frame").1 == text[..1000]);
    let both = [first, second].concat();
    assert!(read(&both, Caps::default()).expect("two frames").1 == text);
}

#[test]
fn e12_a_zstd_checksum_reveals_every_flipped_bit() {
    let text = text();
    let whole = zstd(&text);
    assert!(whole.len() * 8 > 295, "there are bits enough");
    for flip in 0..295 {
        let bit = flip * whole.len() * 8 / 295;
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // A changed magic number makes it a file of another kind, which is not CSV either.
        let found = read(&changed, Caps::default());
        let noticed = found
            .map_or(true, |(compression, bytes)| bytes == text || compression == Compression::None);
        assert!(noticed, "bit {bit}");
    }
}

#[test]
fn e12_zstd_without_a_checksum_is_reported_as_such() {
    let file = zstd_frame(&text(), false);
    let (compression, _) = read(&file, Caps::default()).expect("it is whole");
    assert_eq!(compression.name(), "zstd without checksum");
}

#[test]
fn e12_unusual_frames_are_skipped_or_rejected() {
    let text = text();
    let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let after = [zstd(&text), skippable.clone()].concat();
    assert!(read(&after, Caps::default()).expect("nothing is lost").1 == text);
    // As the first bytes it hides the frame after it.
    let before = [skippable, zstd(&text)].concat();
    assert_eq!(read(&before, Caps::default()).expect("taken as it is").0, Compression::None);
    assert_ne!(rejection(&before), None);
    // A frame that needs a dictionary, and one with a window of 2^28 bytes (RFC 8878, 3.1.1.1).
    let magic = [0x28, 0xB5, 0x2F, 0xFD];
    let last_raw_block = [0x21, 0, 0, b'a', b'b', b'c', b'd'];
    let dictionary = [&magic[..], &[0x01, 0x58, 7], &last_raw_block].concat();
    let window = [&magic[..], &[0x00, (28 - 10) << 3], &last_raw_block].concat();
    let plain = [&magic[..], &[0x00, (20 - 10) << 3], &last_raw_block].concat();
    assert_eq!(read(&plain, Caps::default()).expect("a frame made by hand").1, b"abcd");
    assert!(read(&dictionary, Caps::default()).is_err());
    assert!(read(&window, Caps::default()).is_err());
}

#[test]
fn e13_a_file_that_grows_beyond_its_caps_is_rejected() {
    let mebibyte = vec![b'a'; 1 << 20];
    for bomb in [zstd(&mebibyte).repeat(80), gzip(&mebibyte).repeat(80)] {
        let (_, mut grown) = reader(&bomb[..], bomb.len() as u64, Caps::default()).expect("a file");
        let (mut chunk, mut bytes) = (vec![0; 64 << 10], 0);
        let rejected = loop {
            match grown.read(&mut chunk) {
                Ok(0) => break false,
                Ok(read) => bytes += read,
                Err(_) => break true,
            }
        };
        assert!(rejected, "the ratio is beyond measure");
        assert!(bytes <= 64 << 20, "{bytes} bytes came before it was refused");
        // Nested compression stays closed.
        assert_eq!(rejection(&zstd(&bomb)), Some(RejectionReason::CompressedTwice));
        let loose = Caps { ratio: u64::MAX, bytes: 80 << 20 };
        let (_, mut grown) = reader(&bomb[..], bomb.len() as u64, loose).expect("a file");
        assert_eq!(io::copy(&mut grown, &mut io::sink()).expect("allowed"), 80 << 20);
    }
    let text = text();
    let size = text.len() as u64;
    assert!(read(&text, Caps { bytes: size - 1, ..Caps::default() }).is_err());
    assert!(read(&text, Caps { bytes: size, ..Caps::default() }).is_ok());
}

#[test]
fn e14_an_empty_file_is_rejected() {
    assert_eq!(rejection(b""), Some(RejectionReason::Empty));
    assert_eq!(rejection(b"\xEF\xBB\xBF"), Some(RejectionReason::Empty));
}
