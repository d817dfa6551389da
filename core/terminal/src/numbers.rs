//! Numbers of things in words.

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

#[cfg(test)]
mod tests {
    use super::*;

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
