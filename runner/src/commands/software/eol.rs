//! `software eol`: until when systems and packages are supported.

use std::path::Path;

use core_query::QuerySession;
use core_software::{Mapping, Package, Products, Support, System};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{SYSTEMS, Source, open, packages, read, rows, text};
use crate::cli::{EolArguments, Global, RowFormat};
use crate::commands::show;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::system;

/// A system or package and the end of its support.
struct Line {
    kind: &'static str,
    name: String,
    version: String,
    /// The key of the package; none for a system.
    package: Option<String>,
    devices: u64,
    product: String,
    releases: Vec<String>,
    /// The first day on which support may have ended, and the last.
    support: (Support, Support),
    rule: &'static str,
    confidence: &'static str,
}

/// Lists the end of support, or what is no known product.
pub(super) async fn eol(global: &Global, arguments: &EolArguments) -> Result<Exit, Failure> {
    let (products, mapping, source) = known(&arguments.products, arguments.mapping.as_deref())?;
    let session = open(global, "eol").await?;
    let format = arguments.output.output;
    if arguments.unmapped {
        return unmapped(&packages(&session).await?, &products, &mapping, format);
    }
    let mut lines = lines(&session, &products, &mapping).await?;
    if arguments.ended {
        lines.retain(|line| line.support.0.has_ended(today()) != Some(false));
    }
    print(&lines, &source, format)
}

/// The end of support of systems and packages as the rows of a table.
pub(super) async fn report(
    session: &QuerySession,
    products: &Path,
    mapping: Option<&Path>,
) -> Result<Vec<Value>, Failure> {
    let (products, mapping, source) = known(products, mapping)?;
    let lines = lines(session, &products, &mapping).await?;
    let rows = lines.iter().map(|line| {
        let mut row = object(line, &source);
        let package = line.package.as_deref();
        let key = package.map_or_else(|| format!("{} {}", line.name, line.version), str::to_owned);
        row["_key"] = json!(format!("{}:{key}", line.kind));
        row["package"] = json!(package);
        row["releases"] = json!(line.releases.join(", "));
        row
    });
    Ok(rows.collect())
}

/// Reads the files, which must fit each other.
fn known(products: &Path, mapping: Option<&Path>) -> Result<(Products, Mapping, Source), Failure> {
    let (products, source) = read(products, Products::parse)?;
    let mapping = match mapping {
        Some(path) => read(path, Mapping::parse)?.0,
        None => Mapping::default(),
    };
    let unknown = products.unknown_products(&mapping);
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        return Err(Failure::usage(format!(
            "the mapping names products that {} does not have: {names}",
            source.name
        )));
    }
    Ok((products, mapping, source))
}

fn today() -> Date {
    system::now().to_timestamp().to_zoned(TimeZone::UTC).date()
}

async fn lines(
    session: &QuerySession,
    products: &Products,
    mapping: &Mapping,
) -> Result<Vec<Line>, Failure> {
    let mut lines = systems(session, products).await?;
    let packages = packages(session).await?;
    lines.extend(packages.iter().filter_map(|package| line(package, products, mapping)));
    Ok(lines)
}

async fn systems(session: &QuerySession, products: &Products) -> Result<Vec<Line>, Failure> {
    let rows = rows(session, SYSTEMS).await?;
    let lines = rows.iter().map(|row| {
        let system = System {
            name: text(row, "name"),
            version: text(row, "version"),
            devices: row["devices"].as_u64().unwrap_or_default(),
        };
        let found = products.find_system(&system)?;
        Some(Line {
            kind: "system",
            name: system.name,
            version: system.version,
            package: None,
            devices: system.devices,
            product: found.product,
            releases: found.releases,
            support: found.support,
            rule: found.rule,
            confidence: "certain",
        })
    });
    let mut merged: Vec<Line> = Vec::new();
    for mut line in lines.flatten() {
        // Updates of a release share its end, and other systems are known by their names alone.
        let build: Vec<&str> = line.version.split('.').take(3).collect();
        line.version = if line.rule == "name" { String::new() } else { build.join(".") };
        let is_same =
            |other: &&mut Line| other.name == line.name && other.releases == line.releases;
        match merged.iter_mut().find(is_same) {
            Some(other) => other.devices += line.devices,
            None => merged.push(line),
        }
    }
    merged.sort_by(|one, two| two.devices.cmp(&one.devices).then_with(|| one.name.cmp(&two.name)));
    Ok(merged)
}

fn line(package: &Package, products: &Products, mapping: &Mapping) -> Option<Line> {
    let found = products.find(package, mapping)?;
    Some(Line {
        kind: "package",
        name: package.name.clone(),
        version: package.version.clone(),
        package: Some(package.key.clone()),
        devices: package.devices,
        product: found.product,
        releases: found.release.into_iter().collect(),
        support: (found.support, found.support),
        rule: found.rule,
        confidence: found.confidence.name(),
    })
}

/// Returns whether support has ended, in a word. If it may have ended, that is not known.
fn state(support: (Support, Support)) -> &'static str {
    let today = today();
    match (support.0.has_ended(today), support.1.has_ended(today)) {
        (Some(false), Some(false)) => "supported",
        (Some(true), Some(true)) => "ended",
        _ => "unknown",
    }
}

fn day(support: Support) -> Option<String> {
    support.end().map(|end| end.to_string())
}

fn object(line: &Line, source: &Source) -> Value {
    json!({
        "kind": line.kind,
        "name": line.name,
        "version": line.version,
        "devices": line.devices,
        "product": line.product,
        "releases": line.releases,
        "state": state(line.support),
        "endsFrom": day(line.support.0),
        "endsUntil": day(line.support.1),
        "rule": line.rule,
        "confidence": line.confidence,
        "source": source.name,
        "sourceAgeDays": source.age_days,
    })
}

fn print(lines: &[Line], source: &Source, format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        let objects = lines.iter().map(|line| object(line, source));
        return show::rows(&objects.collect::<Vec<Value>>(), format);
    }
    let rows = lines.iter().map(|line| {
        let (first, last) = (day(line.support.0), day(line.support.1));
        let ends = match (first, last) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (Some(end), _) | (None, Some(end)) => end,
            (None, None) => String::new(),
        };
        [
            format!("{} {}", line.name, line.version).trim().to_owned(),
            format!("{} {}", line.product, line.releases.join(", ")),
            state(line.support).to_owned(),
            ends,
            format!("{} ({})", line.rule, line.confidence),
            line.devices.to_string(),
        ]
    });
    let header = ["software", "product and release", "support", "ends", "rule", "devices"];
    output::result(&output::table(header, rows, 5));
    output::note(&super::remark(source));
    Ok(Exit::Complete)
}

/// Lists the packages that are no known product.
fn unmapped(
    packages: &[Package],
    products: &Products,
    mapping: &Mapping,
    format: RowFormat,
) -> Result<Exit, Failure> {
    let unknown = packages.iter().filter(|package| products.find(package, mapping).is_none());
    if format != RowFormat::Table {
        let objects = unknown.map(|package| {
            json!({
                "name": package.name,
                "publisher": package.publisher,
                "version": package.version,
                "devices": package.devices,
            })
        });
        return show::rows(&objects.collect::<Vec<Value>>(), format);
    }
    let rows = unknown.map(|package| {
        let Package { name, publisher, version, devices, .. } = package;
        [name.clone(), publisher.clone(), version.clone(), devices.to_string()]
    });
    output::result(&output::table(["package", "publisher", "version", "devices"], rows, 3));
    Ok(Exit::Complete)
}
