//! Escapes of what a terminal would act on instead of showing it.

use std::borrow::Cow;
use std::fmt::Write;

use crate::is_hidden;

/// Shows control, bidirectional and zero-width characters as escapes: `\n`, `\u{1b}`, `\u{202e}`.
/// For people; the result cannot be read back, since `\` itself stays.
pub fn escape_for_terminal(text: &str) -> Cow<'_, str> {
    escape(text, |character, escaped| escaped.extend(character.escape_default()))
}

/// Writes the same characters as escapes of JSON, which change no value.
pub fn escape_in_json(line: &str) -> Cow<'_, str> {
    escape(line, |character, escaped| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(escaped, "\\u{unit:04x}").expect("a String takes any text");
        }
    })
}

fn escape(text: &str, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hidden(character) {
            write(character, &mut escaped);
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q6_a_terminal_shows_what_would_steer_it_or_be_invisible() {
        let table = [
            ("plain, Grüße 東京 e\u{301}", "plain, Grüße 東京 e\u{301}"),
            ("a\nb\tc", "a\\nb\\tc"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("cod\u{202e}exe", "cod\\u{202e}exe"),
            ("ad\u{200b}min\u{feff}", "ad\\u{200b}min\\u{feff}"),
            ("a\u{fff0}\u{1d173}\u{e01f0}", "a\\u{fff0}\\u{1d173}\\u{e01f0}"),
            // They choose a picture of the character before them, and no text is read without them.
            ("❤\u{fe0f} 葛\u{e0100}", "❤\u{fe0f} 葛\u{e0100}"),
            ("pass\u{ad}word\u{2060}\u{e0041}", "pass\\u{ad}word\\u{2060}\\u{e0041}"),
        ];
        for (text, shown) in table {
            assert_eq!(escape_for_terminal(text), shown);
        }
    }

    #[test]
    fn escapes_of_json_keep_the_value() {
        let line = "{\"a\":\"x\u{202e}\u{9b}\u{200b}\u{e0041}\"}";
        assert_eq!(escape_in_json(line), "{\"a\":\"x\\u202e\\u009b\\u200b\\udb40\\udc41\"}");
    }
}
