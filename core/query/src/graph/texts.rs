//! Answers about single entities as texts for a terminal of a given width.

use std::collections::HashMap;
use std::fmt::Write as _;

use core_terminal::{count, fields, table};
use serde_json::Value;

use super::{
    ChangeKind, Direction, Edge, Entity, EntityChange, EntityHistory, EntityOverview, EntityRef,
    NeighborGroup, Neighborhood, Path, SearchPage,
};

/// The changes that a history shows, the newest.
const SHOWN_CHANGES: usize = 10;

/// Returns an entity with its neighbors, alerts and history.
pub fn overview(shown: &EntityOverview, columns: Option<usize>) -> String {
    let Entity { reference, properties, partial } = &shown.entity;
    let mut text = format!("{}  {}\n{}\n", reference.title(), reference.type_name, reference.key);
    if *partial {
        text.push_str(
            "its type is partial, so that it may be carried over from an earlier generation\n",
        );
    }
    text.push('\n');
    let rows = properties.0.iter().map(|(name, value)| (name.clone(), plain(value)));
    text.push_str(&fields(rows, " ", columns));
    text.push('\n');
    text.push_str(&groups(&shown.neighbors, columns));
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
        text.push_str(&table(["state", "severity", "created", "alert"], rows, 4, columns));
    }
    text.push('\n');
    text.push_str(&history(&shown.history));
    text
}

fn groups(groups: &[NeighborGroup], columns: Option<usize>) -> String {
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
    table(["relationship", "neighbors", "count"], rows, 2, columns)
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

/// Returns the entities around one, a line each, and remarks about the limits.
pub fn neighborhood(around: &Neighborhood, columns: Option<usize>) -> String {
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
    let mut text = table(header, rows, header.len(), columns);
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

/// Returns a path, an entity a line with the relationship that leads to it.
pub fn path(path: &Path, columns: Option<usize>) -> String {
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
    table(["relationship", "name", "type", "key"], rows, 4, columns)
}

/// Returns the hits of a search.
pub fn hits(page: &SearchPage, columns: Option<usize>) -> String {
    if page.hits.is_empty() {
        return "nothing found\n".to_owned();
    }
    hits_with(page, "raise --limit, or name a type with --type", columns)
}

/// Returns the entities that a name may stand for.
pub fn candidates(page: &SearchPage, columns: Option<usize>) -> String {
    hits_with(page, "`search` lists them", columns)
}

/// Returns hits, and the way to see more of them.
fn hits_with(page: &SearchPage, way_to_more: &str, columns: Option<usize>) -> String {
    let rows = page.hits.iter().map(|hit| {
        let EntityRef { key, type_name, .. } = &hit.entity;
        let found = match hit.property.as_str() {
            "displayName" | "name" | "_key" => String::new(),
            property => format!("{property}: {}", hit.value),
        };
        [hit.entity.title().to_owned(), type_name.clone(), key.clone(), found]
    });
    let rows: Vec<[String; 4]> = rows.collect();
    // Most searches find names alone.
    let mut text = if rows.iter().all(|[.., found]| found.is_empty()) {
        let rows = rows.into_iter().map(|[name, type_name, key, _]| [name, type_name, key]);
        table(["name", "type", "key"], rows, 3, columns)
    } else {
        table(["name", "type", "key", "found in"], rows, 4, columns)
    };
    if page.more > 0 {
        let _ = writeln!(text, "and {} more: {way_to_more}", page.more);
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

#[cfg(test)]
mod tests {
    use super::super::{HiddenEdges, PlacedEntity};
    use super::*;

    fn entity(key: &str) -> EntityRef {
        EntityRef {
            key: key.to_owned(),
            type_name: "nexthink_device".to_owned(),
            class: vec!["Device".to_owned()],
            name: None,
            display_name: Some(format!("the {key}")),
        }
    }

    fn edge(from: &str, to: &str) -> Edge {
        let [type_name, class] = ["device_has_package", "HAS"].map(str::to_owned);
        Edge { type_name, class, from: from.to_owned(), to: to.to_owned() }
    }

    /// The rows of a table without its header, with one space between two columns.
    fn rows(text: &str) -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().skip(2).map(words).collect()
    }

    #[test]
    fn the_arrows_of_a_path_show_the_direction_of_each_relationship() {
        let entities = vec![entity("a"), entity("b"), entity("c")];
        let path = path(&Path { entities, edges: vec![edge("a", "b"), edge("c", "b")] }, None);
        let expected = [
            "the a nexthink_device a",
            ">> HAS the b nexthink_device b",
            "<< HAS the c nexthink_device c",
        ];
        assert_eq!(rows(&path), expected);
    }

    #[test]
    fn a_neighborhood_says_how_each_entity_is_reached_and_what_is_hidden() {
        let placed = |key, depth| PlacedEntity { entity: entity(key), depth };
        let hidden = HiddenEdges {
            key: "a".to_owned(),
            relationship: "device_has_package".to_owned(),
            direction: Direction::Out,
            count: 3,
        };
        let around = Neighborhood {
            entities: vec![placed("a", 0), placed("b", 1), placed("c", 2)],
            edges: vec![edge("b", "a"), edge("b", "c")],
            hidden: vec![hidden],
        };
        let expected = [
            "0 the a nexthink_device a",
            "1 << HAS the b nexthink_device b",
            "2 >> HAS the c nexthink_device c",
            "3 relationships not shown: --limit raises the number for each entity and type",
        ];
        assert_eq!(rows(&neighborhood(&around, None)), expected);
    }

    #[test]
    fn hits_say_where_they_were_found_unless_all_are_names() {
        use super::super::{MatchKind, SearchHit};
        let hit = |property: &str| SearchHit {
            entity: entity("a"),
            property: property.to_owned(),
            value: "10.1.2.3".to_owned(),
            kind: MatchKind::Substring,
        };
        let page = |properties: &[&str]| SearchPage {
            hits: properties.iter().map(|property| hit(property)).collect(),
            more: 2,
        };
        let by_name = hits(&page(&["name", "displayName", "_key"]), None);
        assert!(!by_name.contains("found in") && by_name.contains("--limit"), "{by_name}");
        let found = hits(&page(&["name", "ipv4Addresses"]), None);
        assert!(found.contains("found in") && found.contains("ipv4Addresses: 10.1.2.3"), "{found}");
        let several = candidates(&page(&["name"]), None);
        assert!(several.contains("and 2 more: `search` lists them"), "{several}");
    }

    #[test]
    fn values_are_shown_as_people_read_them() {
        use serde_json::json;
        let table = [
            (json!(null), "nothing"),
            (json!("text"), "text"),
            (json!(["a", 1]), "a, 1"),
            (json!(true), "true"),
        ];
        for (value, expected) in table {
            assert_eq!(plain(&value), expected);
        }
    }
}
