//! `software`: what the user's own files say about the software of the estate.

use core_engine::Moment;
use core_reading::software::{self, KnownProducts, day_of};
use core_software::Package;
use core_software::report::{AdvisoryLine, SupportLine};
use serde_json::{Value, json};

use super::opened::Opened;
use super::show;
use crate::cli::{AdvisoriesArguments, EolArguments, Global, RowFormat, SoftwareCommand};
use crate::exit::{Exit, Failure};
use crate::{output, system};

/// Compares the published generation with files.
pub(super) async fn software(global: &Global, command: &SoftwareCommand) -> Result<Exit, Failure> {
    match command {
        SoftwareCommand::Eol(arguments) => eol(global, arguments).await,
        SoftwareCommand::Advisories(arguments) => advisories(global, arguments).await,
    }
}

/// Lists the end of support, or what is no known product.
async fn eol(global: &Global, arguments: &EolArguments) -> Result<Exit, Failure> {
    let now = system::now();
    let known = KnownProducts::read(&arguments.products, arguments.mapping.as_deref(), now)?;
    let opened = Opened::new(global)?;
    let session = software::open(&opened.reader(), "eol").await?;
    let format = arguments.output.output;
    if arguments.unmapped {
        return print_unmapped(&known.unmapped(&session).await?, format);
    }
    let mut lines = known.support(&session).await?;
    if arguments.ended {
        lines.retain(|line| line.support.0.has_ended(day_of(now)) != Some(false));
    }
    print_support(&lines, &known, now, format)
}

/// Lists the packages that are affected, or may be.
async fn advisories(global: &Global, arguments: &AdvisoriesArguments) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let session = software::open(&opened.reader(), "advisories").await?;
    let AdvisoriesArguments { files, exploited, output } = arguments;
    let lines = software::advisories(&session, files, exploited.as_deref(), system::now()).await?;
    print_advisories(&lines, output.output)
}

fn print_support(
    lines: &[SupportLine],
    known: &KnownProducts,
    now: Moment,
    format: RowFormat,
) -> Result<Exit, Failure> {
    let today = day_of(now);
    if format != RowFormat::Table {
        let objects = lines.iter().map(|line| line.to_json(&known.source, today));
        return show::rows(objects, format);
    }
    let rows = lines.iter().map(|line| {
        [
            format!("{} {}", line.name, line.version).trim().to_owned(),
            format!("{} {}", line.product, line.releases.join(", ")),
            line.state(today).to_owned(),
            line.ends(),
            format!("{} ({})", line.rule, line.confidence),
            line.devices.to_string(),
        ]
    });
    let header = ["software", "product and release", "support", "ends", "rule", "devices"];
    output::result(&output::table(header, rows, 5));
    output::note(&known.remark());
    Ok(Exit::Complete)
}

/// Lists the packages that are no known product.
fn print_unmapped(packages: &[Package], format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        let objects = packages.iter().map(|package| {
            json!({
                "name": package.name,
                "publisher": package.publisher,
                "version": package.version,
                "devices": package.devices,
            })
        });
        return show::rows(objects, format);
    }
    let rows = packages.iter().map(|package| {
        let Package { name, publisher, version, devices, .. } = package;
        [name.clone(), publisher.clone(), version.clone(), devices.to_string()]
    });
    output::result(&output::table(["package", "publisher", "version", "devices"], rows, 3));
    Ok(Exit::Complete)
}

fn print_advisories(lines: &[AdvisoryLine], format: RowFormat) -> Result<Exit, Failure> {
    if format != RowFormat::Table {
        let objects: Vec<Value> = lines.iter().map(AdvisoryLine::to_json).collect();
        return show::rows(objects, format);
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
