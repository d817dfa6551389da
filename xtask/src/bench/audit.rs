//! The first reading of an audit trail by the whole program: its cost, and a check that the peak
//! memory does not grow with the number of lines.

use anyhow::{Context as _, ensure};

use super::built::Built;
use super::cost::{Case, in_turns};
use super::served::{Profile, Served};
use super::{MeasureOptions, table};

/// Lines of the simulated trail per day: one a second, every tenth of them twice.
const LINES_A_DAY: u64 = 24 * 3_600 * 11 / 10;

/// Measures runs that read this many lines, a tenth and a hundredth of them.
///
/// # Errors
///
/// A program does not build, or a run is incomplete or reads fewer lines.
pub(crate) fn run(built: &Built, lines: u64, options: &MeasureOptions) -> anyhow::Result<()> {
    let program = built.program()?;
    let served = Served::start_audit(built)?;
    let sizes = [lines / 100, lines / 10, lines];
    let cases = sizes.map(|lines| {
        let (served, program) = (&served, &program);
        let days = lines.div_ceil(LINES_A_DAY).max(1);
        let run = move || {
            served.configure(&configuration(served.api(), days))?;
            let (cost, report) = served.run_and_report(program, Profile::Full)?;
            let trail = &report["audit"]["trails"][0];
            let added = trail["added"].as_u64().context("its report on the audit trail")?;
            ensure!(added >= lines, "it stored {added} lines, not {lines}");
            Ok(cost)
        };
        Case { name: format!("{lines} lines, {days} days"), run: Box::new(run) }
    });
    let measured = in_turns(cases.into(), options.runs, sizes.len())?;
    let title = format!("an audit trail read for the first time, median of {}", options.runs);
    table::print(&title, &measured, options.output);
    Ok(())
}

fn configuration(api: &str, days: u64) -> String {
    format!(
        r#"
[audit]
host = "{api}"
account = "demo"
password = {{ file = "secret" }}
since_days = {days}
"#
    )
}
