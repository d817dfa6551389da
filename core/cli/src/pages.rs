//! The completion scripts and the manual pages.

use std::io;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::parse::command;

/// The manual page of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManPage {
    /// The name of its file.
    pub file_name: String,
    /// Its text in the language of `man`.
    pub text: Vec<u8>,
}

/// Returns the manual page of the program, which ends with a footer, and one for each command.
///
/// # Errors
///
/// A text cannot be written into memory, which does not happen.
pub fn man_pages(footer: &str) -> io::Result<Vec<ManPage>> {
    let mut command = command(footer);
    // Names commands by their whole path, and gives each the global options.
    command.build();
    let mut pages = Vec::new();
    add_pages(&command, &mut pages)?;
    Ok(pages)
}

/// Adds the page of a command and of all below it.
fn add_pages(command: &Command, pages: &mut Vec<ManPage>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut text = Vec::new();
    Man::new(command.clone()).title(name.to_uppercase()).render(&mut text)?;
    name_last_section(&mut text);
    pages.push(ManPage { file_name: format!("{name}.1"), text });
    let below = command.get_subcommands();
    let below = below.filter(|command| !command.is_hide_set() && command.get_name() != "help");
    for command in below {
        add_pages(command, pages)?;
    }
    Ok(())
}

/// Names the section after the options by the heading that its text begins with, instead of EXTRA.
fn name_last_section(page: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(page).into_owned();
    for (heading, section) in
        [("Examples:", "EXAMPLES"), ("Example:", "EXAMPLES"), ("Exit codes:", "EXIT CODES")]
    {
        let (before, after) =
            (format!("\n.SH EXTRA\n{heading}\n"), format!("\n.SH \"{section}\"\n"));
        if text.contains(&before) {
            *page = text.replace(&before, &after).into_bytes();
            return;
        }
    }
}

/// Returns the completion script for a shell. It offers nothing that the help hides.
pub fn completion_script(shell: Shell) -> String {
    // The generators know nothing of hidden options and commands.
    let (mut script, mut command) = (Vec::new(), without_hidden(&command("")));
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    // clap_complete 4.6 gives a name with a hyphen one label where it sets it and another where it looks for it, so that
    // bash would complete no command.
    if shell == Shell::Bash { script.replace("__subcmd__", "__") } else { script }
}

/// Returns what a completion script is made from: the names, texts, arguments and commands that people can see.
fn without_hidden(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    let mut visible = Command::new(command.get_name().to_owned())
        .args(arguments.cloned())
        .subcommands(below.map(without_hidden));
    if let Some(about) = command.get_about() {
        visible = visible.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        visible = visible.version(version.to_owned());
    }
    visible
}
