//! `config`: what holds, and what a file may say.

use core_cli::{ConfigCommand, Global, RowFormat};
use core_settings::Effective;
use serde_json::json;

use super::configured_source;
use crate::config;
use crate::exit::{Exit, Failure};
use crate::output;

/// Does what the command line says.
pub(super) fn dispatch(global: &Global, command: &ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Show { output } => show(global, output.output),
        ConfigCommand::Schema => {
            let schema = core_settings::schema(&config::query_names());
            output::json(&schema)?;
            Ok(Exit::Complete)
        }
    }
}

/// Prints the settings that hold, in the order of the reference.
fn show(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let source = configured_source(global)?;
    let file = source.settings_name(config::ENVIRONMENT);
    let settings = config::load(&source)?.effective;
    let place = |setting: &Effective| setting.place.in_file(&file);
    let objects = settings.iter().map(|setting| {
        json!({ "setting": setting.path, "value": setting.json(), "source": place(setting) })
    });
    let cells = settings
        .iter()
        .map(|setting| [setting.path.clone(), setting.value.clone(), place(setting)]);
    super::show::list(format, objects, ["setting", "value", "source"], cells, 3)
}
