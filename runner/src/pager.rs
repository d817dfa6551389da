//! Shows a text that is longer than the terminal in the user's pager.

use std::io::{self, IsTerminal as _, Write as _};

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
    if is_long && core_terminal::page(pager, text).is_ok() {
        output::note_result();
        return;
    }
    let mut out = output::writer();
    let _ = out.write_all(text).and_then(|()| out.flush());
}
