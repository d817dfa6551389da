//! The positions of CSV delimiters in a block of 64 bytes: comma, quote and the two line-end
//! characters. Found with vector instructions.

use wide::u8x16;

/// The number of bytes in a block.
pub(crate) const BLOCK_BYTES: usize = 64;

/// The delimiters of a block: one number per kind with a bit for each byte, the lowest bit for the
/// first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DelimiterBits {
    /// Commas and line feeds.
    pub(crate) separators: u64,
    /// Line feeds.
    pub(crate) line_feeds: u64,
    /// Quotes and carriage returns, which most blocks lack.
    pub(crate) others: u64,
}

impl DelimiterBits {
    pub(crate) fn scan(block: &[u8; BLOCK_BYTES]) -> Self {
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
        fn every_delimiter_is_found_and_no_other_byte(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), proptest::sample::select(&b",\"\n\r-+!\x0B\x8A\xAC"[..])],
                BLOCK_BYTES,
            )
        ) {
            let bits = |kind: &[u8]| {
                let bytes = bytes.iter().enumerate().filter(|(_, byte)| kind.contains(byte));
                bytes.fold(0, |bits, (place, _)| bits | 1_u64 << place)
            };
            let expected = DelimiterBits {
                separators: bits(b",\n"),
                line_feeds: bits(b"\n"),
                others: bits(b"\"\r"),
            };
            let block = bytes.first_chunk().expect("64 bytes");
            prop_assert_eq!(DelimiterBits::scan(block), expected);
        }
    }
}
