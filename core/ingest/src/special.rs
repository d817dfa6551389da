//! The places of the bytes that have a meaning in CSV: comma, quote and the two of line ends. Found in
//! blocks of 64 by operations on vectors.

use wide::u8x16;

/// The bytes that are looked at together.
const BLOCK: usize = 64;

/// The places of an input's special bytes, from the first to the last.
pub(crate) struct SpecialBytes<'a> {
    input: &'a [u8],
    /// Where the block begins that `mask` is about.
    block: usize,
    /// A bit for each byte of the block, the lowest for the first: whether it is special and was not
    /// given yet.
    mask: u64,
}

impl SpecialBytes<'_> {
    pub(crate) fn of(input: &[u8]) -> SpecialBytes<'_> {
        SpecialBytes { input, block: 0, mask: mask_at(input, 0) }
    }
}

impl Iterator for SpecialBytes<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            self.block += BLOCK;
            if self.block >= self.input.len() {
                return None;
            }
            self.mask = mask_at(self.input, self.block);
        }
        let place = self.block + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(place)
    }
}

/// The mask of the block that begins here; what is beyond the input is not special.
fn mask_at(input: &[u8], start: usize) -> u64 {
    let rest = &input[start..];
    if let Some(block) = rest.first_chunk::<BLOCK>() {
        return mask_of(block);
    }
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    mask_of(&block)
}

fn mask_of(block: &[u8; BLOCK]) -> u64 {
    let mut mask = 0;
    for (position, quarter) in block.as_chunks::<16>().0.iter().enumerate() {
        let bytes = u8x16::new(*quarter);
        let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
        let special = is(b',') | is(b'"') | is(b'\n') | is(b'\r');
        mask |= u64::from(special.to_bitmask()) << (16 * position);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_special_byte_is_found_once_and_nothing_else(
            input in proptest::collection::vec(
                prop_oneof![any::<u8>(), proptest::sample::select(&b",\"\n\r-+!\x0B\x8A\xAC"[..])],
                0..300,
            )
        ) {
            let found: Vec<usize> = SpecialBytes::of(&input).collect();
            let is_special = |&it: &usize| matches!(input[it], b',' | b'"' | b'\n' | b'\r');
            let expected: Vec<usize> = (0..input.len()).filter(is_special).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
