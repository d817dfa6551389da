//! Arguments on standard input. Every user of a machine can read the arguments of its processes, and the system limits
//! their length.

use std::ffi::OsString;
use std::io::Read;

/// The last argument of a command whose further arguments are on its standard input, as a list of texts in JSON.
pub(crate) const ON_STDIN: &str = "--arguments-on-stdin";

/// The most bytes of arguments on standard input: a line of a client, with the characters that JSON escapes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Returns the arguments of this process, with those on its standard input if the last one says so. If they cannot be
/// read, that argument stays, which no command takes.
pub fn whole_arguments(
    arguments: impl Iterator<Item = OsString>,
    input: impl Read,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    if arguments.last().is_some_and(|last| last == ON_STDIN)
        && let Ok(more) = serde_json::from_reader::<_, Vec<String>>(input.take(MAX_BYTES))
    {
        arguments.pop();
        arguments.extend(more.into_iter().map(OsString::from));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_from_standard_input_only_if_the_last_one_says_so() {
        for (given, input, expected) in [
            ("a b", "[\"c\"]", "a b"),
            ("a --arguments-on-stdin b", "[\"c\"]", "a --arguments-on-stdin b"),
            ("a --arguments-on-stdin", "[\"b\", \"c d\"]", "a b c d"),
            ("a --arguments-on-stdin", "{}", "a --arguments-on-stdin"),
        ] {
            let arguments = whole_arguments(given.split(' ').map(OsString::from), input.as_bytes());
            assert_eq!(arguments.join(" ".as_ref()), expected, "{given}: {input}");
        }
    }
}
