//! The lines of a copy: the text format of Postgres, and CSV.

use bytes::{BufMut as _, BytesMut};

use crate::backend;
use crate::request::CopyFormat;

/// Appends a line as a message.
pub(super) fn line(
    out: &mut BytesMut,
    format: &CopyFormat,
    cells: impl Iterator<Item = Option<String>>,
) {
    backend::message(out, b'd', |out| {
        let mut delimiter = [0; 4];
        let delimiter = format.delimiter.encode_utf8(&mut delimiter).as_bytes();
        for (place, cell) in cells.enumerate() {
            if place > 0 {
                out.put_slice(delimiter);
            }
            match cell {
                None => out.put_slice(format.null.as_bytes()),
                Some(cell) if format.is_csv => csv(out, format, &cell),
                Some(cell) => escaped(out, format.delimiter, &cell),
            }
        }
        out.put_u8(b'\n');
    });
}

/// Appends a value in quotes, if it could be read as something else.
fn csv(out: &mut BytesMut, format: &CopyFormat, cell: &str) {
    let is_special = |c: char| c == format.delimiter || matches!(c, '"' | '\r' | '\n');
    // A line with `\.` alone would end the copy.
    if !cell.contains(is_special) && *cell != format.null && cell != "\\." {
        out.put_slice(cell.as_bytes());
        return;
    }
    out.put_u8(b'"');
    out.put_slice(cell.replace('"', "\"\"").as_bytes());
    out.put_u8(b'"');
}

/// Appends a value with escapes in the place of characters that end values and lines.
fn escaped(out: &mut BytesMut, delimiter: char, cell: &str) {
    for c in cell.chars() {
        let escape = match c {
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{b}' => "\\v",
            '\u{c}' => "\\f",
            c => {
                if c == delimiter {
                    out.put_u8(b'\\');
                }
                let mut bytes = [0; 4];
                out.put_slice(c.encode_utf8(&mut bytes).as_bytes());
                continue;
            }
        };
        out.put_slice(escape.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: &CopyFormat, cells: &[Option<&str>]) -> String {
        let mut out = BytesMut::new();
        line(&mut out, format, cells.iter().map(|cell| cell.map(str::to_owned)));
        String::from_utf8(out[5..].to_vec()).expect("it is text")
    }

    #[test]
    fn values_are_told_from_delimiters_line_ends_and_nulls() {
        let text = CopyFormat {
            is_csv: false,
            delimiter: '\t',
            has_header: false,
            null: "\\N".to_owned(),
        };
        assert_eq!(written(&text, &[Some("a\tb"), None, Some("\\N\n")]), "a\\tb\t\\N\t\\\\N\\n\n");
        let piped = CopyFormat { delimiter: '|', ..text.clone() };
        assert_eq!(written(&piped, &[Some("a|b"), Some("")]), "a\\|b|\n");
        let csv = CopyFormat { is_csv: true, delimiter: ',', null: String::new(), ..text };
        let cells = [Some("a,\"b\""), None, Some(""), Some("x\ny"), Some("\\.")];
        assert_eq!(written(&csv, &cells), "\"a,\"\"b\"\"\",,\"\",\"x\ny\",\"\\.\"\n");
    }
}
