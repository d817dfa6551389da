//! `software`: what the user's own files say about the software of the estate.

use core_cli::{AdvisoriesArguments, EolArguments, Global, RowFormat, SoftwareCommand};
use core_reading::software::{self, KnownProducts, day_of};
use core_software::Package;
use core_software::report::{AdvisoryLine, SupportLine};

use super::opened::Opened;
use super::show;
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
        let packages = known.unmapped(&session).await?;
        let (objects, cells) =
            (packages.iter().map(Package::to_json), packages.iter().map(Package::cells));
        return show::list(format, objects, Package::HEADER, cells, 3);
    }
    let mut lines = known.support(&session).await?;
    if arguments.ended {
        lines.retain(|line| line.support.0.has_ended(day_of(now)) != Some(false));
    }
    let today = day_of(now);
    let objects = lines.iter().map(|line| line.to_json(&known.source, today));
    let cells = lines.iter().map(|line| line.cells(today));
    show::list(format, objects, SupportLine::HEADER, cells, 5)?;
    if format == RowFormat::Table {
        output::note(&known.remark());
    }
    Ok(Exit::Complete)
}

/// Lists the packages that are affected, or may be.
async fn advisories(global: &Global, arguments: &AdvisoriesArguments) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let session = software::open(&opened.reader(), "advisories").await?;
    let AdvisoriesArguments { files, exploited, output } = arguments;
    let lines = software::advisories(&session, files, exploited.as_deref(), system::now()).await?;
    let (objects, cells) =
        (lines.iter().map(AdvisoryLine::to_json), lines.iter().map(AdvisoryLine::cells));
    show::list(output.output, objects, AdvisoryLine::HEADER, cells, 6)
}
