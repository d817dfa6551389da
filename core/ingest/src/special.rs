//! Where the bytes that have a meaning in CSV stand in a block of 64: comma, quote and the two of line
//! ends. Found by operations on vectors.

use wide::u8x16;

/// The bytes that are looked at together.
pub(crate) const BLOCK_BYTES: usize = 64;

/// The special bytes of a block, each kind as a number with a bit for each byte, the lowest for the
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpecialBytes {
    /// Commas and line feeds.
    pub(crate) separators: u64,
    /// Line feeds.
    pub(crate) line_feeds: u64,
    /// Quotes and carriage returns, which most blocks lack.
    pub(crate) others: u64,
}

impl SpecialBytes {
    pub(crate) fn of(block: &[u8; BLOCK_BYTES]) -> Self {
        let mut found = Self { separators: 0, line_feeds: 0, others: 0 };
        for (position, quarter) in block.as_chunks::<16>().0.iter().enumerate() {
            let bytes = u8x16::new(*quarter);
            let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
            let bits = |mask: u8x16| u64::from(mask.to_bitmask()) << (16 * position);
            let line_feeds = is(b'\n');
            found.separators |= bits(is(b',') | line_feeds);
            found.line_feeds |= bits(line_feeds);
            found.others |= bits(is(b'"') | is(b'\r'));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_special_byte_is_found_and_nothing_else(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), proptest::sample::select(&b",\"\n\r-+!\x0B\x8A\xAC"[..])],
                BLOCK_BYTES,
            )
        ) {
            let bits = |kind: &[u8]| {
                let bytes = bytes.iter().enumerate().filter(|(_, byte)| kind.contains(byte));
                bytes.fold(0, |bits, (place, _)| bits | 1_u64 << place)
            };
            let expected = SpecialBytes {
                separators: bits(b",\n"),
                line_feeds: bits(b"\n"),
                others: bits(b"\"\r"),
            };
            let block = bytes.first_chunk().expect("it is a block");
            prop_assert_eq!(SpecialBytes::of(block), expected);
        }
    }
}
