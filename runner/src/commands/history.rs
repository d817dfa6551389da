//! `history`: the generations that are kept.

use core_store::{HistoryEntry, Manifest, Outcome, StoreError, TableKind};
use serde_json::json;

use crate::cli::{Global, RowFormat};
use crate::exit::{Exit, Failure};
use crate::output;

/// Lists the generations, the newest first.
pub(super) fn history(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let entries = tenant.history()?;
    let damage = |entry: &HistoryEntry| -> Result<Vec<String>, StoreError> {
        match &entry.manifest {
            Ok(_) => tenant.generation(&entry.id)?.find_damage(),
            Err(_) => Ok(Vec::new()),
        }
    };
    let damages = entries.iter().map(damage).collect::<Result<Vec<_>, _>>()?;
    if format != RowFormat::Table {
        let objects: Vec<_> =
            entries.iter().zip(&damages).map(|(entry, damage)| as_json(entry, damage)).collect();
        return super::show::rows(objects, format);
    }
    let table = entries.iter().zip(&damages).map(|(entry, damage)| {
        let mark = if entry.is_current { " (published)" } else { "" };
        let id = format!("{}{mark}", entry.id);
        match &entry.manifest {
            Ok(manifest) => [
                id,
                manifest.created_at.clone(),
                shown_outcome(manifest, damage),
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

/// The outcome of a generation, or that it is damaged.
fn shown_outcome(manifest: &Manifest, damage: &[String]) -> String {
    match damage {
        [] => outcome(manifest).to_owned(),
        [finding] => format!("damaged: {finding}"),
        [finding, others @ ..] => format!("damaged: {finding}, and {} more files", others.len()),
    }
}

fn as_json(entry: &HistoryEntry, damage: &[String]) -> serde_json::Value {
    match &entry.manifest {
        Ok(manifest) => json!({
            "id": entry.id.to_string(),
            "published": entry.is_current,
            "createdAt": manifest.created_at,
            "outcome": outcome(manifest),
            "entities": rows(manifest, TableKind::Entity),
            "relationships": rows(manifest, TableKind::Relationship),
            "damage": damage,
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
    manifest.tables.iter().filter(|table| table.kind == kind).map(|table| table.rows).sum()
}
