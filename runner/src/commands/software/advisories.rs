//! `software advisories`: packages that advisories are about.

use std::path::Path;

use core_software::{Advisories, Confidence, ExploitedVulnerabilities, Package, Verdict};
use serde_json::{Value, json};

use super::{Estate, Source, read};
use crate::cli::{AdvisoriesArguments, Global, RowFormat};
use crate::commands::show;
use crate::exit::{Exit, Failure};
use crate::output;

/// An advisory and a package.
struct Line<'a> {
    package: &'a Package,
    id: String,
    /// `affected`, `unknown` or `candidate`.
    verdict: &'static str,
    fixed_in: String,
    severity: String,
    link: String,
    rule: &'static str,
    confidence: Confidence,
    source: &'a Source,
}

/// Lists the packages that are affected, or may be.
pub(super) async fn advisories(
    global: &Global,
    arguments: &AdvisoriesArguments,
) -> Result<Exit, Failure> {
    let is_toml = |path: &Path| path.extension().is_some_and(|it| it.eq_ignore_ascii_case("toml"));
    let parse = |path: &Path| {
        if is_toml(path) {
            read(path, Advisories::parse_toml)
        } else {
            read(path, Advisories::parse_csv)
        }
    };
    let files = arguments.files.iter().map(|path| parse(path)).collect::<Result<Vec<_>, _>>()?;
    let exploited = arguments.exploited.as_deref();
    let exploited =
        exploited.map(|path| read(path, ExploitedVulnerabilities::parse)).transpose()?;
    let packages = Estate::open(global, "advisories").await?.packages().await?;
    let mut lines = Vec::new();
    for package in &packages {
        for (advisories, source) in &files {
            lines.extend(advisories.find(package).into_iter().map(|found| Line {
                package,
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
                source,
            }));
        }
        if let Some((catalog, source)) = &exploited {
            lines.extend(catalog.find(package).into_iter().map(|found| Line {
                package,
                id: found.id,
                verdict: "candidate",
                fixed_in: String::new(),
                severity: String::new(),
                link: String::new(),
                rule: "vendor and product named",
                confidence: Confidence::Candidate,
                source,
            }));
        }
    }
    print(&lines, arguments.output.output)
}

fn print(lines: &[Line<'_>], format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        let objects = lines.iter().map(|line| {
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
        });
        return show::rows(&objects.collect::<Vec<Value>>(), format);
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
