//! `man`: the manual pages, one for each command.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use core_cli::{ManPage, man_pages};
use core_files::{create_folder, write_new_file};

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
    let pages = man_pages(&core_cli::exit_code_list()).map_err(anyhow::Error::new)?;
    for ManPage { file_name, text } in &pages {
        let path = folder.join(file_name);
        write_new_file(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::note(&format!(
        "wrote {} into {shown}",
        core_terminal::count(pages.len() as u64, "page")
    ));
    Ok(Exit::Complete)
}
