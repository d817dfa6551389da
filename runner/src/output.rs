//! The one place that prints: results to standard output, everything else to standard error.
//!
//! A reader that goes away (`| head`) is no error: nothing more is printed.

use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use core_operations::Messages;
use core_terminal::{EscapingWriter, can_redraw, escape_for_terminal, escape_result, wants_colors};
use indicatif::MultiProgress;

use crate::{system, threads};

/// One for the program, since all that is printed must know of it.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The width of the terminal that another process prints this one's results to.
static TERMINAL_COLUMNS: OnceLock<usize> = OnceLock::new();

/// True once anything was printed to standard output.
static HAS_RESULT: AtomicBool = AtomicBool::new(false);

/// True once a part of a result could not be printed.
static IS_LOST: AtomicBool = AtomicBool::new(false);

/// True once an error was printed.
static HAS_ERROR: AtomicBool = AtomicBool::new(false);

/// Prints a result. What would steer a terminal is escaped as in JSON, where that changes no value.
pub(crate) fn result(text: &str) {
    let text = &escape_result(text);
    let mut out = Results;
    // A failure is remembered by the writer.
    let _ = out
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") });
}

/// Prints lines of a result.
pub(crate) fn lines(lines: &[String]) {
    for line in lines {
        result(line);
    }
}

/// Tells the user lines that are no result.
pub(crate) fn notes(lines: &[String]) {
    for line in lines {
        note(line);
    }
}

/// Prints a result as JSON, indented.
///
/// # Errors
///
/// It is nothing that JSON has, such as a map whose keys are no texts.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    result(&serde_json::to_string_pretty(value)?);
    Ok(())
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
    HAS_ERROR.store(true, Ordering::Relaxed);
    note(&format!("error: {error:#}"));
}

/// Tells the user why a command failed that has a result all the same.
pub(crate) fn error_text(text: &str) {
    error(&anyhow::Error::msg(text.to_owned()));
}

/// Prints the messages of the crates below.
pub(crate) struct Printer {
    /// True if the user wants to know of what goes wrong alone.
    pub(crate) quiet: bool,
}

impl Messages for Printer {
    fn note(&self, text: &str) {
        if !self.quiet {
            note(text);
        }
    }

    fn warn(&self, text: &str) {
        note(text);
    }

    fn error(&self, text: &str) {
        error_text(text);
    }
}

/// Returns whether a result was printed, so that nothing else may follow it.
pub(crate) fn has_result() -> bool {
    HAS_RESULT.load(Ordering::Relaxed)
}

/// Returns whether the user was told of an error.
pub(crate) fn has_error() -> bool {
    HAS_ERROR.load(Ordering::Relaxed)
}

/// Notes that the process of a query tells its errors itself.
pub(crate) fn leave_errors_to_worker() {
    HAS_ERROR.store(true, Ordering::Relaxed);
}

/// Returns a table for people: a header, rows, and how many of the first columns hold texts; the others hold numbers.
pub(crate) fn table<const WIDTH: usize>(
    header: [&str; WIDTH],
    rows: impl IntoIterator<Item = [String; WIDTH]>,
    texts: usize,
) -> String {
    core_terminal::table(header, rows, texts, terminal_columns())
}

/// Makes a panic say where it happened and nothing else: its message may show a cell.
pub(crate) fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        threads::exit_if_refused(panic.payload_as_str().unwrap_or_default());
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        note(&format!("a defect of the program at {place}"));
    }));
}

/// Says how wide the terminal is that this process's results will be printed to by another one.
pub(crate) fn set_terminal_columns(columns: Option<usize>) {
    if let Some(columns) = columns {
        // It is said once, when the program starts.
        let _ = TERMINAL_COLUMNS.set(columns);
    }
}

/// The height of the terminal that results are printed to; none if they go elsewhere.
pub(crate) fn terminal_rows() -> Option<usize> {
    let (_, height) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(height.0))
}

/// Notes that a result was shown by another program.
pub(crate) fn note_result() {
    HAS_RESULT.store(true, Ordering::Relaxed);
}

/// The width of the terminal that results are printed to; none if they go elsewhere.
pub(crate) fn terminal_columns() -> Option<usize> {
    if let Some(columns) = TERMINAL_COLUMNS.get() {
        return Some(*columns);
    }
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(width.0))
}

/// Returns whether what goes to standard error is coloured: `NO_COLOR` turns colours off, `CLICOLOR_FORCE` on, and
/// without either a terminal has them that is not `dumb`.
pub(crate) fn has_colors() -> bool {
    let variable = |name| system::variable(name).unwrap_or_default();
    let (off, on) = (variable("NO_COLOR"), variable("CLICOLOR_FORCE"));
    wants_colors(&off, &on, draws_bars())
}

/// Returns whether standard error is a terminal that can colour and redraw lines.
pub(crate) fn draws_bars() -> bool {
    can_redraw(is_terminal(), &system::variable("TERM").unwrap_or_default())
}

/// Returns whether standard error is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A writer of results that ends quietly when the reader goes away.
pub(crate) fn writer() -> impl io::Write + Send {
    io::BufWriter::new(Results)
}

/// A writer of results in which whatever would steer a terminal is escaped, as [`result`] does. What is written must be
/// text, and is printed in whole lines; flush it at its end.
pub(crate) fn escaping_writer() -> impl io::Write {
    EscapingWriter::new(Results)
}

/// Standard output, which remembers that something was written.
struct Results;

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HAS_RESULT.store(true, Ordering::Relaxed);
        io::stdout().lock().write(bytes).inspect_err(note_lost)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush().inspect_err(note_lost)
    }
}

/// Tells the user once that a result could not be printed. A closed pipe is the reader's choice.
fn note_lost(error: &io::Error) {
    let is_choice = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted);
    if !is_choice && !IS_LOST.swap(true, Ordering::Relaxed) {
        error_text(&format!("the result could not be printed, so it is not whole: {error}"));
    }
}

/// Prints what is left of results. Returns whether all of them could be printed, or were not wanted.
pub(crate) fn end() -> bool {
    let _ = Results.flush();
    !IS_LOST.load(Ordering::Relaxed)
}
