//! Writes JSON values straight into bytes.

use std::io::Write as _;

const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

/// Writes a text with its quotation marks.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_text_part(text, out);
    out.push(b'"');
}

/// Writes a part of a text.
pub(crate) fn write_text_part(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    // Most texts stand as they are. Looking at all bytes without a way out takes them many at a time.
    if !bytes.iter().fold(false, |any, &byte| any | is_escaped(byte)) {
        out.extend_from_slice(bytes);
        return;
    }
    let mut written = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !is_escaped(byte) {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                out.extend_from_slice(b"\\u00");
                out.push(HEXADECIMAL[usize::from(other >> 4)]);
                out.push(HEXADECIMAL[usize::from(other & 0xf)]);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
}

/// Returns whether a byte cannot stand in a text as it is.
fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Writes a whole number.
pub(crate) fn write_integer(number: i64, out: &mut Vec<u8>) {
    write!(out, "{number}").expect("writing to memory does not fail");
}

/// Writes a list of texts.
pub(crate) fn write_texts<'a>(texts: impl IntoIterator<Item = &'a str>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, text) in texts.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_text(text, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_was() -> Result<(), serde_json::Error> {
        let every_control: String = (0..0x20_u8).map(char::from).collect();
        for text in ["", "a", "\"", "\\", "a\"b\\c", "ü€😀", "\u{7f}\u{2028}", &every_control]
        {
            let mut out = Vec::new();
            write_text(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out)?, text);
        }
        Ok(())
    }

    #[test]
    fn numbers_and_lists_are_json() {
        let mut out = Vec::new();
        write_integer(i64::MIN, &mut out);
        write_texts(["a", "b\""], &mut out);
        write_texts([], &mut out);
        assert_eq!(out, br#"-9223372036854775808["a","b\""][]"#);
    }
}
