//! Bit packing of small numbers: Parquet's hybrid of runs and packed groups of eight (Apache
//! Parquet format, "Run Length Encoding / Bit-Packing Hybrid").

/// The shortest run of one number that is written as a run.
const MIN_RUN: usize = 16;

/// The number of bits for every number below this one. At least one, since not every reader accepts
/// zero.
pub(crate) fn width_of(numbers: usize) -> u8 {
    let largest = numbers.saturating_sub(1).max(1);
    u8::try_from(usize::BITS - largest.leading_zeros()).expect("at most 64")
}

/// Appends numbers of at most this many bits.
pub(crate) fn pack(numbers: &[u32], width: u8, packed: &mut Vec<u8>) {
    packed.reserve(numbers.len() * usize::from(width) / 8 + 16);
    let (mut at, mut group_start) = (0, 0);
    while at < numbers.len() {
        let number = numbers[at];
        let run = numbers[at..].iter().take_while(|other| **other == number).count();
        // Groups have eight numbers, so the first numbers of a run may have to fill up the last
        // group.
        let fill = (group_start..at).len().next_multiple_of(8) - (at - group_start);
        if run >= MIN_RUN {
            push_groups(&numbers[group_start..at + fill], width, packed);
            push_length((run - fill) << 1, packed);
            packed.extend_from_slice(&number.to_le_bytes()[..usize::from(width).div_ceil(8)]);
            group_start = at + run;
        }
        at += run;
    }
    push_groups(&numbers[group_start..], width, packed);
}

/// Appends packed numbers; the last group of eight is filled up with zeros.
fn push_groups(numbers: &[u32], width: u8, packed: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(8);
    push_length(groups << 1 | 1, packed);
    let end = packed.len() + groups * usize::from(width);
    let (mut bits, mut n_bits) = (0_u64, 0);
    for &number in numbers {
        bits |= u64::from(number) << n_bits;
        n_bits += u32::from(width);
        if n_bits >= 32 {
            packed.extend_from_slice(&bits.to_le_bytes()[..4]);
            bits >>= 32;
            n_bits -= 32;
        }
    }
    packed.extend_from_slice(&bits.to_le_bytes());
    packed.resize(end, 0);
}

/// Appends a length, seven bits in a byte, the lowest first.
fn push_length(mut length: usize, packed: &mut Vec<u8>) {
    while length > 0x7F {
        packed.push(u8::try_from(length & 0x7F).expect("seven bits") | 0x80);
        length >>= 7;
    }
    packed.push(u8::try_from(length).expect("seven bits"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(numbers: &[u32], width: u8) -> Vec<u8> {
        let mut packed = Vec::new();
        pack(numbers, width, &mut packed);
        packed
    }

    #[test]
    fn the_example_of_the_specification_is_packed_as_documented() {
        let numbers: Vec<u32> = (0..8).collect();
        assert_eq!(packed(&numbers, 3), [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }

    #[test]
    fn a_run_is_its_length_and_its_number() {
        assert_eq!(packed(&[5; 300], 11), [0xD8, 0x04, 5, 0]);
    }

    #[test]
    fn a_run_fills_the_group_before_it() {
        let numbers = [[1, 0, 1].as_slice(), &[1; 20]].concat();
        // Eight numbers packed, then the remaining fifteen.
        assert_eq!(packed(&numbers, 1), [0b11, 0b1111_1101, 30, 1]);
    }

    #[test]
    fn widths_hold_the_largest_number() {
        let widths = [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)];
        for (numbers, width) in widths {
            assert_eq!(width_of(numbers), width, "{numbers}");
        }
    }
}
