//! Tables of reports, without a frame.

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use unicode_width::UnicodeWidthStr;

use crate::escape_for_terminal;

/// Returns a table: a header, rows, and how many of the first columns hold texts; the others hold numbers. If it is
/// wider than a terminal of so many columns, texts are wrapped; with numbers, each row is a paragraph instead. Where wrapping
/// would break words, such as an ID that people copy, each row is a record.
pub fn table<const WIDTH: usize>(
    header: [&str; WIDTH],
    rows: impl IntoIterator<Item = [String; WIDTH]>,
    texts: usize,
    columns: Option<usize>,
) -> String {
    let escape =
        |cell: String| cell.lines().map(escape_for_terminal).collect::<Vec<_>>().join("\n");
    let rows: Vec<[String; WIDTH]> = rows.into_iter().map(|row| row.map(escape)).collect();
    let table = aligned(header, &rows, texts, None);
    match columns {
        Some(columns) if table.lines().any(|line| line.width() > columns) => {
            // Texts can be wrapped in their columns; numbers cannot.
            if texts == WIDTH && rows.is_empty() {
                table
            } else if texts == WIDTH && breaks_words(header, &rows, columns) {
                records(header, &rows, columns)
            } else if texts == WIDTH {
                aligned(header, &rows, texts, Some(columns))
            } else {
                paragraphs(header, &rows, texts, columns)
            }
        }
        _ => table,
    }
}

fn aligned<const WIDTH: usize>(
    header: [&str; WIDTH],
    rows: &[[String; WIDTH]],
    texts: usize,
    columns: Option<usize>,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    match columns {
        Some(columns) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(columns).unwrap_or(u16::MAX)),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// Returns whether the columns are too narrow for their longest words.
fn breaks_words<const WIDTH: usize>(
    header: [&str; WIDTH],
    rows: &[[String; WIDTH]],
    columns: usize,
) -> bool {
    let longest_word = |text: &str| text.split_whitespace().map(UnicodeWidthStr::width).max();
    let longest = |column: usize| {
        let cells = rows.iter().map(|row| row[column].as_str());
        cells.chain([header[column]]).filter_map(longest_word).max().unwrap_or_default()
    };
    // Each column has a space on both sides.
    (0..WIDTH).map(|column| longest(column) + 2).sum::<usize>() > columns
}

/// Returns each row as its cells by name, one below the other. Empty cells are left out.
fn records<const WIDTH: usize>(
    header: [&str; WIDTH],
    rows: &[[String; WIDTH]],
    columns: usize,
) -> String {
    let record = |row: &[String; WIDTH]| {
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(columns).unwrap_or(u16::MAX));
        let cells = header.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        table.add_rows(cells.map(|(name, cell)| [*name, cell.as_str()]));
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n") + "\n"
    };
    rows.iter().map(record).collect::<Vec<_>>().join("\n")
}

/// Returns each row as its texts in one line, and below it its numbers by name. Zeros are left out.
fn paragraphs<const WIDTH: usize>(
    header: [&str; WIDTH],
    rows: &[[String; WIDTH]],
    texts: usize,
    columns: usize,
) -> String {
    let mut paragraphs = String::new();
    for row in rows {
        let (titles, numbers) = row.split_at(texts.min(WIDTH));
        paragraphs.push_str(&titles.join("  ").replace('\n', ", "));
        paragraphs.push('\n');
        let mut line = String::new();
        for (name, number) in header.iter().skip(texts).zip(numbers) {
            if number.is_empty() || number == "0" || number == "0 B" {
                continue;
            }
            let item = format!("  {name} {number}");
            if !line.is_empty() && line.width() + item.width() > columns {
                paragraphs.push_str(&(std::mem::take(&mut line) + "\n"));
            }
            line.push_str(&item);
        }
        if !line.is_empty() {
            paragraphs.push_str(&(line + "\n"));
        }
    }
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_does_not_fit_is_a_paragraph() {
        let header = ["step", "outcome", "rows", "merged", "bytes"];
        let rows = [["fetch-users", "complete", "400", "0", "25.3 KB"].map(str::to_owned)];
        let expected = "fetch-users  complete\n  rows 400\n  bytes 25.3 KB\n";
        assert_eq!(paragraphs(header, &rows, 2, 22), expected);
        assert_eq!(
            paragraphs(header, &rows, 2, 60),
            "fetch-users  complete\n  rows 400  bytes 25.3 KB\n"
        );
    }

    #[test]
    fn a_row_whose_words_would_be_broken_is_a_record() {
        let header = ["finding", "state", "what"];
        let rows = || {
            let rows = [
                ["70d0a403d442", "resolved", "a run published nothing"],
                ["81d0a403d442", "", "b"],
            ];
            rows.map(|row| row.map(str::to_owned))
        };
        let expected = "\u{20}finding  70d0a403d442\n state    resolved\n what     a run published\n          nothing\n\n \
                        finding  81d0a403d442\n what     b\n";
        assert_eq!(table(header, rows(), 3, Some(30)), expected);
        let wrapped = table(header, rows(), 3, Some(40));
        assert!(wrapped.starts_with(" finding "), "there is room for words: {wrapped}");
        assert!(wrapped.lines().all(|line| line.width() <= 40), "{wrapped}");
    }

    #[test]
    fn a_table_is_aligned_and_escaped_and_texts_are_wrapped_where_it_is_narrow() {
        let rows =
            || [["a\u{1b}[2J", "x\ny", "10"], ["bb", "z", "9"]].map(|row| row.map(str::to_owned));
        let header = ["name", "lines", "count"];
        let table = table(header, rows(), 2, Some(80));
        assert!(table.contains("a\\u{1b}[2J") && !table.contains('\u{1b}'), "{table}");
        assert_eq!(
            table,
            super::table(header, rows(), 2, None),
            "a terminal of 80 columns is wide enough"
        );
        let texts = [["one two three".to_owned(), "four five six".to_owned()]];
        let narrow = super::table(["name", "value"], texts, 2, Some(16));
        assert!(
            narrow.lines().all(|line| line.width() <= 16) && narrow.contains("six"),
            "{narrow}"
        );
    }
}
