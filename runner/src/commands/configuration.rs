//! `config`: what holds, and what a file may say.

use core_settings::Effective;
use serde_json::json;

use super::configured_source;
use crate::cli::{ConfigCommand, Global, RowFormat};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::output;

/// Does what the command line says.
pub(super) fn dispatch(global: &Global, command: &ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Show { output } => show(global, output.output),
        ConfigCommand::Schema => {
            let schema = core_settings::schema(&config::query_names());
            output::result(&serde_json::to_string_pretty(&schema).map_err(anyhow::Error::new)?);
            Ok(Exit::Complete)
        }
    }
}

/// Prints the settings that hold, in the order of the reference.
fn show(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let source = configured_source(global)?;
    let file = source.name();
    let settings = config::load(&source)?.effective;
    let place = |setting: &Effective| setting.place.in_file(&file);
    if format != RowFormat::Table {
        let objects: Vec<_> = settings
            .iter()
            .map(|setting| {
                json!({ "setting": setting.path, "value": setting.json(), "source": place(setting) })
            })
            .collect();
        return super::show::rows(objects, format);
    }
    let rows = settings
        .iter()
        .map(|setting| [setting.path.clone(), setting.value.clone(), place(setting)]);
    let header = ["setting", "value", "source"];
    output::result(&output::table(header, rows, header.len()));
    Ok(Exit::Complete)
}
