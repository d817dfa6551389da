//! Text that would act instead of being shown: on a terminal, or in a spreadsheet.

use std::borrow::Cow;
use std::fmt::Write;

/// Shows control characters, and characters that turn the direction of text, as escapes: `\n`,
/// `\u{1b}`, `\u{202e}`. For people; the result cannot be read back, since `\` itself stays.
pub fn escape_for_terminal(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_terminal) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if acts_on_terminal(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// The same inside a line of JSON, where the escapes are part of the format and change no value.
pub(crate) fn escape_in_json(line: &str) -> Cow<'_, str> {
    if !line.contains(acts_on_terminal) {
        return Cow::Borrowed(line);
    }
    let mut escaped = String::with_capacity(line.len() + 8);
    for character in line.chars() {
        if acts_on_terminal(character) {
            // None of these characters is beyond U+FFFF, so four digits do.
            write!(escaped, "\\u{:04x}", u32::from(character)).expect("a String takes any text");
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Puts a `'` before text that a spreadsheet would run as a formula. The characters are those that
/// OWASP's page on CSV injection lists; spaces before them are no hindrance to a spreadsheet.
pub(crate) fn disarm_formula(text: &str) -> Cow<'_, str> {
    let starts_formula = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if text.trim_start_matches(' ').starts_with(starts_formula) {
        return Cow::Owned(format!("'{text}"));
    }
    Cow::Borrowed(text)
}

fn acts_on_terminal(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Marks, line separators, embeddings, overrides and isolates of the bidirectional algorithm.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown() {
        let table = [
            ("plain, Grüße 東京", "plain, Grüße 東京"),
            ("a\nb\tc", "a\\nb\\tc"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("cod\u{202e}exe", "cod\\u{202e}exe"),
        ];
        for (text, shown) in table {
            assert_eq!(escape_for_terminal(text), shown);
        }
    }

    #[test]
    fn json_escapes_keep_the_value() {
        assert_eq!(escape_in_json("{\"a\":\"x\u{202e}\u{9b}\"}"), "{\"a\":\"x\\u202e\\u009b\"}");
    }

    #[test]
    fn formulas_are_disarmed() {
        let table = [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2", "'-2"),
            ("\t=1", "'\t=1"),
            ("  =1", "'  =1"),
            ("a=1", "a=1"),
            ("", ""),
        ];
        for (text, written) in table {
            assert_eq!(disarm_formula(text), written);
        }
    }
}
