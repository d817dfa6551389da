//! `export jupiterone`: the folder for JupiterOne's own command line.

use core_cli::{FolderArguments, Global, ReportFormat};
use core_engine::ledger::Event;
use core_jupiterone::{Contents, Extras, export_folder, messages};
use core_model::step::Step;
use core_terminal::{bytes, count};

use super::opened::Opened;
use crate::exit::{Exit, Failure};
use crate::output;

/// Writes the folder that JupiterOne's own command line reads.
pub(super) fn export(global: &Global, arguments: &FolderArguments) -> Result<Exit, Failure> {
    let FolderArguments { folder, persons, raw_data, .. } = arguments;
    let extras = Extras { persons: *persons, raw_data: *raw_data };
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let generation = reader.generation(arguments.generation.as_deref())?;
    let id = generation.id().as_str();
    reader.record(&Event::Export { destination: "jupiterone", generation: id });
    let steps = core_engine::jupiterone::step_results(&generation);
    let contents = Contents::for_folder(generation, &Step::generation_steps(), extras);
    let report = export_folder(&contents, &steps, folder)?;
    if arguments.output == ReportFormat::Json {
        output::json(&report)?;
        return Ok(Exit::Complete);
    }
    let objects = report.objects.iter().map(|(name, objects)| [name.clone(), objects.to_string()]);
    output::result(&output::table(["type", "objects"], objects, 1));
    if !global.quiet {
        for line in messages::violations(&report.findings) {
            output::note(&line);
        }
        output::note(&format!(
            "wrote {} ({}, {}); for example: j1-integration visualize -p {0}",
            folder.display(),
            count(report.files, "file"),
            bytes(report.bytes)
        ));
    }
    Ok(Exit::Complete)
}
