//! The one place that prints: results to standard output, everything else to standard error.
//!
//! A reader that goes away (`| head`) is no error: nothing more is printed.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use core_query::{escape_for_terminal, escape_in_json};
use indicatif::MultiProgress;

use crate::{system, threads};

/// One for the program, since all that is printed must know of it.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Prints a result. What would steer a terminal is escaped as in JSON, where that changes no value.
pub(crate) fn result(text: &str) {
    let text = &escaped(text);
    let mut out = io::stdout().lock();
    // A closed pipe is the reader's choice, and there is nowhere to report another failure to.
    let _ = out
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") });
}

/// Line ends and tabs stay: they are the result's own, since texts of others have theirs escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for piece in text.split_inclusive(['\n', '\t']) {
        let content = piece.trim_end_matches(['\n', '\t']);
        escaped.push_str(&escape_in_json(content));
        escaped.push_str(&piece[content.len()..]);
    }
    escaped
}

/// Tells the user something that is no result. Control characters are shown, not obeyed.
pub(crate) fn note(text: &str) {
    let lines: Vec<_> = text.lines().map(escape_for_terminal).collect();
    log(format!("{}\n", lines.join("\n")).as_bytes());
}

/// Writes lines to standard error, above the progress bars if there are any.
pub(crate) fn log(lines: &[u8]) {
    let write = || {
        // There is nowhere to report a closed standard error to.
        let _ = io::stderr().lock().write_all(lines);
    };
    match BARS.get() {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// The progress bars, shown from the first call on.
pub(crate) fn bars() -> &'static MultiProgress {
    BARS.get_or_init(MultiProgress::new)
}

/// Tells the user why the command failed, with all causes.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("error: {error:#}"));
}

/// A table for people: a header, rows, and how many of the first columns hold texts; the others hold
/// numbers.
pub(crate) fn table<const WIDTH: usize>(
    header: [&str; WIDTH],
    rows: impl IntoIterator<Item = [String; WIDTH]>,
    texts: usize,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    match terminal_columns() {
        Some(columns) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(columns).unwrap_or(u16::MAX)),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(header);
    for row in rows {
        table.add_row(
            row.map(|cell| cell.lines().map(escape_for_terminal).collect::<Vec<_>>().join("\n")),
        );
    }
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// Makes a panic say where it happened and nothing else: its message may show a cell.
pub(crate) fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        threads::exit_if_refused(panic.payload_as_str().unwrap_or_default());
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        note(&format!("a defect of the program at {place}"));
    }));
}

/// The width of the terminal that results are printed to; none if they go elsewhere.
pub(crate) fn terminal_columns() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(width.0))
}

/// Whether what goes to standard error is coloured: `NO_COLOR` turns colours off, `CLICOLOR_FORCE` on, and
/// without either a terminal has them that is not `dumb`.
pub(crate) fn has_colors() -> bool {
    let variable = |name| system::variable(name).unwrap_or_default();
    let (off, on) = (variable("NO_COLOR"), variable("CLICOLOR_FORCE"));
    colors(&off, &on, is_terminal() && variable("TERM") != "dumb")
}

fn colors(no_color: &str, force: &str, is_capable: bool) -> bool {
    no_color.is_empty() && (!matches!(force, "" | "0") || is_capable)
}

/// Whether standard error is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A writer of results that ends quietly when the reader goes away.
pub(crate) fn writer() -> impl io::Write {
    io::BufWriter::new(io::stdout())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let colored = colors(no_color, force, is_capable);
            assert_eq!(colored, expected, "NO_COLOR={no_color} CLICOLOR_FORCE={force}");
        }
    }
}
