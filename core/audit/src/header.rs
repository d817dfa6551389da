//! The documented beginning of an event, `[source|category|code|account]`, wherever it stands in a
//! line (Nexthink, audit trail codes).

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memmem};

/// The number of brackets of a line that are tried, so that a line of brackets costs no more than any other.
const MAX_BRACKETS: usize = 8;
/// The longest header, in bytes.
const MAX_HEADER: usize = 4096;

/// Where the parts of a header are in its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The opening bracket.
    pub(crate) start: usize,
    pub(crate) source: Range<usize>,
    pub(crate) category: Range<usize>,
    pub(crate) code: u32,
    pub(crate) account: Range<usize>,
    /// The first byte after the closing bracket.
    pub(crate) end: usize,
}

/// The first header of the first line.
pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    let line = &bytes[..memchr(b'\n', bytes).unwrap_or(bytes.len())];
    memchr_iter(b'[', line).take(MAX_BRACKETS).find_map(|start| header_at(line, start))
}

fn header_at(line: &[u8], start: usize) -> Option<Header> {
    let inside = start + 1;
    let text = &line[inside..line.len().min(inside + MAX_HEADER)];
    // A name may have a separator in it: the code is the first field that is one, and has two before
    // and one after it. A bracket before the code belongs to something else.
    let (mut before, mut field) = (0, 0);
    for (fields, bar) in memchr_iter(b'|', text).enumerate() {
        if fields >= 2
            && let Some(code) = code(&text[field..bar])
        {
            if memchr2(b'[', b']', &text[..field]).is_some() {
                return None;
            }
            let account = bar + 1;
            let end = account + account_end(&text[account..])?;
            return Some(Header {
                start,
                source: inside..inside + before - 1,
                category: inside + before..inside + field - 1,
                code,
                account: inside + account..inside + end,
                end: inside + end + 1,
            });
        }
        (before, field) = (field, bar + 1);
    }
    None
}

/// A number of three to seven digits.
fn code(field: &[u8]) -> Option<u32> {
    let is_number = (3..=7).contains(&field.len()) && field.iter().all(u8::is_ascii_digit);
    is_number.then(|| str::from_utf8(field).ok()?.parse().ok())?
}

/// The bracket that ends the account: one that cannot be in a name, otherwise the last one.
fn account_end(text: &[u8]) -> Option<usize> {
    let spaced = memmem::find(text, b"] ");
    let timed = memmem::find(text, b"]:[");
    let first = [spaced, timed].into_iter().flatten().min();
    first.or_else(|| text.iter().rposition(|byte| *byte == b']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> Option<[String; 5]> {
        let it = header(line.as_bytes())?;
        let text = |range: Range<usize>| line[range].to_owned();
        Some([
            text(it.source),
            text(it.category),
            it.code.to_string(),
            text(it.account),
            line[it.end..].to_owned(),
        ])
    }

    #[test]
    fn headers_are_found_whatever_is_before_them_and_in_their_names() {
        let table = [
            ("[Portal|LOGIN|20101|anna] text", ["Portal", "LOGIN", "20101", "anna", " text"]),
            ("[Portal|SYSTEM|20001|*system] up", ["Portal", "SYSTEM", "20001", "*system", " up"]),
            ("nxaudit[17]: [E|C|10006|b] x", ["E", "C", "10006", "b", " x"]),
            ("[2026-03-01] [E|C|10006|b]:[5] x", ["E", "C", "10006", "b", ":[5] x"]),
            ("[E|C|10006|a|b] x", ["E", "C", "10006", "a|b", " x"]),
            ("[E|01|C|10006|a] x", ["E|01", "C", "10006", "a", " x"]),
            ("[E|C|10006|a]b] x", ["E", "C", "10006", "a]b", " x"]),
            ("[E|C|10006|] x", ["E", "C", "10006", "", " x"]),
            ("[E|C|10006|a]", ["E", "C", "10006", "a", ""]),
            ("[E|C|10006|a]x", ["E", "C", "10006", "a", "x"]),
        ];
        for (line, expected) in table {
            assert_eq!(parts(line), Some(expected.map(str::to_owned)), "{line}");
        }
    }

    #[test]
    fn what_is_no_header_is_none() {
        for line in [
            "",
            "[",
            "[]",
            "[||||]",
            "[a|b|c|d] x",
            "[a|b|10001|d",
            "[10001|a] x",
            "[a|10001|b] x",
            "[a|b|12|d] x",
            "[a|b|12345678|d] x",
            "text\n[a|b|10001|d] x",
        ] {
            assert_eq!(parts(line), None, "{line}");
        }
    }

    #[test]
    fn the_number_of_brackets_that_are_tried_is_bounded() {
        let line = format!("{}[a|b|10001|d] x", "[".repeat(MAX_BRACKETS));
        assert_eq!(parts(&line), None);
        assert!(parts(&line[1..]).is_some());
    }
}
