//! Guesses from an export's error description whether the same export may work a minute later.
//!
//! Nexthink documents no list of descriptions. A wrong guess costs one more of the day's exports,
//! or leaves it to the next run.

/// Words of a failure that is over soon.
const WORDS: [&str; 7] =
    ["overloaded", "temporarily", "temporary", "timeout", "timeouts", "unavailable", "unreachable"];

/// The same as two words in a row.
const PAIRS: [[&str; 2]; 3] = [["time", "out"], ["timed", "out"], ["try", "again"]];

/// Returns true if a description sounds like a failure that is over soon.
pub(crate) fn is_transient(description: &str) -> bool {
    let description = description.to_lowercase();
    // Whole words: "time outside of the retention" is no time-out.
    let split = description.split(|character: char| !character.is_alphanumeric());
    let words: Vec<&str> = split.filter(|word| !word.is_empty()).collect();
    words.iter().any(|word| WORDS.contains(word))
        || words.windows(2).any(|pair| PAIRS.iter().any(|known| known == pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_only_what_sounds_transient_is_transient() {
        for (description, expected) in [
            ("Query timeout", true),
            ("Execution timed out after 300 s.", true),
            ("time-out", true),
            ("TIME OUT", true),
            ("Service Unavailable", true),
            ("the service is temporarily overloaded", true),
            ("Something went wrong. Please try again later.", true),
            ("time outside of the retention", false),
            ("field timeout_ms2 is not known", true),
            ("field timeoutlimit is not known", false),
            ("syntax error in line 3", false),
            ("the query does not exist", false),
            ("no reason given", false),
            ("completed, but without a results link", false),
            ("", false),
        ] {
            assert_eq!(is_transient(description), expected, "{description:?}");
        }
    }
}
