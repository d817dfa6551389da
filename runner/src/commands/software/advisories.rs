//! `software advisories`: packages that advisories are about.

use std::path::{Path, PathBuf};

use core_query::QuerySession;
use core_software::{Advisories, Confidence, ExploitedVulnerabilities, Package, Verdict};
use serde_json::{Value, json};

use super::{Source, open, packages, read};
use crate::cli::{AdvisoriesArguments, Global, RowFormat};
use crate::commands::show;
use crate::exit::{Exit, Failure};
use crate::output;

/// An advisory and a package.
struct Line {
    package: Package,
    id: String,
    /// `affected`, `unknown` or `candidate`.
    verdict: &'static str,
    fixed_in: String,
    severity: String,
    link: String,
    rule: &'static str,
    confidence: Confidence,
    source: Source,
}

/// Lists the packages that are affected, or may be.
pub(super) async fn advisories(
    global: &Global,
    arguments: &AdvisoriesArguments,
) -> Result<Exit, Failure> {
    let session = open(global, "advisories").await?;
    let lines = lines(&session, &arguments.files, arguments.exploited.as_deref()).await?;
    print(&lines, arguments.output.output)
}

/// The packages that are affected, or may be, as the rows of a table.
pub(super) async fn matches(
    session: &QuerySession,
    files: &[PathBuf],
    exploited: Option<&Path>,
) -> Result<Vec<Value>, Failure> {
    let lines = lines(session, files, exploited).await?;
    let rows = lines.iter().map(|line| {
        let mut row = object(line);
        row["_key"] = json!(format!("{}|{}", line.package.key, line.id));
        row
    });
    Ok(rows.collect())
}

async fn lines(
    session: &QuerySession,
    files: &[PathBuf],
    exploited: Option<&Path>,
) -> Result<Vec<Line>, Failure> {
    let is_toml = |path: &Path| {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
    };
    let parse = |path: &Path| {
        if is_toml(path) {
            read(path, Advisories::parse_toml)
        } else {
            read(path, Advisories::parse_csv)
        }
    };
    let files = files.iter().map(|path| parse(path)).collect::<Result<Vec<_>, _>>()?;
    let exploited =
        exploited.map(|path| read(path, ExploitedVulnerabilities::parse)).transpose()?;
    let mut lines = Vec::new();
    for package in packages(session).await? {
        for (advisories, source) in &files {
            lines.extend(advisories.find(&package).into_iter().map(|found| Line {
                package: package.clone(),
                id: found.id,
                verdict: match found.verdict {
                    Verdict::Affected => "affected",
                    Verdict::Unknown => "unknown",
                },
                fixed_in: found.fixed_in,
                severity: found.severity,
                link: found.link,
                rule: "name and version",
                confidence: Confidence::Certain,
                source: source.clone(),
            }));
        }
        if let Some((catalog, source)) = &exploited {
            lines.extend(catalog.find(&package).into_iter().map(|found| Line {
                package: package.clone(),
                id: found.id,
                verdict: "candidate",
                fixed_in: String::new(),
                severity: String::new(),
                link: String::new(),
                rule: "vendor and product named",
                confidence: Confidence::Candidate,
                source: source.clone(),
            }));
        }
    }
    Ok(lines)
}

fn object(line: &Line) -> Value {
    json!({
        "package": line.package.key,
        "name": line.package.name,
        "version": line.package.version,
        "devices": line.package.devices,
        "advisory": line.id,
        "verdict": line.verdict,
        "fixedIn": line.fixed_in,
        "severity": line.severity,
        "link": line.link,
        "rule": line.rule,
        "confidence": line.confidence.name(),
        "source": line.source.name,
        "sourceAgeDays": line.source.age_days,
    })
}

fn print(lines: &[Line], format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        return show::rows(&lines.iter().map(object).collect::<Vec<Value>>(), format);
    }
    let rows = lines.iter().map(|line| {
        [
            format!("{} {}", line.package.name, line.package.version).trim().to_owned(),
            line.id.clone(),
            line.verdict.to_owned(),
            line.fixed_in.clone(),
            line.severity.clone(),
            line.source.name.clone(),
            line.package.devices.to_string(),
        ]
    });
    let header = ["package", "advisory", "verdict", "fixed in", "severity", "source", "devices"];
    output::result(&output::table(header, rows, 6));
    Ok(Exit::Complete)
}
