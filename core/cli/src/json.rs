//! Tells whether a command line asks for JSON.

use std::ffi::OsString;

use clap::Error;

/// Returns true if a command line asks for JSON, also one that cannot be parsed: a program that reads the output
/// then gets one object that says why.
pub fn asks_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let words: Vec<String> =
        arguments.skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words = words.split(|word| word == "--").next().unwrap_or_default();
    let mut values = words.iter().enumerate().filter_map(|(at, word)| match word.as_str() {
        "--output" | "-o" | "--format" => words.get(at + 1).map(String::as_str),
        "--json" => Some("json"),
        word => {
            ["--output=", "--format=", "-o=", "-o"].iter().find_map(|flag| word.strip_prefix(flag))
        }
    });
    match values.next_back() {
        Some(format) => ["json", "ndjson"].contains(&format),
        // The one command that prints JSON unless another format is named.
        None => words.iter().any(|word| word == "retrieve"),
    }
}

/// Returns the message about a command line that cannot be used, without the usage, as one line.
pub fn message(error: &Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p2_json_is_asked_for_in_every_way_that_the_options_allow() {
        let table = [
            ("run --output json", true),
            ("run --output=json", true),
            ("run -o json", true),
            ("run -ojson", true),
            ("run -o=json --nonsense", true),
            ("query -o ndjson", true),
            ("check --json", true),
            ("plan --format json", true),
            ("plan --format=json", true),
            ("privacy retrieve --user x", true),
            ("privacy retrieve --user x --output html", false),
            ("run --output table", false),
            ("run --output", false),
            ("run", false),
            ("query -- --json", false),
        ];
        for (line, expected) in table {
            let words = ["program"].into_iter().chain(line.split(' ')).map(OsString::from);
            assert_eq!(asks_for_json(words), expected, "{line}");
        }
    }

    #[test]
    fn p2_a_missing_argument_is_named_in_one_line() {
        let error = crate::parse(["program", "privacy", "retrieve"].map(OsString::from), "");
        let message = message(&error.expect_err("no person is named"));
        assert!(message.contains("not provided: <--user"), "{message}");
        assert!(!message.contains('\n') && !message.contains("Usage"), "{message}");
    }
}
