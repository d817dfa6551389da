//! Escapes of what a terminal would act on instead of showing it.

use std::borrow::Cow;
use std::fmt::Write;

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

/// Returns whether a character steers a terminal, turns the direction of text, or has no width, so that
/// two different texts look alike. Combining marks are left alone: languages need them.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Soft hyphen, grapheme joiner, Arabic letter mark, invisible letters and vowels.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            // Mongolian separator; zero-width spaces and joiners, directional marks.
            | '\u{180e}' | '\u{200b}'..='\u{200f}'
            // Line separators, embeddings and overrides; invisible operators and isolates.
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Hangul fillers, byte order mark, annotations, invisible tags.
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
        )
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
