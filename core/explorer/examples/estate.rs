//! Writes a store to look at: `estate FOLDER hostile` one whose every name is a trap, also in a generation before,
//! `estate FOLDER empty` one without a
//! generation, `estate FOLDER partial` one whose packages are not complete, `estate FOLDER DEVICES [PACKAGES]` one of so many devices with 150 packages each, of which one is on
//! every tenth device. `serve` shows it from the folder's parent if it is named `nexthink-graph-demo`.

use std::error::Error;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray};
use core_store::{
    Draft, GenerationId, Location, Outcome, Staging, Store, Table, TableDeclaration, TableKind,
};

/// The packages of a device.
const PACKAGES_OF_DEVICE: usize = 150;

/// The rows of a batch.
const BATCH: usize = 100_000;

/// Texts that a careless page would run, obey or hide.
const TRAPS: [&str; 25] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "\"><script>alert(1)</script>",
    "'><img src=//evil.example/x>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<iframe src=\"https://evil.example\"></iframe>",
    "<base href=\"https://evil.example/\">",
    "<meta http-equiv=refresh content=0;url=https://evil.example>",
    "<style>*{display:none}</style>",
    "${alert(1)}",
    "{{constructor.constructor('alert(1)')()}}",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "';alert(1);//",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "\u{202e}gnp.exe",
    "ad\u{200b}min\u{feff}",
    "\u{1b}[31mred\u{7}",
    "مستخدم <b>غريب</b>",
    "nothing\r\nSet-Cookie: a=b",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
];

/// The report of a run whose packages are not complete.
const REPORT: &[u8] = br#"{"steps": [
    {"id": "fetch-devices", "name": "Fetch Devices", "outcome": "complete", "reason": null,
        "rows": {"read": 2000, "used": 2000, "merged": 0, "quarantined": 0, "suppressed": 0}},
    {"id": "fetch-packages", "name": "Fetch Packages", "outcome": "partial",
        "reason": "the query has a limit of 100,000 rows, and the export has as many",
        "rows": {"read": 100000, "used": 99988, "merged": 0, "quarantined": 12, "suppressed": 0}}
]}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(what)) = (arguments.next(), arguments.next()) else {
        return Err("usage: estate FOLDER hostile|empty|partial|DEVICES [PACKAGES]".into());
    };
    let packages = arguments.next().map(|number| number.parse()).transpose()?;
    let tenant = Store::open(Location::Folder(folder.into()))?.tenant("demo")?;
    let lock = tenant.lock("an example")?;
    if what == "empty" {
        return Ok(());
    }
    if what == "hostile" {
        let staging = lock.stage(GenerationId::parse("01JN5Z1M80000000000000000A")?)?;
        let tables = hostile(&staging, 1)?;
        staging.publish(draft("2026-02-28T08:00:00Z", Outcome::Complete, tables), &[])?;
    }
    let staging = lock.stage(GenerationId::parse("01JN7Z1M80000000000000000A")?)?;
    let mut tables = match what.as_str() {
        "partial" => large(&staging, 2_000, 800)?,
        "hostile" => hostile(&staging, 0)?,
        devices => {
            let devices = devices.parse()?;
            large(&staging, devices, packages.unwrap_or(devices / 2))?
        }
    };
    let is_partial = what == "partial";
    tables.iter_mut().skip(1).for_each(|table| table.partial = is_partial);
    let outcome = if is_partial { Outcome::Partial } else { Outcome::Complete };
    let report: &[(&str, &[u8])] = if is_partial { &[("run.json", REPORT)] } else { &[] };
    staging.publish(draft("2026-03-01T08:00:00Z", outcome, tables), report)?;
    Ok(())
}

fn draft(created_at: &str, outcome: Outcome, tables: Vec<Table>) -> Draft {
    let (region, created_at) = ("eu".to_owned(), created_at.to_owned());
    Draft { region, created_at, outcome, privacy: None, tables }
}

/// 300 devices, each with a trap in every text. `shift` gives them the traps of others.
fn hostile(staging: &Staging, shift: usize) -> Result<Vec<Table>, Box<dyn Error>> {
    let name = |index: usize| {
        let trap = TRAPS[(index + shift) % TRAPS.len()];
        match index / TRAPS.len() {
            0 => trap.to_owned(),
            1 => trap.repeat(12).chars().take(300).collect(),
            round => format!("{trap} {round}"),
        }
    };
    let keys = (0..300).map(|index| format!("key {index:03} {}", TRAPS[index % TRAPS.len()]));
    let keys: Vec<String> = keys.collect();
    let names: Vec<String> = (0..300).map(name).collect();
    // Several devices share a serial, which a question asks for.
    let serials = (0..300).map(|index| TRAPS[index % TRAPS.len()].to_owned()).collect::<Vec<_>>();
    let devices = entities(&keys, &names, &serials)?;
    let names = ["<b onclick=alert(1)>package</b>".to_owned()];
    let package = entities(&["p".to_owned()], &names, &names)?;
    let to = vec!["p"; keys.len()];
    let from: Vec<&str> = keys.iter().map(String::as_str).collect();
    Ok(vec![
        write(staging, entity("nexthink_device", "Device", &devices), [devices])?,
        write(staging, entity("nexthink_package", "Application", &package), [package])?,
        installed(staging, [edges(&from, &to)?])?,
    ])
}

/// So many devices and packages.
fn large(staging: &Staging, devices: usize, packages: usize) -> Result<Vec<Table>, Box<dyn Error>> {
    let names = |prefix: &str, number: usize| -> (Vec<String>, Vec<String>) {
        let keys = (0..number).map(|index| format!("{prefix}-{index:08x}")).collect();
        (keys, (0..number).map(|index| format!("{prefix} number {index}")).collect())
    };
    let packages = packages.max(200);
    let (device_keys, device_names) = names("device", devices);
    let (package_keys, package_names) = names("package", packages);
    let batches = |keys: &[String], names: &[String]| -> Result<Vec<RecordBatch>, Box<dyn Error>> {
        let parts = keys.chunks(BATCH).zip(names.chunks(BATCH));
        parts.map(|(keys, names)| entities(keys, names, names)).collect()
    };
    let device_rows = batches(&device_keys, &device_names)?;
    let package_rows = batches(&package_keys, &package_names)?;
    let mut edge_rows = Vec::new();
    for (part, keys) in device_keys.chunks(BATCH / PACKAGES_OF_DEVICE).enumerate() {
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (index, key) in keys.iter().enumerate() {
            let device = part * (BATCH / PACKAGES_OF_DEVICE) + index;
            // Every tenth device has the first package, so that it is on very many.
            let first = if device.is_multiple_of(10) { 0 } else { 1 + device % (packages - 1) };
            let mut installed = vec![first];
            installed
                .extend((1..PACKAGES_OF_DEVICE).map(|n| 1 + (device + n * 7) % (packages - 1)));
            installed.sort_unstable();
            installed.dedup();
            from.extend(std::iter::repeat_n(key.as_str(), installed.len()));
            to.extend(installed.into_iter().map(|package| package_keys[package].as_str()));
        }
        edge_rows.push(edges(&from, &to)?);
    }
    let device = entity("nexthink_device", "Device", &device_rows[0]);
    let package = entity("nexthink_package", "Application", &package_rows[0]);
    Ok(vec![
        write(staging, device, device_rows)?,
        write(staging, package, package_rows)?,
        installed(staging, edge_rows)?,
    ])
}

fn entities(
    keys: &[String],
    names: &[String],
    serials: &[String],
) -> Result<RecordBatch, Box<dyn Error>> {
    let text = |values: &[String]| -> ArrayRef { Arc::new(StringArray::from_iter_values(values)) };
    let columns = [
        ("_key", text(keys)),
        ("name", text(names)),
        ("displayName", text(names)),
        ("serial", text(serials)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn edges(from: &[&str], to: &[&str]) -> Result<RecordBatch, Box<dyn Error>> {
    let coded = |keys: &[&str]| -> ArrayRef {
        Arc::new(keys.iter().copied().collect::<DictionaryArray<Int32Type>>())
    };
    let columns = [("_fromEntityKey", coded(from)), ("_toEntityKey", coded(to))];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn entity(name: &str, class: &str, rows: &RecordBatch) -> TableDeclaration {
    TableDeclaration {
        kind: TableKind::Entity,
        name: name.to_owned(),
        class: vec![class.to_owned()],
        ends: None,
        schema: rows.schema(),
        personal_columns: Vec::new(),
    }
}

fn installed(
    staging: &Staging,
    rows: impl IntoIterator<Item = RecordBatch>,
) -> Result<Table, Box<dyn Error>> {
    let mut rows = rows.into_iter().peekable();
    let schema = rows.peek().ok_or("an estate has edges")?.schema();
    let declaration = TableDeclaration {
        kind: TableKind::Relationship,
        name: "nexthink_device_installed_package".to_owned(),
        class: vec!["INSTALLED".to_owned()],
        ends: Some(("nexthink_device".to_owned(), "nexthink_package".to_owned())),
        schema,
        personal_columns: Vec::new(),
    };
    write(staging, declaration, rows)
}

fn write(
    staging: &Staging,
    declaration: TableDeclaration,
    rows: impl IntoIterator<Item = RecordBatch>,
) -> Result<Table, Box<dyn Error>> {
    let mut writer = staging.table(declaration)?;
    for batch in rows {
        writer.write(&batch)?;
    }
    Ok(writer.finish()?)
}
