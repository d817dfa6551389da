//! `history`: the generations that are kept.

use core_store::{HistoryEntry, Manifest, Outcome, TableKind};
use serde_json::json;

use crate::cli::{Global, RowFormat};
use crate::exit::{Exit, Failure};
use crate::output;

/// Lists the generations, the newest first.
pub(super) fn history(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let entries = super::tenant(global)?.history()?;
    if format != RowFormat::Table {
        let objects: Vec<_> = entries.iter().map(as_json).collect();
        return super::show::rows(&objects, format);
    }
    let table = entries.iter().map(|entry| {
        let mark = if entry.is_current { " (published)" } else { "" };
        let id = format!("{}{mark}", entry.id);
        match &entry.manifest {
            Ok(manifest) => [
                id,
                manifest.created_at.clone(),
                outcome(manifest).to_owned(),
                rows(manifest, TableKind::Entity).to_string(),
                rows(manifest, TableKind::Relationship).to_string(),
            ],
            Err(error) => {
                [id, String::new(), format!("broken: {error}"), String::new(), String::new()]
            }
        }
    });
    let header = ["generation", "created", "outcome", "entities", "relationships"];
    output::result(&output::table(header, table, 3));
    Ok(Exit::Complete)
}

fn as_json(entry: &HistoryEntry) -> serde_json::Value {
    match &entry.manifest {
        Ok(manifest) => json!({
            "id": entry.id.to_string(),
            "published": entry.is_current,
            "createdAt": manifest.created_at,
            "outcome": outcome(manifest),
            "entities": rows(manifest, TableKind::Entity),
            "relationships": rows(manifest, TableKind::Relationship),
        }),
        Err(error) => json!({
            "id": entry.id.to_string(),
            "published": entry.is_current,
            "error": error.to_string(),
        }),
    }
}

fn outcome(manifest: &Manifest) -> &'static str {
    match manifest.outcome {
        Outcome::Complete => "complete",
        Outcome::Partial => "partial",
    }
}

fn rows(manifest: &Manifest, kind: TableKind) -> u64 {
    manifest.tables.iter().filter(|it| it.kind == kind).map(|it| it.rows).sum()
}
