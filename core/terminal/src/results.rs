//! Results as they are printed: what would steer a terminal is escaped, and the line ends stay.

use std::io::{self, Write};

use crate::escape::escape_in_json;

/// Returns a result without what would steer a terminal. Line ends, those of CSV too (RFC 4180), and tabs stay: they are
/// the result's own, since texts of others have theirs escaped.
pub fn escape_result(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for piece in text.split_inclusive(['\n', '\t']) {
        let content = piece.strip_suffix("\r\n").unwrap_or(piece);
        let content = content.trim_end_matches(['\n', '\t']);
        escaped.push_str(&escape_in_json(content));
        escaped.push_str(&piece[content.len()..]);
    }
    escaped
}

/// The bytes that an [`EscapingWriter`] holds before it writes the lines among them.
const HELD_BYTES: usize = 64 * 1024;

/// Writes a result as [`escape_result`] makes it. What is written must be text, and goes on in whole lines; flush it at
/// its end.
pub struct EscapingWriter<Out> {
    out: Out,
    held: Vec<u8>,
}

impl<Out: Write> EscapingWriter<Out> {
    /// Writes to `out`, whose errors are ignored: a closed pipe is the reader's choice.
    pub fn new(out: Out) -> Self {
        Self { out, held: Vec::new() }
    }

    /// Writes the first bytes that are held.
    fn print(&mut self, bytes: usize) {
        let text = String::from_utf8_lossy(&self.held[..bytes]);
        let _ = self.out.write_all(escape_result(&text).as_bytes());
        self.held.drain(..bytes);
    }
}

impl<Out: Write> Write for EscapingWriter<Out> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= HELD_BYTES
            && let Some(end) = self.held.iter().rposition(|byte| *byte == b'\n')
        {
            self.print(end + 1);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.print(self.held.len());
        self.out.flush()
    }
}

/// Returns whether a terminal can colour and redraw lines, by the variable `TERM`.
pub fn can_redraw(is_terminal: bool, term: &str) -> bool {
    is_terminal && term != "dumb"
}

/// Returns true if a text may have colours: `NO_COLOR` turns them off, `CLICOLOR_FORCE` on, and without either a terminal
/// that can show them has them.
pub fn wants_colors(no_color: &str, force: &str, is_capable: bool) -> bool {
    no_color.is_empty() && (!matches!(force, "" | "0") || is_capable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_redrawn_on_a_terminal_that_is_not_dumb() {
        for (is_terminal, term, expected) in [
            (true, "xterm", true),
            (true, "", true),
            (true, "dumb", false),
            (false, "xterm", false),
        ] {
            assert_eq!(can_redraw(is_terminal, term), expected, "{is_terminal} {term}");
        }
    }

    #[test]
    fn line_ends_of_csv_stay_and_what_would_steer_a_terminal_is_escaped() {
        for (text, expected) in [
            ("a,b\r\n1,2\r\n", "a,b\r\n1,2\r\n"),
            ("a\n\tb\n\n", "a\n\tb\n\n"),
            ("a\rb\r", "a\\u000db\\u000d"),
            ("a\r\r\n", "a\\u000d\r\n"),
            ("\u{1b}[2J", "\\u001b[2J"),
        ] {
            assert_eq!(escape_result(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_piece_by_piece_is_escaped_as_a_whole_would_be() {
        let line = "é\u{1b}[2J\r\n\tx\u{202e}\n".repeat(HELD_BYTES / 8);
        for size in [1, 7, 4096, HELD_BYTES + 1] {
            let mut writer = EscapingWriter::new(Vec::new());
            for piece in line.as_bytes().chunks(size) {
                writer.write_all(piece).expect("it takes all");
                assert!(writer.held.len() <= HELD_BYTES + size, "{size}");
            }
            writer.flush().expect("it takes all");
            assert!(writer.out == escape_result(&line).as_bytes(), "{size}");
        }
    }

    #[test]
    fn colours_are_forbidden_then_forced_then_a_matter_of_the_terminal() {
        for (no_color, force, is_capable, expected) in [
            ("", "", true, true),
            ("", "", false, false),
            ("", "1", false, true),
            ("", "0", false, false),
            ("", "0", true, true),
            ("1", "", true, false),
            ("1", "1", true, false),
            ("0", "", true, false),
        ] {
            let colored = wants_colors(no_color, force, is_capable);
            assert_eq!(colored, expected, "NO_COLOR={no_color} CLICOLOR_FORCE={force}");
        }
    }
}
