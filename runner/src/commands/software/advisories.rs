//! `software advisories`: packages that advisories are about.

use std::path::{Path, PathBuf};

use core_query::QuerySession;
use core_software::report::{self, AdvisoryLine};
use core_software::{Advisories, ExploitedVulnerabilities};
use serde_json::Value;

use super::{open, packages, read};
use crate::cli::{AdvisoriesArguments, Global, RowFormat};
use crate::commands::show;
use crate::exit::{Exit, Failure};
use crate::output;

/// Lists the packages that are affected, or may be.
pub(super) async fn advisories(
    global: &Global,
    arguments: &AdvisoriesArguments,
) -> Result<Exit, Failure> {
    let session = open(global, "advisories").await?;
    let lines = lines(&session, &arguments.files, arguments.exploited.as_deref()).await?;
    print(&lines, arguments.output.output)
}

/// Reads the files, and finds the packages that are affected, or may be.
pub(super) async fn lines(
    session: &QuerySession,
    files: &[PathBuf],
    exploited: Option<&Path>,
) -> Result<Vec<AdvisoryLine>, Failure> {
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
    let lists = files.iter().map(|path| parse(path)).collect::<Result<Vec<_>, _>>()?;
    let exploited =
        exploited.map(|path| read(path, ExploitedVulnerabilities::parse)).transpose()?;
    Ok(report::advisories(&packages(session).await?, &lists, exploited.as_ref()))
}

fn print(lines: &[AdvisoryLine], format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        let objects: Vec<Value> = lines.iter().map(AdvisoryLine::to_json).collect();
        return show::rows(&objects, format);
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
