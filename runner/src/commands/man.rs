//! `man`: the manual pages, one for each command.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;
use core_files::{create_folder, write_new_file};

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::output;

/// Writes the pages into a folder that is new or empty.
pub(super) fn write(folder: &Path) -> Result<Exit, Failure> {
    let shown = folder.display();
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => {
            return Err(Failure::usage(format!("{shown} is not empty: name a new folder")));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create_folder(folder).with_context(|| format!("cannot make {shown}"))?;
        }
        Err(error) => return Err(Failure::usage(format!("cannot read {shown}: {error}"))),
    }
    let mut command = Cli::command();
    // Names commands by their whole path, and gives each the global options.
    command.build();
    let pages = write_pages(&command, folder)?;
    output::note(&format!("wrote {} into {shown}", core_terminal::count(pages, "page")));
    Ok(Exit::Complete)
}

/// Writes the page of a command and of all below it; returns how many.
fn write_pages(command: &clap::Command, folder: &Path) -> anyhow::Result<usize> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    Man::new(command.clone()).title(name.to_uppercase()).render(&mut page)?;
    let path = folder.join(format!("{name}.1"));
    write_new_file(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    let below = command.get_subcommands();
    let below = below.filter(|command| !command.is_hide_set() && command.get_name() != "help");
    below.map(|command| write_pages(command, folder)).try_fold(1, |sum, pages| Ok(sum + pages?))
}
