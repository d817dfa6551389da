//! The exit codes in words: one table for `--help` and for messages.

/// An exit code in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode {
    /// The code.
    pub code: u8,
    /// The meaning, for a command that has said nothing else about it.
    pub meaning: &'static str,
    /// The commands that end with it, if only some do.
    pub commands: &'static str,
}

/// All exit codes.
pub const EXIT_CODES: [ExitCode; 15] = [
    everywhere(0, "complete"),
    everywhere(1, "internal error"),
    everywhere(2, "wrong usage or configuration"),
    everywhere(3, "the credentials were refused"),
    everywhere(4, "Nexthink cannot be reached; try later"),
    everywhere(5, "data was refused, or what is stored is damaged or has an unfinished erasure"),
    everywhere(6, "a destination failed; what was published is safe"),
    everywhere(7, "partial: what was read is not complete"),
    everywhere(8, "a finding has the severity of --fail-on or a higher one, or its rule failed"),
    everywhere(9, "another run or delivery holds the lock"),
    ExitCode { code: 10, meaning: "the generations differ", commands: "diff --exit-code" },
    ExitCode { code: 11, meaning: "nothing was published within --max-age", commands: "status" },
    everywhere(75, "deferred; try later: Nexthink's quota, or another job at the destination"),
    everywhere(130, "stopped by a signal (Ctrl-C)"),
    everywhere(143, "stopped by a signal (termination)"),
];

/// Returns the exit codes for people, a line each, below a headline.
#[must_use]
pub fn exit_code_list() -> String {
    let line = |exit: &ExitCode| match exit.commands {
        "" => format!("\n  {:<5}{}", exit.code, exit.meaning),
        commands => format!("\n  {:<5}{} ({commands})", exit.code, exit.meaning),
    };
    let lines: String = EXIT_CODES.iter().map(line).collect();
    format!("Exit codes:{lines}")
}

/// Returns the meaning of an exit code, for a command that has said nothing else about it.
#[must_use]
pub fn exit_code_meaning(code: u8) -> Option<&'static str> {
    EXIT_CODES.iter().find(|exit| exit.code == code).map(|exit| exit.meaning)
}

const fn everywhere(code: u8, meaning: &'static str) -> ExitCode {
    ExitCode { code, meaning, commands: "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_the_same_in_the_list_and_in_messages() {
        let list = exit_code_list();
        for exit in EXIT_CODES {
            assert_eq!(exit_code_meaning(exit.code), Some(exit.meaning));
            let line = format!("\n  {:<5}{}", exit.code, exit.meaning);
            assert!(list.contains(&line), "{list}");
        }
        assert!(list.contains("  10   the generations differ (diff --exit-code)\n"), "{list}");
        assert_eq!(exit_code_meaning(77), None);
    }
}
