//! Escapes texts that a spreadsheet would run as formulas.

use std::borrow::Cow;

/// Characters that a spreadsheet may take for the end of a cell, besides the comma: depending on its language it
/// splits at one of these even inside a cell of ours. A comma is safe, since the cell is quoted then.
const CELL_SEPARATORS: [char; 5] = [';', '|', '\t', '\r', '\n'];

/// The first characters of a formula, after OWASP's page on CSV injection.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Puts a `'` before every part of a cell that a spreadsheet would run as a formula: at the start, and
/// after each character at which it may split the cell. Spaces and quotation marks before a formula do
/// not hinder a spreadsheet.
pub fn escape_for_csv(text: &str) -> Cow<'_, str> {
    let mut escaped = String::new();
    let mut copied = 0;
    let part_starts = text.match_indices(CELL_SEPARATORS).map(|(at, mark)| at + mark.len());
    for start in std::iter::once(0).chain(part_starts) {
        let content = text[start..].trim_start_matches([' ', '"']);
        // Inside a cell a tab or line end is the next separator, not the start of a formula.
        let is_empty_part = start > 0 && content.starts_with(CELL_SEPARATORS);
        if content.starts_with(FORMULA_STARTS) && !is_empty_part {
            escaped.push_str(&text[copied..start]);
            escaped.push('\'');
            copied = start;
        }
    }
    if escaped.is_empty() {
        return Cow::Borrowed(text);
    }
    escaped.push_str(&text[copied..]);
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q6_no_part_of_a_cell_is_a_formula() {
        let table = [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2", "'-2"),
            ("\t=1", "'\t'=1"),
            ("  =1", "'  =1"),
            ("\"=1", "'\"=1"),
            ("＝1", "'＝1"),
            ("\rx", "'\rx"),
            ("a;=1+1", "a;'=1+1"),
            ("a; =1;b;-2", "a;' =1;b;'-2"),
            ("a\t=1", "a\t'=1"),
            ("a|+1", "a|'+1"),
            ("a;\"=1\"", "a;'\"=1\""),
            ("first\r\n@SUM(A1)", "first\r\n'@SUM(A1)"),
            ("two\nlines", "two\nlines"),
            ("é;é", "é;é"),
            ("a=1, b - 2", "a=1, b - 2"),
            ("", ""),
        ];
        for (text, written) in table {
            assert_eq!(escape_for_csv(text), written, "{text:?}");
        }
    }
}
