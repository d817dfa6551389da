//! `status` and `fleet status`: when tenants have run and will run, and whether what they have published is recent.

use core_cli::{Age, Global, ReportFormat, RowFormat, StatusArguments};
use core_operations::Health;
use core_operations::status::{HEADER, StatusRow, cells, describe};

use crate::config;
use crate::exit::{EXIT_CODE_TABLE, Exit, Failure};
use crate::host::host;
use crate::output;

/// Prints the status of one tenant.
pub(super) fn status(global: &Global, arguments: &StatusArguments) -> Result<Exit, Failure> {
    let source = config::find(global.config.as_deref());
    let config = match &source {
        Some(source) => config::load(source),
        None => super::opened::demo_config(global),
    }?;
    let health = Health::read(&config, host(), EXIT_CODE_TABLE)?;
    let rows = describe(&config.name, &health, EXIT_CODE_TABLE).into_iter();
    let row = StatusRow::new(config.name.clone(), Ok(health));
    match arguments.output {
        ReportFormat::Json => output::json(&row)?,
        ReportFormat::Table => {
            let rows = rows.map(|(what, value)| [what.to_owned(), value]);
            output::result(&output::table(["status", ""], rows, 2));
        }
    }
    Ok(judge(&[row], arguments.max_age))
}

/// Prints the status of every tenant of a fleet.
pub(super) fn fleet(
    global: &Global,
    max_age: Option<Age>,
    format: RowFormat,
) -> Result<Exit, Failure> {
    let fleet = super::fleet::configured_fleet(global)?;
    let rows: Vec<StatusRow> = fleet
        .load_all()?
        .into_iter()
        .map(|(name, config)| {
            let health = config.and_then(|config| Health::read(&config, host(), EXIT_CODE_TABLE));
            StatusRow::new(name, health)
        })
        .collect();
    if format == RowFormat::Table {
        output::result(&output::table(HEADER, rows.iter().map(cells), 3));
    } else {
        let objects = rows.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
        super::show::rows(objects.map_err(anyhow::Error::new)?, format)?;
    }
    Ok(judge(&rows, max_age))
}

/// Prints the problems, and returns the exit code of the worst.
fn judge(rows: &[StatusRow], max_age: Option<Age>) -> Exit {
    let mut exit = Exit::Complete;
    for row in rows {
        if let Some(problem) = &row.problem {
            output::error_text(&format!("{}: {problem}", row.tenant));
        }
        if let Some(age) = max_age.filter(|age| row.is_older_than(age.seconds())) {
            output::error_text(&format!("{}: nothing was published within {age}", row.tenant));
            exit = exit.worse(Exit::Stale);
        }
        exit = exit.worse(row.failure.map_or(Exit::Complete, Exit::from));
    }
    exit
}
