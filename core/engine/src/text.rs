//! Numbers in words, for messages.

pub use core_terminal::{count, plural};

/// Returns a number of bytes in the largest unit that keeps it above one.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_largest_unit() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (1999, "1.9 KB"),
            (999_999, "999.9 KB"),
            (1_000_000, "1.0 MB"),
            (4_321_000_000, "4.3 GB"),
            (u64::MAX, "18446744.0 TB"),
        ];
        for (size, expected) in table {
            assert_eq!(bytes(size), expected);
        }
    }
}
