//! The fields of one record: names, and beside them their values, which are wrapped where a terminal is narrow.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::escape_for_terminal;
use crate::grid::cut;

/// Returns a line for each field, its name and its value, after a margin. In a terminal of so many columns, a long value
/// goes on below, so that it can be read and copied whole.
pub fn fields(
    fields: impl IntoIterator<Item = (String, String)>,
    margin: &str,
    columns: Option<usize>,
) -> String {
    let max_width = columns.unwrap_or(usize::MAX).saturating_sub(margin.width());
    let fields = fields.into_iter();
    let fields: Vec<(String, String)> =
        fields.map(|(name, value)| (escape_for_terminal(&name).into_owned(), value)).collect();
    let longest = fields.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    let name_width = longest.min(max_width / 2);
    let value_width = max_width.saturating_sub(name_width + 2).max(1);
    let mut text = String::new();
    for (name, value) in &fields {
        let mut name = cut(name, name_width);
        let lines = value.lines().map(escape_for_terminal);
        let mut lines: Vec<String> = lines.flat_map(|line| wrapped(&line, value_width)).collect();
        if lines.is_empty() {
            lines.push(String::new());
        }
        for line in lines {
            let space = " ".repeat(name_width.saturating_sub(name.width()));
            text.push_str(format!("{margin}{name}{space}  {line}").trim_end());
            text.push('\n');
            name = "".into();
        }
    }
    text
}

/// Cuts a line into lines of so many terminal columns, at spaces where that is possible.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = line;
    while rest.width() > width {
        let mut used = 0;
        let too_far = rest.char_indices().find(|(_, character)| {
            used += character.width().unwrap_or_default();
            used > width
        });
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = too_far.map_or(rest.len(), |(at, _)| at).max(first);
        // A line may also end before a space that no longer fits.
        let space = rest[..end].rfind(' ').filter(|at| *at > 0 && !rest[end..].starts_with(' '));
        let end = space.unwrap_or(end);
        lines.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    if !rest.is_empty() || lines.is_empty() {
        lines.push(rest.to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_goes_on_below_and_stays_whole() {
        let table: [(&str, usize, &[&str]); 8] = [
            ("one two three", 7, &["one two", "three"]),
            ("one two three", 8, &["one two", "three"]),
            ("one two three", 13, &["one two three"]),
            ("abcdefgh", 3, &["abc", "def", "gh"]),
            ("a bcdefgh", 4, &["a", "bcde", "fgh"]),
            ("東京都", 5, &["東京", "都"]),
            ("東京", 1, &["東", "京"]),
            ("", 5, &[""]),
        ];
        for (text, width, expected) in table {
            assert_eq!(wrapped(text, width), expected, "{text} in {width}");
        }
    }

    #[test]
    fn names_stand_beside_their_values() {
        let record = || {
            [
                ("name", "LAP-1"),
                ("description", "one two\nthree"),
                ("empty", ""),
                ("odd", "\u{1b}[2J"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        assert_eq!(
            fields(record(), " ", None),
            " name         LAP-1\n description  one two\n              three\n empty\n odd          \\u{1b}[2J\n"
        );
        let narrow = fields(record(), " ", Some(20));
        assert!(narrow.lines().all(|line| line.width() <= 20), "{narrow}");
        assert!(narrow.starts_with(" name       LAP-1\n descript…  one two\n"), "{narrow}");
    }
}
