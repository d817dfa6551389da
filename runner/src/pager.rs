//! Shows a text that is longer than the terminal in the user's pager.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use core_cli::AnswerOutput;

use crate::{output, system};

/// Returns the pager for an answer, if it is to be read with one.
pub(crate) fn for_answer(output: &AnswerOutput) -> Option<String> {
    let is_read = io::stdin().is_terminal() && io::stdout().is_terminal();
    let variable = system::variable;
    output.pager(is_read, variable("PAGER").as_deref(), variable("TERM").as_deref())
}

/// Prints a text that is ready for the terminal, through the pager if it is longer than the terminal. Waits for
/// the end of the pager.
pub(crate) fn print(pager: &str, text: &[u8]) {
    let lines = text.split(|byte| *byte == b'\n').count() - 1;
    let is_long = output::terminal_rows().is_some_and(|rows| lines >= rows);
    if is_long && page(pager, text).is_ok() {
        output::note_result();
        return;
    }
    // A failure is remembered by the writer.
    let mut out = output::writer();
    let _ = out.write_all(text).and_then(|()| out.flush());
}

/// Runs the pager.
///
/// # Errors
///
/// It cannot be started.
fn page(pager: &str, text: &[u8]) -> io::Result<()> {
    let mut words = pager.split_whitespace();
    let name = words.next().ok_or(io::ErrorKind::NotFound)?;
    let mut child = Command::new(name).args(words).stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A pager may end before it has read everything.
        let _ = input.write_all(text);
    }
    let _ = child.wait();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pager_that_is_not_there_is_an_error_and_one_that_reads_nothing_is_not() {
        let text = "row\n".repeat(100_000);
        assert!(page("no-such-pager -x", text.as_bytes()).is_err());
        #[cfg(unix)]
        assert!(page("true", text.as_bytes()).is_ok());
    }
}
