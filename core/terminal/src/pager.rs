//! Shows a text in the user's pager.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

/// Runs a pager, a program with its options, on a text. Waits for its end.
///
/// # Errors
///
/// It cannot be started.
pub fn page(pager: &str, text: &[u8]) -> io::Result<()> {
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
