//! Reading a command line.

use std::ffi::OsString;
use std::iter;

use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use crate::Cli;

/// Returns the declaration of the program, whose help ends with a footer.
pub fn command(footer: &str) -> Command {
    with_whole_paragraphs(Cli::command()).after_help(footer.to_owned())
}

/// Joins the lines of each paragraph below the options, here and in all commands below. Clap then breaks them at the
/// width of the terminal, instead of both there and where the source has a line break.
fn with_whole_paragraphs(command: Command) -> Command {
    let text = command.get_after_help().map(ToString::to_string);
    let command = match text {
        Some(text) => command.after_help(whole_paragraphs(&text)),
        None => command,
    };
    command.mut_subcommands(with_whole_paragraphs)
}

/// Returns a text with one line for each paragraph. Indented lines and headings, which end with a colon, stay as they are.
fn whole_paragraphs(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match lines.last_mut() {
            Some(last) if is_prose(last) && !last.ends_with(':') && is_prose(line) => {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

fn is_prose(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(' ')
}

/// Reads a command line, the name of the program first.
///
/// # Errors
///
/// It cannot be read, or asks for help or the version. The error knows the text to print, and to which stream.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    footer: &str,
) -> Result<Cli, clap::Error> {
    let mut command = command(footer);
    let matches = command.try_get_matches_from_mut(arguments)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok(Cli { words: words(&matches), ..cli })
}

/// The names of the command and of those below it.
fn words(matches: &ArgMatches) -> Vec<String> {
    let levels = iter::successors(Some(matches), |level| Some(level.subcommand()?.1));
    levels.filter_map(ArgMatches::subcommand_name).map(str::to_owned).collect()
}
