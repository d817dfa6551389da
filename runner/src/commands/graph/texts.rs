//! The answers about single entities as text for people.

use std::collections::HashMap;
use std::fmt::Write as _;

use core_engine::text::count;
use core_query::graph::{
    ChangeKind, Direction, Edge, Entity, EntityChange, EntityHistory, EntityRef, NeighborGroup,
    Neighborhood, Path, SearchPage,
};
use serde_json::Value;

use super::Shown;
use crate::output;

/// The changes that a history shows, the newest.
const SHOWN_CHANGES: usize = 10;

/// An entity with all that `show` knows of it.
pub(super) fn shown(shown: &Shown) -> String {
    let Entity { reference, properties, partial } = &shown.entity;
    let mut text = format!("{}  {}\n{}\n", reference.title(), reference.type_name, reference.key);
    if *partial {
        text.push_str(
            "its type is partial, so that it may be carried over from an earlier generation\n",
        );
    }
    text.push('\n');
    let rows = properties.0.iter().map(|(name, value)| [name.clone(), plain(value)]);
    text.push_str(&output::table(["property", "value"], rows, 2));
    text.push('\n');
    text.push_str(&groups(&shown.neighbors));
    if shown.alerts.count > 0 {
        let _ = writeln!(text, "\n{}", count(shown.alerts.count, "alert"));
        let rows = shown.alerts.shown.iter().map(|alert| {
            let value = |name| alert.properties.get(name).map(plain).unwrap_or_default();
            let state = if value("open") == "true" { "open" } else { "closed" };
            [
                state.to_owned(),
                value("severity"),
                value("createdOn"),
                alert.reference.title().to_owned(),
            ]
        });
        text.push_str(&output::table(["state", "severity", "created", "alert"], rows, 4));
    }
    text.push('\n');
    text.push_str(&history(&shown.history));
    text
}

fn groups(groups: &[NeighborGroup]) -> String {
    if groups.is_empty() {
        return "related to nothing\n".to_owned();
    }
    let rows = groups.iter().map(|group| {
        let arrow = arrow(group.direction);
        let at_least = if group.partial { " (partial)" } else { "" };
        [
            format!("{arrow} {}", group.class),
            format!("{}{at_least}", group.other_type),
            group.count.to_string(),
        ]
    });
    output::table(["relationship", "neighbors", "count"], rows, 2)
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => ">>",
        Direction::In => "<<",
    }
}

fn history(history: &EntityHistory) -> String {
    let (Some(first), Some(last)) = (&history.first_seen, &history.last_seen) else {
        return "it is in none of the kept generations\n".to_owned();
    };
    let mut text = format!(
        "first seen in the generation of {}, last in that of {}, of {} kept\n",
        first.created_at, last.created_at, history.generations
    );
    let is_shown =
        |change: &&EntityChange| change.kind != ChangeKind::Appeared || change.at != *first;
    let changes: Vec<_> = history.changes.iter().filter(is_shown).collect();
    let older = changes.len().saturating_sub(SHOWN_CHANGES);
    if older > 0 {
        let _ = writeln!(text, "{} before these", count(older as u64, "change"));
    }
    for change in &changes[older..] {
        let what = match change.kind {
            ChangeKind::Appeared => "is back".to_owned(),
            ChangeKind::Removed => "is gone".to_owned(),
            ChangeKind::Unknown => "is not in a partial table, so that it may exist".to_owned(),
            ChangeKind::Changed => {
                let changes = change.properties.iter().map(|property| {
                    let (before, after) = (plain(&property.before), plain(&property.after));
                    format!("{}: {before} → {after}", property.name)
                });
                changes.collect::<Vec<_>>().join("; ")
            }
        };
        let _ = writeln!(text, "{}  {what}", change.at.created_at);
    }
    text
}

/// The entities around one, a line each, and what the limits have left out.
pub(super) fn neighborhood(around: &Neighborhood) -> String {
    let mut leading: HashMap<&str, (&Edge, Direction)> = HashMap::new();
    let depths: HashMap<&str, u32> =
        around.entities.iter().map(|placed| (placed.entity.key.as_str(), placed.depth)).collect();
    for edge in &around.edges {
        let (from, to) = (depths.get(edge.from.as_str()), depths.get(edge.to.as_str()));
        match from.cmp(&to) {
            std::cmp::Ordering::Less => leading.entry(&edge.to).or_insert((edge, Direction::Out)),
            _ => leading.entry(&edge.from).or_insert((edge, Direction::In)),
        };
    }
    let rows = around.entities.iter().map(|placed| {
        let entity = &placed.entity;
        let relationship = leading.get(entity.key.as_str()).filter(|_| placed.depth > 0);
        let relationship =
            relationship.map(|(edge, way)| format!("{} {}", arrow(*way), edge.class));
        [
            placed.depth.to_string(),
            relationship.unwrap_or_default(),
            entity.title().to_owned(),
            entity.type_name.clone(),
            entity.key.clone(),
        ]
    });
    let header = ["steps", "relationship", "name", "type", "key"];
    let mut text = output::table(header, rows, header.len());
    let hidden: u64 = around.hidden.iter().map(|hidden| hidden.count).sum();
    if hidden > 0 {
        let _ = writeln!(
            text,
            "{} not shown: --limit raises the number for each entity and type",
            count(hidden, "relationship")
        );
    }
    text
}

/// A path, an entity a line with the relationship that leads to it.
pub(super) fn path(path: &Path) -> String {
    let mut rows = Vec::new();
    for (number, entity) in path.entities.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|before| path.edges.get(before));
        let relationship = before.map(|edge| {
            let way = if edge.to == entity.key { Direction::Out } else { Direction::In };
            format!("{} {}", arrow(way), edge.class)
        });
        rows.push([
            relationship.unwrap_or_default(),
            entity.title().to_owned(),
            entity.type_name.clone(),
            entity.key.clone(),
        ]);
    }
    output::table(["relationship", "name", "type", "key"], rows, 4)
}

/// What a search has found.
pub(super) fn hits(page: &SearchPage) -> String {
    if page.hits.is_empty() {
        return "nothing found\n".to_owned();
    }
    let rows = page.hits.iter().map(|hit| {
        let EntityRef { key, type_name, .. } = &hit.entity;
        let found = match hit.property.as_str() {
            "displayName" | "name" | "_key" => String::new(),
            property => format!("{property}: {}", hit.value),
        };
        [hit.entity.title().to_owned(), type_name.clone(), key.clone(), found]
    });
    let mut text = output::table(["name", "type", "key", "found in"], rows, 4);
    if page.more > 0 {
        let _ = writeln!(text, "and {} more: raise --limit, or name a type with --type", page.more);
    }
    text
}

/// A value as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
