//! Reading a command line.

use std::ffi::OsString;
use std::iter;

use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use crate::Cli;

/// Returns the declaration of the program, whose help ends with a footer.
pub fn command(footer: &str) -> Command {
    Cli::command().after_help(footer.to_owned())
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
