//! `software eol`: when support ends for the software of the estate.

use std::path::Path;

use core_query::QuerySession;
use core_software::report::{self, Source, SupportLine};
use core_software::{Mapping, Package, Products, System};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{SYSTEMS, open, packages, read, rows, text};
use crate::cli::{EolArguments, Global, RowFormat};
use crate::commands::show;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::system;

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

/// Returns the end of support of systems and packages as the rows of a table.
pub(super) async fn rows_of(
    session: &QuerySession,
    products: &Path,
    mapping: Option<&Path>,
) -> Result<Vec<Value>, Failure> {
    let (products, mapping, source) = known(products, mapping)?;
    let lines = lines(session, &products, &mapping).await?;
    Ok(lines.iter().map(|line| line.to_row(&source, today())).collect())
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
) -> Result<Vec<SupportLine>, Failure> {
    let systems = rows(session, SYSTEMS).await?;
    let systems = systems.iter().map(|row| System {
        name: text(row, "name"),
        version: text(row, "version"),
        devices: row["devices"].as_u64().unwrap_or_default(),
    });
    Ok(report::support(systems.collect(), &packages(session).await?, products, mapping))
}

fn print(lines: &[SupportLine], source: &Source, format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        let objects = lines.iter().map(|line| line.to_json(source, today()));
        return show::rows(&objects.collect::<Vec<Value>>(), format);
    }
    let rows = lines.iter().map(|line| {
        [
            format!("{} {}", line.name, line.version).trim().to_owned(),
            format!("{} {}", line.product, line.releases.join(", ")),
            line.state(today()).to_owned(),
            line.ends(),
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
