//! Makes text from outside fit for a message: control characters escaped, links left out, length capped.

use std::fmt::Write as _;

/// The first `cap` characters of `text`, with everything escaped that could move a cursor, end a
/// line or reorder the text on a terminal; `…` says that something was cut off.
pub(crate) fn escaped(text: &str, cap: usize) -> String {
    let mut shown = String::new();
    for character in text.chars().take(cap) {
        // `escape_debug` also escapes quotes and backslashes, which do no harm in a message.
        if matches!(character, '"' | '\'' | '\\') {
            shown.push(character);
        } else {
            write!(shown, "{}", character.escape_debug()).expect("writing to a string cannot fail");
        }
    }
    if text.chars().nth(cap).is_some() {
        shown.push('…');
    }
    shown
}

/// The text without the words that have an address, or a part of a signed one: whoever has the link can read the file.
pub(crate) fn without_links(text: &str) -> String {
    let has_link = |word: &str| word.contains("://") || word.to_lowercase().contains("x-amz-");
    let mut shown = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let rest = word.trim_end();
        if has_link(rest) {
            shown.push_str("(a link)");
            shown.push_str(&word[rest.len()..]);
        } else {
            shown.push_str(word);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{escaped, without_links};

    #[test]
    fn a_link_is_left_out_wherever_it_is() {
        for (text, expected) in [
            ("no row", "no row"),
            ("", ""),
            (
                "cannot write https://b.example/a?X-Amz-Signature=c0 now",
                "cannot write (a link) now",
            ),
            ("denied:\tx-amz-signature=c0\n", "denied:\t(a link)\n"),
        ] {
            assert_eq!(without_links(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        for (text, expected) in [
            ("plain text", "plain text"),
            ("it's a \"quote\"", "it's a \"quote\""),
            ("line\nbreak", "line\\nbreak"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("right\u{202e}left", "right\\u{202e}left"),
            ("Zürich", "Zürich"),
        ] {
            assert_eq!(escaped(text, 100), expected);
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(escaped("abcdef", 3), "abc…");
        assert_eq!(escaped("abc", 3), "abc");
    }
}
