//! Look-ups, queries and comparisons on a large store, each a process of its own; the same queries in DuckDB on
//! the same files, in turns.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::json;

use super::built::Built;
use super::cost::{Case, Cost, in_turns, measure_command, medians};
use super::store::Store;
use super::{MeasureOptions, Output, peers, table};

/// The devices of the store whose query shows what starting costs.
const SMALL: u32 = 30;

/// The size of the large store.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct QuerySize {
    /// The number of devices.
    #[arg(long, default_value_t = 300_000)]
    devices: u32,
    /// The average number of packages of a device: devices times packages are the edges.
    #[arg(long, default_value_t = 150)]
    packages_per_device: u32,
}

/// Makes the stores, unless they are there, and measures.
///
/// # Errors
///
/// A program does not build, or a command fails. If DuckDB cannot be installed, its part is left out.
pub(crate) fn run(
    root: &Path,
    built: &Built,
    size: QuerySize,
    options: &MeasureOptions,
) -> anyhow::Result<()> {
    let large = store(built, size)?;
    let small = store(built, QuerySize { devices: SMALL, packages_per_device: 5 })?;
    let keys = Keys::of(&large)?;
    let measured = in_turns(cases(&large, &small, &keys), options.runs, usize::MAX)?;
    let title = format!("{} edges, median of {}", keys.edges, options.runs);
    table::print(&title, &measured, options.output);
    match peers::python(&built.peers()?, &peers::PYTHON_PACKAGES) {
        Ok(python) => compare(root, &python, &large, &keys, options),
        Err(error) => {
            eprintln!("DuckDB is left out: {error:#}");
            Ok(())
        }
    }
}

/// The subjects of the look-ups.
struct Keys {
    device: String,
    /// A package that most devices have.
    package: String,
    edges: u64,
}

impl Keys {
    fn of(store: &Store) -> anyhow::Result<Self> {
        let edges = "nexthink_device_installed_package";
        let device = store.first("select max(_key) k from nexthink_device")?;
        let package = store.first(&format!(
            "select _toEntityKey k from {edges} group by 1 order by count(*) desc, 1 limit 1"
        ))?;
        let rows = store.rows(&format!("select count(*) n from {edges}"))?;
        let edges = rows.first().and_then(|row| row["n"].as_u64()).context("no count")?;
        Ok(Self { device, package, edges })
    }
}

/// A store with two generations that differ in a hundredth of the devices.
fn store(built: &Built, size: QuerySize) -> anyhow::Result<Store> {
    let QuerySize { devices, packages_per_device } = size;
    Store::kept(built, &format!("query-{devices}-{packages_per_device}"), |store| {
        for present in [devices - devices / 100, devices] {
            let sizes = [
                ("--devices", present),
                ("--users", devices / 3),
                // Those of a tenant with fewer devices would all be others.
                ("--alerts", 0),
                ("--packages-per-device", packages_per_device),
            ];
            store.publish(&sizes, 1)?;
        }
        Ok(())
    })
}

/// Returns the folder of the published generation.
fn published(store: &Store) -> anyhow::Result<PathBuf> {
    for tenant in fs::read_dir(store.folder().join("simulated-store"))?.flatten() {
        let current = tenant.path().join("CURRENT");
        if let Ok(id) = fs::read_to_string(current) {
            return Ok(tenant.path().join("generations").join(id.trim()));
        }
    }
    bail!("nothing is published in {}", store.folder().display())
}

fn cases<'a>(large: &'a Store, small: &'a Store, keys: &'a Keys) -> Vec<Case<'a>> {
    let top = "select _toEntityKey, count(*) n from nexthink_device_installed_package \
               group by 1 order by 2 desc limit 20";
    let count = "select count(*) n from nexthink_device";
    let case = |name: &str, store: &'a Store, arguments: Vec<&'a str>| {
        let run = move || Ok(measure_command(store.command().args(&arguments))?.0);
        Case { name: name.to_owned(), run: Box::new(run) }
    };
    vec![
        case("a query on 30 devices", small, vec!["query", count]),
        case("packages of a device", large, vec!["neighbors", &keys.device]),
        case("devices of a package", large, vec!["neighbors", &keys.package]),
        case("two hops from a device", large, vec!["neighbors", &keys.device, "--depth", "2"]),
        case("20 most frequent packages", large, vec!["query", top]),
        case("diff, 1 % differs", large, vec!["diff", "previous", "current"]),
    ]
}

/// A query of both programs, measured.
struct Compared {
    name: String,
    ours: Cost,
    duckdb: Cost,
    /// DuckDB's query without the start of Python.
    duckdb_query_ms: f64,
}

/// Measures each query of `xtask/peers/queries.sql` in both programs, in turns.
fn compare(
    root: &Path,
    python: &Path,
    store: &Store,
    keys: &Keys,
    options: &MeasureOptions,
) -> anyhow::Result<()> {
    let generation = published(store)?;
    let script = root.join("xtask/peers/duckdb_queries.py");
    let mut compared = Vec::new();
    for (name, sql) in queries(root, keys)? {
        let (mut ours, mut duckdb, mut alone) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.runs {
            let (cost, rows) =
                measure_command(store.command().args(["query", "--output", "ndjson", &sql]))?;
            ours.push(cost);
            let mut command = Command::new(python);
            let (cost, printed) = measure_command(command.arg(&script).arg(&generation).arg(&sql))?;
            duckdb.push(cost);
            let (time, their_rows) = printed.split_once('\n').context("it prints its time")?;
            alone.push(Cost { milliseconds: time.trim().parse()?, ..cost });
            let counts = (rows.lines().count(), their_rows.lines().count());
            ensure!(counts.0 == counts.1, "{name}: {counts:?} rows");
        }
        let (ours, duckdb) = (medians(&ours), medians(&duckdb));
        let duckdb_query_ms = medians(&alone).milliseconds;
        compared.push(Compared { name, ours, duckdb, duckdb_query_ms });
    }
    print(&compared, options);
    Ok(())
}

/// The queries, each below a line with its name.
fn queries(root: &Path, keys: &Keys) -> anyhow::Result<Vec<(String, String)>> {
    let text = fs::read_to_string(root.join("xtask/peers/queries.sql"))?;
    let text = text.replace("{device}", &keys.device).replace("{package}", &keys.package);
    let parts = text.split("\n-- ").skip(1).filter_map(|part| part.split_once('\n'));
    Ok(parts.map(|(name, sql)| (name.trim().to_owned(), sql.trim().to_owned())).collect())
}

fn print(compared: &[Compared], options: &MeasureOptions) {
    if options.output == Output::Json {
        let rows = compared.iter().map(|query| {
            json!({
                "name": query.name,
                "milliseconds": query.ours.milliseconds,
                "peakMebibytes": query.ours.peak_mebibytes,
                "duckdbMilliseconds": query.duckdb.milliseconds,
                "duckdbQueryMilliseconds": query.duckdb_query_ms,
                "duckdbPeakMebibytes": query.duckdb.peak_mebibytes,
            })
        });
        println!("{}", json!({ "title": "beside DuckDB", "cases": rows.collect::<Vec<_>>() }));
        return;
    }
    println!("whole processes beside DuckDB, median of {}", options.runs);
    println!(
        "{:36}{:>8}{:>9}{:>10}{:>9}{:>8}{:>12}",
        "", "ms", "peak MiB", "DuckDB ms", "peak MiB", "ratio", "query alone"
    );
    for Compared { name, ours, duckdb, duckdb_query_ms } in compared {
        println!(
            "{name:36}{:8.0}{:9.0}{:10.0}{:9.0}{:8.2}{duckdb_query_ms:12.0}",
            ours.milliseconds,
            ours.peak_mebibytes,
            duckdb.milliseconds,
            duckdb.peak_mebibytes,
            ours.milliseconds / duckdb.milliseconds,
        );
    }
}
