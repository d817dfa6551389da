//! The truth about a tenant, from the simulated rows alone, and the part that a generation or JupiterOne has of it.
//!
//! A model that knows nothing of the program: an object is there if a row tells of it, and an edge needs both ends.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray as _;
use arrow_array::{ArrayRef, RecordBatch};
use core_simulator::{KeptGraph, Row, SavedQuery, TenantSpec};
use core_store::{Generation, Table, TableKind};

/// The objects of each type: an entity by its identifier, an edge by those of both its ends.
pub(crate) type Objects = BTreeMap<String, BTreeSet<Vec<String>>>;

const ACCOUNT: &str = "account";

/// The types of edges that the simulated rows draw, each with its ends.
pub(crate) const EDGES: [(&str, [&str; 2]); 5] = [
    ("nexthink_account_has_device", ["nexthink_account", "nexthink_device"]),
    ("nexthink_account_has_user", ["nexthink_account", "nexthink_user"]),
    ("nexthink_device_installed_package", ["nexthink_device", "nexthink_package"]),
    ("nexthink_device_has_alert", ["nexthink_device", "nexthink_alert"]),
    ("nexthink_user_has_alert", ["nexthink_user", "nexthink_alert"]),
];

/// The queries whose rows make a generation.
pub(crate) const QUERIES: [SavedQuery; 4] =
    [SavedQuery::Devices, SavedQuery::Users, SavedQuery::Packages, SavedQuery::Alerts];

/// The objects of an estate, without those that rows of erased users tell of.
pub(crate) fn objects_of(spec: &TenantSpec, erased: &BTreeSet<String>) -> Objects {
    let mut objects = Objects::new();
    let mut add = |name: &str, ids: &[&str]| {
        if ids.iter().all(|id| !id.is_empty()) {
            let object = ids.iter().map(|id| (*id).to_owned()).collect();
            objects.entry(name.to_owned()).or_default().insert(object);
        }
    };
    add("nexthink_account", &[ACCOUNT]);
    for query in QUERIES {
        for row in rows(spec, query) {
            let cell = |column: &str| {
                let place = query.columns().iter().position(|name| *name == column);
                place.and_then(|place| row.cells().nth(place)).unwrap_or("")
            };
            let (device, user) = (cell("device.uid"), cell("user.uid"));
            if erased.contains(user) {
                continue;
            }
            match query {
                SavedQuery::Devices => {
                    add("nexthink_device", &[device]);
                    add("nexthink_account_has_device", &[ACCOUNT, device]);
                }
                SavedQuery::Users => {
                    add("nexthink_user", &[user]);
                    add("nexthink_account_has_user", &[ACCOUNT, user]);
                }
                SavedQuery::Packages => {
                    add("nexthink_package", &[cell("package.uid")]);
                    add("nexthink_device_installed_package", &[device, cell("package.uid")]);
                }
                SavedQuery::Alerts => {
                    add("nexthink_alert", &[cell("alert.uid")]);
                    add("nexthink_device_has_alert", &[device, cell("alert.uid")]);
                    add("nexthink_user_has_alert", &[user, cell("alert.uid")]);
                }
                SavedQuery::AuditLogs | SavedQuery::DeviceUsers => {}
            }
        }
    }
    drop_loose_ends(&mut objects);
    objects
}

fn rows(spec: &TenantSpec, query: SavedQuery) -> Vec<Row> {
    let tenant = core_simulator::Tenant::new(spec.clone());
    let row_at = |slot| {
        let mut row = Row::new();
        tenant.row(query, slot, &mut row).then_some(row)
    };
    (0..tenant.slots(query)).filter_map(row_at).collect()
}

/// Edges need both ends.
fn drop_loose_ends(objects: &mut Objects) {
    for (name, ends) in EDGES {
        let Some(mut edges) = objects.remove(name) else { continue };
        let has = |name: &str, id: &String| {
            objects.get(name).is_some_and(|ids| ids.contains(std::slice::from_ref(id)))
        };
        edges.retain(|edge| ends.iter().zip(edge).all(|(end, id)| has(end, id)));
        objects.insert(name.to_owned(), edges);
    }
}

/// The objects of a generation.
pub(crate) fn objects_in(generation: &Generation) -> Objects {
    let mut objects = Objects::new();
    for table in &generation.manifest().tables {
        let found = objects.entry(table.name.clone()).or_default();
        for batch in generation.batches(table.kind, &table.name).expect("it is there") {
            let batch = batch.expect("it can be read");
            for keys in keys_of(table, &batch) {
                let ids = keys.iter().map(|key| id_of(key)).collect();
                assert!(found.insert(ids), "{} has an object twice", table.name);
            }
        }
    }
    objects
}

/// The keys of each row: its own, or those of its ends.
fn keys_of(table: &Table, batch: &RecordBatch) -> Vec<Vec<String>> {
    let columns: &[&str] = match table.kind {
        TableKind::Entity => &["_key"],
        TableKind::Relationship => &["_fromEntityKey", "_toEntityKey"],
    };
    let mut rows = vec![Vec::new(); batch.num_rows()];
    for name in columns {
        let column = batch.column_by_name(name).expect("every table has its keys");
        for (row, key) in rows.iter_mut().zip(texts(column)) {
            row.push(key);
        }
    }
    rows
}

/// The texts of a column, which may have a dictionary.
fn texts(column: &ArrayRef) -> Vec<String> {
    if let Some(texts) = column.as_string_opt::<i32>() {
        return texts.iter().map(|text| text.unwrap_or_default().to_owned()).collect();
    }
    let dictionary = column.as_any_dictionary();
    let texts = dictionary.values().as_string::<i32>();
    dictionary.normalized_keys().into_iter().map(|place| texts.value(place).to_owned()).collect()
}

/// The identifier in a key. There is one account, whatever its key.
fn id_of(key: &str) -> String {
    let (name, id) = key.split_once(':').expect("a key has its type");
    if name == "nexthink_account" { ACCOUNT.to_owned() } else { id.to_owned() }
}

/// The keys that JupiterOne must have for a generation.
pub(crate) fn keys_in(generation: &Generation) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for table in &generation.manifest().tables {
        for batch in generation.batches(table.kind, &table.name).expect("it is there") {
            let batch = batch.expect("it can be read");
            keys.extend(keys_of(table, &batch).iter().map(|row| match &row[..] {
                [from, to] => format!("{from}|{}|{to}", table.class.concat().to_lowercase()),
                own => own.concat(),
            }));
        }
    }
    keys
}

/// The keys that JupiterOne has.
pub(crate) fn kept_keys(kept: &KeptGraph) -> BTreeSet<String> {
    kept.entities.keys().chain(kept.relationships.keys()).cloned().collect()
}

/// Fails if a generation has lost what is still true and was known, or has what was never true; or if it is said to be
/// complete and is not exactly what is true.
pub(crate) fn assert_true(
    case: &str,
    before: &Objects,
    now: &Objects,
    truth: &Objects,
    is_complete: bool,
) {
    let none = BTreeSet::new();
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).chain(truth.keys()).collect();
    for name in names {
        let [before, now, truth] =
            [before, now, truth].map(|objects| objects.get(name).unwrap_or(&none));
        let is_lost = |object: &&Vec<String>| truth.contains(*object) && !now.contains(*object);
        let lost: Vec<_> = before.iter().filter(is_lost).collect();
        assert!(lost.is_empty(), "{case}: {name} lost what is still there: {lost:?}");
        let is_invented =
            |object: &&Vec<String>| !before.contains(*object) && !truth.contains(*object);
        let invented: Vec<_> = now.iter().filter(is_invented).collect();
        assert!(invented.is_empty(), "{case}: {name} has what was never there: {invented:?}");
        if is_complete {
            let differing: Vec<_> = now.symmetric_difference(truth).collect();
            assert!(differing.is_empty(), "{case}: {name} is complete but for {differing:?}");
        }
    }
}

#[test]
fn a_lost_an_invented_and_a_stale_object_are_each_noticed() {
    let objects = |ids: &[&str]| {
        let ids = ids.iter().map(|id| vec![(*id).to_owned()]).collect();
        Objects::from([("nexthink_device".to_owned(), ids)])
    };
    let is_refused = |before: &[&str], now: &[&str], truth: &[&str], is_complete| {
        let [before, now, truth] = [before, now, truth].map(objects);
        let judged = || assert_true("a case", &before, &now, &truth, is_complete);
        std::panic::catch_unwind(judged).is_err()
    };
    assert!(
        !is_refused(&["a"], &["a", "b"], &["b", "c"], false),
        "a partial run keeps what is gone"
    );
    assert!(is_refused(&["a"], &["b"], &["a", "b"], false), "what is still there was lost");
    assert!(is_refused(&["a"], &["a", "c"], &["a", "b"], false), "a loss that was not reported");
    assert!(is_refused(&["a"], &["a", "b"], &["b"], true), "a complete run keeps what is gone");
    assert!(!is_refused(&["a"], &["b"], &["b"], true));
}
