//! The summary of a run for people.

use core_engine::run::report::RunReport;
use core_terminal::bytes;

use crate::output;

/// The summary for people.
pub(super) fn table(report: &RunReport) -> String {
    let header = [
        "step",
        "outcome",
        "rows",
        "entities",
        "relationships",
        "duplicates",
        "dangling",
        "quarantined",
        "bytes",
        "time",
    ];
    let rows = report.steps.iter().map(|step| {
        [
            step.id.to_owned(),
            step.outcome.to_string(),
            step.rows.read.to_string(),
            step.entities.to_string(),
            step.relationships.to_string(),
            step.rows.merged.to_string(),
            step.dangling.to_string(),
            step.rows.quarantined.to_string(),
            bytes(step.bytes),
            seconds(step.fetch_ms + step.apply_ms),
        ]
    });
    output::table(header, rows, 2)
}

fn seconds(milliseconds: u128) -> String {
    format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_seconds() {
        assert_eq!(seconds(0), "0.00 s");
        assert_eq!(seconds(1_099), "1.09 s");
        assert_eq!(seconds(61_500), "61.50 s");
    }
}
