//! Writes a generation as the folder that JupiterOne's own command line reads: `j1-integration sync`,
//! `visualize`, `visualize-types`, `document`, `neo4j push` and the others, each with `-p` and the folder.
//!
//! Source: integration SDK 17.4, `storage/FileSystemGraphObjectStore` and `fileSystem.ts`.

mod files;
mod metadata;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use core_files::{create_folder, remove_folder_if_present, repair_folder, replace_folder};
use core_model::step::Step;
use core_store::GenerationId;
use serde::{Deserialize, Serialize};

use crate::contents::Contents;
use crate::error::JupiterOneError;
use crate::schema_violations::{SchemaViolation, SchemaViolations};
use files::{Written, write_file, write_objects};

/// The file by which a folder of ours is known.
const MARKER: &str = ".nexthink-graph.json";
/// The name of its writer in it.
const WRITER: &str = "nexthink-graph";

/// A step, and how it went in the run that made the generation.
#[derive(Debug, Clone, Copy)]
pub struct StepResult {
    /// The step.
    pub step: &'static Step,
    /// The status.
    pub status: StepStatus,
}

/// The status of a step, in the words of JupiterOne's integration SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It did all it should.
    Success,
    /// It failed.
    Failure,
    /// It may lack something, since a step that it waits for failed or something was cut off.
    PartialSuccessDueToDependencyFailure,
    /// It did not run.
    Disabled,
}

/// The report of an export.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FolderReport {
    /// Objects by type.
    pub objects: BTreeMap<String, u64>,
    /// Files with objects.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The types that the folder declares partial.
    pub partial_datasets: Vec<String>,
    /// The values that had to be changed.
    pub findings: Vec<SchemaViolation>,
}

#[derive(Serialize, Deserialize)]
struct Marker {
    written_by: String,
    generation: GenerationId,
}

/// Writes the folder, in place of one that this program wrote before. Blocks.
///
/// It is written beside its place and put there last, so the folder is never half written. Where the system
/// can exchange two folders there is a whole one in the place at every moment; elsewhere an export that was
/// killed between two renames is repaired by the next. What a killed export left beside the place is removed.
///
/// # Errors
/// [`JupiterOneError::ForeignFolder`] when there is something that this program did not write;
/// [`JupiterOneError::Io`], [`JupiterOneError::File`], [`JupiterOneError::Store`].
pub fn export_folder(
    contents: &Contents,
    steps: &[StepResult],
    folder: &Path,
) -> Result<FolderReport, JupiterOneError> {
    repair_folder(folder)?;
    refuse_foreign(folder)?;
    let unfinished = unfinished_beside(folder)?;
    remove_folder_if_present(&unfinished)?;
    let written = write_folder(contents, steps, &unfinished);
    let replaced = written.and_then(|report| {
        replace_folder(&unfinished, folder)?;
        Ok(report)
    });
    match replaced {
        Ok(report) => {
            tracing::info!(files = report.files, bytes = report.bytes, "JupiterOne folder written");
            Ok(report)
        }
        Err(error) => {
            // The half-written folder is of no use. That it cannot be removed matters less than the error.
            let _ = remove_folder_if_present(&unfinished);
            Err(error)
        }
    }
}

fn write_folder(
    contents: &Contents,
    steps: &[StepResult],
    folder: &Path,
) -> Result<FolderReport, JupiterOneError> {
    let extras = contents.extras();
    let collected = folder.join(".j1-integration");
    let mut findings = SchemaViolations::default();
    let Written { objects, files, bytes } =
        write_objects(contents, &collected.join("graph"), &mut findings)?;
    let partial = contents.partial_datasets_with(findings.types_with_losses());
    let partial: Vec<_> = partial.into_iter().collect();
    let summary = metadata::summary(steps, extras, &objects, &partial);
    write_file(&collected.join("summary.json"), summary.to_string().as_bytes())?;
    create_folder(&folder.join("src"))?;
    write_file(&folder.join("src/index.js"), metadata::index_js(steps, extras).as_bytes())?;
    create_folder(&folder.join("docs"))?;
    write_file(&folder.join("docs/jupiterone.md"), metadata::page(steps, extras).as_bytes())?;
    let marker =
        Marker { written_by: WRITER.to_owned(), generation: contents.generation().id().clone() };
    let marker = serde_json::to_vec(&marker).expect("a marker is plain data");
    write_file(&folder.join(MARKER), &marker)?;
    Ok(FolderReport {
        objects,
        files,
        bytes,
        partial_datasets: partial,
        findings: findings.entries().to_vec(),
    })
}

/// Refuses a folder that holds something and not our marker.
fn refuse_foreign(folder: &Path) -> Result<(), JupiterOneError> {
    let foreign = || JupiterOneError::ForeignFolder { path: folder.to_owned() };
    if !fs::exists(folder).map_err(JupiterOneError::io("look at", folder))? {
        return Ok(());
    }
    if !folder.is_dir() {
        return Err(foreign());
    }
    let mut entries = fs::read_dir(folder).map_err(JupiterOneError::io("list", folder))?;
    if entries.next().is_none() {
        return Ok(());
    }
    let marker = fs::read(folder.join(MARKER)).map_err(|_| foreign())?;
    let marker: Marker = serde_json::from_slice(&marker).map_err(|_| foreign())?;
    if marker.written_by == WRITER { Ok(()) } else { Err(foreign()) }
}

/// The hidden name beside a folder under which its successor is written.
fn unfinished_beside(folder: &Path) -> Result<PathBuf, JupiterOneError> {
    let folder = std::path::absolute(folder).map_err(JupiterOneError::io("find", folder))?;
    let Some(name) = folder.file_name() else {
        return Err(JupiterOneError::ForeignFolder { path: folder });
    };
    Ok(folder.with_file_name(format!(".{}.unfinished", name.to_string_lossy())))
}
