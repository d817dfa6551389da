//! Numbers in words, for messages.

/// Returns a number of things in words: `1 row`, `2 rows`. The plural adds an `s`.
pub fn count(number: impl TryInto<u64>, noun: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        number => format!("{number} {}", plural(noun)),
    }
}

/// Returns the plural of a noun, or of the first noun of a phrase with `of` in it.
pub fn plural(phrase: &str) -> String {
    let (noun, rest) = match phrase.split_once(" of ") {
        Some((noun, rest)) => (noun, format!(" of {rest}")),
        None => (phrase, String::new()),
    };
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies{rest}"),
        _ => format!("{noun}s{rest}"),
    }
}

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

/// Returns a number of seconds in the largest unit that fits twice.
pub fn age(seconds: u64) -> String {
    match (seconds / (24 * 3600), seconds / 3600, seconds / 60) {
        (days @ 2.., ..) => format!("{days} days"),
        (_, hours @ 2.., _) => format!("{hours} hours"),
        (.., minutes @ 2..) => format!("{minutes} minutes"),
        _ => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_the_largest_unit_that_fits_twice() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7199, "119 minutes"),
            (7200, "2 hours"),
            (48 * 3600 - 1, "47 hours"),
            (48 * 3600, "2 days"),
        ] {
            assert_eq!(age(seconds), expected);
        }
    }

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

    #[test]
    fn p10_one_thing_is_counted_in_the_singular() {
        let table = [
            (0_u64, "row", "0 rows"),
            (1, "row", "1 row"),
            (2, "row", "2 rows"),
            (1, "entry", "1 entry"),
            (2, "entry", "2 entries"),
            (2, "key", "2 keys"),
            (1, "cell of name", "1 cell of name"),
            (3, "cell of name", "3 cells of name"),
            (3, "entity of another type", "3 entities of another type"),
        ];
        for (number, noun, expected) in table {
            assert_eq!(count(number, noun), expected);
        }
    }
}
