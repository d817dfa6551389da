//! The software of a generation, compared with files of the user.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use core_engine::ledger::Event;
use core_engine::{Failure, FailureKind, Moment};
use core_query::{Format, QueryError, QuerySession, QuerySettings, ResultWriter};
use core_software::report::{self, AdvisoryLine, Source, SupportLine};
use core_software::{
    Advisories, ExploitedVulnerabilities, Mapping, Package, Products, SoftwareError, System,
};
use core_store::TableKind;
use core_terminal::count;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::failure::internal;
use crate::reader::Reader;

/// The tables that software is read from.
pub(crate) const SOURCES: [(TableKind, &str); 3] = [
    (TableKind::Entity, "nexthink_package"),
    (TableKind::Entity, "nexthink_device"),
    (TableKind::Relationship, "nexthink_device_installed_package"),
];

/// The packages and on how many devices each is.
const PACKAGES: &str = "select p._key, p.name, p.publisher, p.version, count(r._fromEntityKey) devices \
     from nexthink_package p left join nexthink_device_installed_package r on r._toEntityKey = p._key \
     group by 1, 2, 3, 4 order by devices desc, 2, 4, 1";
const SYSTEMS: &str = "select osName name, osVersion version, count(*) devices from nexthink_device \
     where osName is not null group by 1, 2 order by 3 desc, 1, 2";

/// The products whose end of support a file of the user tells, and which packages are of which.
#[derive(Debug)]
pub struct KnownProducts {
    products: Products,
    mapping: Mapping,
    /// The file of the products.
    pub source: Source,
}

/// Opens the published generation, to be asked for its software.
///
/// # Errors
///
/// The generation has no packages or devices, or cannot be read.
pub async fn open(reader: &Reader<'_>, report: &str) -> Result<QuerySession, Failure> {
    let generation = reader.generation(None)?;
    let id = generation.id().as_str();
    reader.record(&Event::SoftwareReport { report, generation: id });
    for (kind, name) in SOURCES {
        match generation.manifest().table(kind, name) {
            None => {
                return Err(Failure::configuration(format!(
                    "the generation has no table {name}: a run reads it if its query is configured"
                )));
            }
            Some(table) if table.partial => {
                reader.remark(&format!("{name} is partial: it may lack rows or hold older ones"));
            }
            Some(_) => {}
        }
    }
    QuerySession::open(&generation, QuerySettings::default()).await.map_err(internal)
}

impl KnownProducts {
    /// Reads the files, which must fit each other. `now` tells how old they are.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or the mapping names products that there are not.
    pub fn read(products: &Path, mapping: Option<&Path>, now: Moment) -> Result<Self, Failure> {
        let (products, source) = read(products, now, Products::parse)?;
        let mapping = match mapping {
            Some(path) => read(path, now, Mapping::parse)?.0,
            None => Mapping::default(),
        };
        let unknown = products.unknown_products(&mapping);
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            return Err(Failure::configuration(format!(
                "the mapping names products that {} does not have: {names}",
                source.name
            )));
        }
        Ok(Self { products, mapping, source })
    }

    /// Returns when support ends for the systems and packages of a generation.
    ///
    /// # Errors
    ///
    /// The generation cannot be read.
    pub async fn support(&self, session: &QuerySession) -> Result<Vec<SupportLine>, Failure> {
        let systems = rows(session, SYSTEMS).await?;
        let systems = systems.iter().map(|row| System {
            name: text(row, "name"),
            version: text(row, "version"),
            devices: row["devices"].as_u64().unwrap_or_default(),
        });
        let packages = packages(session).await?;
        Ok(report::support(systems.collect(), &packages, &self.products, &self.mapping))
    }

    /// Returns the packages that are no known product.
    ///
    /// # Errors
    ///
    /// The generation cannot be read.
    pub async fn unmapped(&self, session: &QuerySession) -> Result<Vec<Package>, Failure> {
        let mut packages = packages(session).await?;
        packages.retain(|package| self.products.find(package, &self.mapping).is_none());
        Ok(packages)
    }

    /// Says in a sentence what has to be known to read dates from the file of the products.
    pub fn remark(&self) -> String {
        let Source { name, age_days } = &self.source;
        match age_days {
            Some(days) => {
                format!("from {name}, which was changed {} ago", count(*days, "day"))
            }
            None => format!("from {name}"),
        }
    }
}

/// Finds the packages of a generation that are affected by advisories in the files of the user, or may be.
///
/// # Errors
///
/// A file or the generation cannot be read.
pub async fn advisories(
    session: &QuerySession,
    files: &[PathBuf],
    exploited: Option<&Path>,
    now: Moment,
) -> Result<Vec<AdvisoryLine>, Failure> {
    let is_toml = |path: &Path| {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
    };
    let parse = |path: &Path| {
        if is_toml(path) {
            read(path, now, Advisories::parse_toml)
        } else {
            read(path, now, Advisories::parse_csv)
        }
    };
    let lists = files.iter().map(|path| parse(path)).collect::<Result<Vec<_>, _>>()?;
    let exploited =
        exploited.map(|path| read(path, now, ExploitedVulnerabilities::parse)).transpose()?;
    Ok(report::advisories(&packages(session).await?, &lists, exploited.as_ref()))
}

/// Returns the day of a moment, in UTC.
pub fn day_of(now: Moment) -> Date {
    now.to_timestamp().to_zoned(TimeZone::UTC).date()
}

async fn packages(session: &QuerySession) -> Result<Vec<Package>, Failure> {
    let rows = rows(session, PACKAGES).await?;
    let packages = rows.iter().map(|row| Package {
        key: text(row, "_key"),
        name: text(row, "name"),
        publisher: text(row, "publisher"),
        version: text(row, "version"),
        devices: row["devices"].as_u64().unwrap_or_default(),
    });
    Ok(packages.collect())
}

async fn rows(session: &QuerySession, sql: &str) -> Result<Vec<Value>, Failure> {
    let rows = async {
        let mut result = session.sql(sql)?;
        let mut writer = ResultWriter::new(Format::Ndjson, &result.schema(), Vec::new())?;
        while let Some(batch) = result.next().await? {
            writer.write(&batch)?;
        }
        writer.finish()
    };
    let lines = rows.await.map_err(|error: QueryError| internal(error))?;
    let rows = serde_json::Deserializer::from_slice(&lines).into_iter().collect::<Result<_, _>>();
    rows.map_err(|error| Failure::new(FailureKind::Internal, error))
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

/// Reads a file of the user.
fn read<T>(
    path: &Path,
    now: Moment,
    parse: impl FnOnce(&str) -> Result<T, SoftwareError>,
) -> Result<(T, Source), Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::configuration(format!("cannot read {shown}: {error}")))?;
    // Windows writes a mark before the text.
    let text = text.trim_start_matches('\u{feff}');
    let parsed = parse(text).map_err(|error| Failure::configuration(format!("{shown} {error}")))?;
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let modified = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    let age_days = modified.map(|age| (now.0 / 1000).saturating_sub(age.as_secs()) / 86_400);
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok((parsed, Source { name, age_days }))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::testing::host;

    const PRODUCTS: &str = include_str!("../../software/tests/data/products.json");

    /// A folder with the products, and a mapping if one is given.
    fn folder(products: &str, mapping: Option<&str>) -> TempDir {
        let folder = TempDir::new().expect("a folder can be made");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("it is ours");
        };
        write("products.json", products);
        if let Some(text) = mapping {
            write("mapping.toml", text);
        }
        folder
    }

    fn known(folder: &TempDir, mapping: Option<&str>) -> Result<KnownProducts, String> {
        let mapping = mapping.map(|name| folder.path().join(name));
        let read = KnownProducts::read(
            &folder.path().join("products.json"),
            mapping.as_deref(),
            host().now(),
        );
        read.map_err(|failure| failure.error.to_string())
    }

    #[test]
    fn a_file_is_read_with_the_mark_that_windows_writes_and_named_without_its_folder() {
        let folder = folder(&format!("\u{feff}{PRODUCTS}"), None);
        let known = known(&folder, None).expect("it is a file of products");
        assert_eq!(known.source.name, "products.json");
        assert!(known.remark().starts_with("from products.json"), "{}", known.remark());
    }

    #[test]
    fn a_file_that_is_missing_or_something_else_is_named() {
        let folder = folder("[]", None);
        let refused = known(&folder, None).expect_err("it has no products");
        assert!(refused.contains("products.json"), "{refused}");
        let folder = self::folder(PRODUCTS, None);
        let refused = known(&folder, Some("mapping.toml")).expect_err("there is no mapping");
        assert!(
            refused.starts_with("cannot read ") && refused.contains("mapping.toml"),
            "{refused}"
        );
    }

    #[test]
    fn a_mapping_to_products_that_the_file_does_not_have_is_refused_with_their_names() {
        let mapping = "[[package]]\nname = \"Contoso*\"\nproduct = \"bakcup\"\n";
        let folder = folder(PRODUCTS, Some(mapping));
        let refused = known(&folder, Some("mapping.toml")).expect_err("it is misspelt");
        assert_eq!(refused, "the mapping names products that products.json does not have: bakcup");
        let right = folder.path().join("right.toml");
        std::fs::write(right, mapping.replace("bakcup", "backup")).expect("it is ours");
        assert!(known(&folder, Some("right.toml")).is_ok());
    }

    #[test]
    fn the_age_of_a_file_is_told_in_days_if_it_is_known() {
        let folder = folder(PRODUCTS, None);
        let mut known = known(&folder, None).expect("it is a file of products");
        for (age_days, expected) in [
            (Some(1), "from products.json, which was changed 1 day ago"),
            (Some(40), "from products.json, which was changed 40 days ago"),
            (None, "from products.json"),
        ] {
            known.source.age_days = age_days;
            assert_eq!(known.remark(), expected);
        }
    }

    #[test]
    fn a_day_is_that_of_utc() {
        for (ms, expected) in [(1_772_323_199_999, "2026-02-28"), (1_772_323_200_000, "2026-03-01")]
        {
            assert_eq!(day_of(Moment(ms)).to_string(), expected);
        }
    }
}
