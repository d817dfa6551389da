//! The commands of the program, as the tests walk over them.

use clap::Command;

/// A text for the end of the help, as the program hands one in.
pub(crate) const FOOTER: &str = "Exit codes:\n  0    complete";

/// A command that people can see, and the words that name it.
pub(crate) struct Visible {
    /// `privacy key list`; empty for the program itself.
    pub(crate) words: String,
    pub(crate) command: Command,
}

/// Returns every command that the help shows, the program first.
pub(crate) fn visible() -> Vec<Visible> {
    let mut program = core_cli::command(FOOTER);
    program.build();
    let mut found = Vec::new();
    add(&program, "", &mut found);
    found
}

fn add(command: &Command, words: &str, found: &mut Vec<Visible>) {
    found.push(Visible { words: words.to_owned(), command: command.clone() });
    for below in command.get_subcommands() {
        if !below.is_hide_set() && below.get_name() != "help" {
            let words = format!("{words} {}", below.get_name()).trim().to_owned();
            add(below, &words, found);
        }
    }
}

#[test]
fn the_commands_are_these() {
    let lines = visible().into_iter().map(|Visible { words, command }| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        format!("{words:28} {about}")
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}
