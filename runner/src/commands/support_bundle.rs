//! `support-bundle`: one file for whoever is asked for help.

use std::io::ErrorKind;
use std::path::Path;

use core_cli::Global;
use core_files::{FileError, sync_folder, write_new_file};
use core_operations::support_bundle;

use crate::config::{self, Config, ENVIRONMENT, Source};
use crate::exit::{EXIT_CODE_TABLE, Exit, Failure};
use crate::host::host;
use crate::output;

/// Writes the bundle into a new file. A configuration that cannot be used is what it may be about.
pub(super) fn write(global: &Global, path: &Path) -> Result<Exit, Failure> {
    let source = config::find(global.config.as_deref());
    let config = match &source {
        Some(source) => Config::load(source, ENVIRONMENT),
        None => Ok(super::opened::demo_config(global)?),
    };
    let name = source.as_ref().and_then(Source::chosen_name);
    let document = support_bundle::document(config.as_ref(), name, host(), EXIT_CODE_TABLE);
    let mut text = serde_json::to_vec_pretty(&document).map_err(anyhow::Error::new)?;
    text.push(b'\n');
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written =
        write_new_file(path, &text).and_then(|()| sync_folder(folder.unwrap_or(Path::new("."))));
    written.map_err(|error| refused(error, path))?;
    output::note(&format!(
        "wrote {}. It has settings without texts, runs and counts; no name of a tenant, person, device or host. \
         Read it before you send it",
        path.display()
    ));
    Ok(Exit::Complete)
}

fn refused(error: FileError, path: &Path) -> Failure {
    let is_there = error.source.kind() == ErrorKind::AlreadyExists;
    let error = anyhow::Error::new(error);
    if is_there {
        return Failure::usage(format!("{} exists: name a new file", path.display()));
    }
    error.into()
}
