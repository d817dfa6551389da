//! The summary of a run for people: a row for each step.

use core_terminal::bytes;

use super::report::RunReport;

impl RunReport {
    /// The header of the summary.
    pub const HEADER: [&str; 10] = [
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

    /// Returns a row for each step.
    pub fn rows(&self) -> impl Iterator<Item = [String; 10]> {
        self.steps.iter().map(|step| {
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
        })
    }
}

fn seconds(milliseconds: u128) -> String {
    format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::report::{StepOutcome, StepReport};

    #[test]
    fn times_are_told_in_seconds() {
        assert_eq!(seconds(0), "0.00 s");
        assert_eq!(seconds(1_099), "1.09 s");
        assert_eq!(seconds(61_500), "61.50 s");
    }

    #[test]
    fn each_step_is_a_row_in_the_order_of_the_run_and_its_time_is_that_of_both_parts() {
        let step = |id, outcome| StepReport { id, outcome, ..StepReport::default() };
        let mut devices = step("fetch-devices", StepOutcome::Partial);
        (devices.entities, devices.bytes) = (5, 2_048);
        (devices.fetch_ms, devices.apply_ms) = (1_000, 500);
        let steps = vec![devices, step("fetch-users", StepOutcome::Skipped)];
        let report = RunReport { steps, ..RunReport::default() };
        let rows: Vec<_> = report.rows().collect();
        assert_eq!([&rows[0][0], &rows[1][0]], ["fetch-devices", "fetch-users"]);
        let [_, outcome, _, entities, .., size, time] = &rows[0];
        assert_eq!((outcome.as_str(), entities.as_str()), ("partial", "5"));
        assert_eq!((size, time.as_str()), (&bytes(2_048_u64), "1.50 s"));
    }
}
