//! The rows that are planted for the shipped questions, with their near misses.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use arrow::array::types::TimestampMillisecondType;
use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, ListBuilder, RecordBatch, StringArray,
    StringBuilder, TimestampMillisecondArray,
};
use arrow::datatypes::DataType;
use core_query::{QuerySession, QuerySettings};
use core_store::{Generation, TableDeclaration, TableKind};

use crate::j1ql::twin::{Edge, Entity, SmallGraph, Value};
use crate::peer::Recorder;
use crate::support::{Place, entity, rows, text};

type TableToWrite = (TableDeclaration, RecordBatch, bool);

const DAY_MS: i64 = 86_400_000;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// A column of texts; `-` is no value.
fn words(values: &str) -> ArrayRef {
    let values = values.split('|').map(|value| (value != "-").then_some(value));
    text(&values.collect::<Vec<_>>())
}

/// Times that many days before now, and an hour.
fn days_ago(now_ms: i64, days: &[Option<i64>]) -> ArrayRef {
    let times = days.iter().map(|days| days.map(|days| now_ms - days * DAY_MS - DAY_MS / 24));
    Arc::new(times.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
}

fn addresses(values: &[Option<&str>]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for value in values {
        match value {
            Some(address) => builder.append_value([Some(*address)]),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

fn edges(name: &str, class: &str, from: &str, to: &str, ends: &[(&str, &str)]) -> TableToWrite {
    let end = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let rows = batch(vec![
        ("_fromEntityKey", end(ends.iter().map(|end| end.0).collect())),
        ("_toEntityKey", end(ends.iter().map(|end| end.1).collect())),
    ]);
    let declaration = TableDeclaration {
        kind: TableKind::Relationship,
        name: name.to_owned(),
        class: vec![class.to_owned()],
        ends: Some((from.to_owned(), to.to_owned())),
        schema: rows.schema(),
        personal_columns: Vec::new(),
    };
    (declaration, rows, false)
}

fn devices(now_ms: i64) -> TableToWrite {
    let rows = batch(vec![
        ("_key", words("d1|d2|d3|d4|d5")),
        ("displayName", words("DEV-1|DEV-2|DEV-3|DEV-4|DEV-5")),
        ("osType", words("windows|windows|macos|windows|linux")),
        ("osName", words("Windows 11|Windows 10|macOS 15|Windows 11|Linux")),
        ("osVersion", words("10.0.22631.10|10.0.19045.1|9.1|unknown|1")),
        ("osDetails", words("W11|W10|M15|W11|L")),
        ("serial", words("S1|-|S1|-|S2")),
        ("entity", words("Zurich|Geneva|Zurich|-|-")),
        ("category", words("laptop|laptop|laptop|server|server")),
        ("hardwareType", words("laptop|laptop|laptop|server|server")),
        ("make", words("HP|HP|Apple|HP|Dell")),
        ("model", words("A|A|M|S|D")),
        ("licenseType", words("standard|standard|standard|server|server")),
        (
            "ipv4Addresses",
            addresses(&[Some("10.1.2.3"), Some("192.168.1.1"), None, Some("11.0.0.1"), None]),
        ),
        // The second is silent, and new, for a day less than asked for.
        ("lastSeenOn", days_ago(now_ms, &[Some(1), Some(29), Some(40), None, None])),
        ("createdOn", days_ago(now_ms, &[Some(400), Some(8), Some(3), None, None])),
    ]);
    entity("nexthink_device", &["Device"], rows)
}

fn packages(keys: usize) -> TableToWrite {
    let rows = batch(vec![
        ("_key", words("p1|p2|p3|p4|p5|p6|p7|p8")),
        (
            "name",
            words("Acme Agent|Acme Agent|TeamViewer|anydesk|RustDesk|UltraVNC|Editor|Agent Acme"),
        ),
        (
            "displayName",
            words(
                "Acme Agent 2.0|Acme Agent 1.5|TeamViewer 15.0|anydesk|RustDesk|UltraVNC|Editor|Agent Acme 1.0",
            ),
        ),
        ("version", words("2.0|1.5|15.0|9|1|1|latest|1.0")),
        ("publisher", words("Acme|Acme|TeamViewer|Remote|Remote|Remote|Foo|Other")),
    ]);
    entity("nexthink_package", &["Application"], rows.slice(0, keys))
}

fn users(now_ms: i64) -> TableToWrite {
    let rows = batch(vec![
        ("_key", words("u1|u2|u3")),
        ("displayName", words("anna|ben|cleo")),
        ("userType", words("domain|domain|local")),
        ("department", words("IT|IT|-")),
        ("lastSeenOn", days_ago(now_ms, &[Some(2), Some(89), Some(100)])),
    ]);
    entity("nexthink_user", &["User"], rows)
}

fn alerts(now_ms: i64) -> TableToWrite {
    let open = BooleanArray::from(vec![true, true, false, true, false, false]);
    let rows = batch(vec![
        ("_key", words("a1|a2|a3|a4|a5|a6")),
        ("displayName", words("M1|M1|M2|M2|M1|M1")),
        ("monitorName", words("M1|M1|M2|M3|M1|M1")),
        ("monitorOrigin", words("custom|custom|library|library|custom|custom")),
        ("severity", words("critical|low|critical|critical|low|low")),
        ("open", Arc::new(open)),
        ("createdOn", days_ago(now_ms, &[Some(8), Some(6), Some(20), Some(1), Some(40), Some(3)])),
    ]);
    entity("nexthink_alert", &["Alert", "Finding"], rows)
}

fn account() -> TableToWrite {
    let rows = batch(vec![
        ("_key", words("acme")),
        ("displayName", words("Acme")),
        ("region", words("eu")),
    ]);
    entity("nexthink_account", &["Account"], rows)
}

/// The relationships of today.
fn relationships() -> Vec<TableToWrite> {
    let device = "nexthink_device";
    let (package, user, alert) = ("nexthink_package", "nexthink_user", "nexthink_alert");
    let installed = [
        ("d1", "p1"),
        ("d1", "p3"),
        ("d2", "p2"),
        ("d2", "p7"),
        ("d3", "p4"),
        ("d3", "p5"),
        ("d3", "p6"),
        ("d3", "p7"),
        ("d3", "p8"),
    ];
    vec![
        edges(
            "nexthink_account_has_device",
            "HAS",
            "nexthink_account",
            device,
            &[("acme", "d1"), ("acme", "d2"), ("acme", "d3"), ("acme", "d4")],
        ),
        edges(
            "nexthink_account_has_user",
            "HAS",
            "nexthink_account",
            user,
            &[("acme", "u1"), ("acme", "u2"), ("acme", "u3")],
        ),
        edges("nexthink_device_installed_package", "INSTALLED", device, package, &installed),
        edges(
            "nexthink_user_uses_device",
            "USES",
            user,
            device,
            &[("u1", "d1"), ("u1", "d2"), ("u2", "d2")],
        ),
        edges(
            "nexthink_device_has_alert",
            "HAS",
            device,
            alert,
            &[("d1", "a1"), ("d1", "a2"), ("d2", "a3")],
        ),
        edges(
            "nexthink_user_has_alert",
            "HAS",
            user,
            alert,
            &[("u1", "a2"), ("u1", "a3"), ("u2", "a4")],
        ),
    ]
}

/// The estate that the questions are asked about.
pub(super) struct Planted {
    pub(super) now_ms: i64,
    /// The tables of today, and the packages of ten days ago.
    pub(super) session: QuerySession,
    /// The same rows for the plain evaluator.
    pub(super) graph: SmallGraph,
    /// Writes down what is asked, for another engine.
    pub(super) recorder: Option<Recorder>,
}

/// Publishes the estate.
pub(super) async fn estate(place: &Place) -> Result<Planted, Box<dyn Error>> {
    let empty = QuerySession::empty(QuerySettings::default())?;
    let now = rows(&empty, "select cast(to_unixtime(now()) as bigint) * 1000").await?;
    let now_ms: i64 = now[0].parse()?;
    let time = async |days: u32| {
        let sql = format!("select to_timestamp_seconds(now() - interval '{days} days')");
        let time = rows(&empty, &sql).await?.remove(0);
        Ok::<_, Box<dyn Error>>(format!("{}Z", time.trim_end_matches('Z')))
    };
    let before = vec![packages(6)];
    let before = place.publish_as("01JN7Z1M80000000000000000A", &time(10).await?, before)?;
    let mut tables = vec![account(), devices(now_ms), packages(8), users(now_ms), alerts(now_ms)];
    tables.extend(relationships());
    let graph = small_graph(&tables)?;
    let now = place.publish_as("01JN7Z1M80000000000000000B", &time(0).await?, tables)?;
    let mut session = QuerySession::open(&now, QuerySettings::default()).await?;
    let recorder = Recorder::new(&now)?;
    let generations: [Generation; 2] = [now, before];
    session.add_history("nexthink_package", &generations, false).await?;
    Ok(Planted { now_ms, session, graph, recorder })
}

/// The rows of tables as the plain evaluator takes them.
fn small_graph(tables: &[TableToWrite]) -> Result<SmallGraph, Box<dyn Error>> {
    let mut graph = SmallGraph::default();
    for (declaration, rows, _) in tables.iter().filter(|(table, ..)| table.ends.is_none()) {
        for row in 0..rows.num_rows() {
            let mut properties = BTreeMap::new();
            for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
                properties.extend(value(column, row).map(|value| (field.name().clone(), value)));
            }
            let Some(Value::Text(key)) = properties.remove("_key") else {
                return Err("an entity has no key".into());
            };
            let (type_name, classes) = (declaration.name.clone(), declaration.class.clone());
            graph.entities.push(Entity { key, type_name, classes, properties });
        }
    }
    for (declaration, rows, _) in tables.iter().filter(|(table, ..)| table.ends.is_some()) {
        let place = |column: &str, row| {
            let key = rows.column_by_name(column).and_then(|column| value(column, row));
            let is_end = |entity: &Entity| key == Some(Value::Text(entity.key.clone()));
            graph.entities.iter().position(is_end).ok_or("an edge without an end")
        };
        for row in 0..rows.num_rows() {
            let class = declaration.class[0].clone();
            let (from, to) = (place("_fromEntityKey", row)?, place("_toEntityKey", row)?);
            let type_name = declaration.name.clone();
            graph.edges.push(Edge { type_name, class, from, to });
        }
    }
    Ok(graph)
}

/// The value of a cell; times count their milliseconds.
fn value(column: &ArrayRef, row: usize) -> Option<Value> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Boolean => Value::Boolean(column.as_boolean().value(row)),
        DataType::Timestamp(..) => {
            Value::Number(column.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            let items = items.as_string::<i32>().iter().flatten();
            Value::List(items.map(str::to_owned).collect())
        }
        _ => Value::Text(column.as_string::<i32>().value(row).to_owned()),
    })
}
