//! The remarks below the table of a run: a line for each problem.

use super::narrowing::Narrowing;
use super::report::{RunReport, StepReport};
use crate::audit::AuditReport;
use core_terminal::count;

/// The number of quarantined rows of a step that are listed.
const LISTED_ROWS: usize = 3;

/// The age of a file that needs no remark, in days: some writers come once a week.
const FRESH_FILE_DAYS: u64 = 7;

impl RunReport {
    /// The remarks on all steps, then those on the audit trail.
    pub fn remarks(&self) -> Vec<String> {
        let has_previous = self.types.iter().any(|changes| changes.objects_before.is_some());
        let mut remarks: Vec<String> = Vec::new();
        for step in &self.steps {
            let of_step = step.remarks(has_previous).into_iter();
            remarks.extend(of_step.map(|remark| format!("{}: {remark}", step.id)));
            step.remark_on_absence(&mut remarks);
        }
        remarks.extend(self.remark_on_hashed_names());
        remarks.extend(self.audit.iter().flat_map(AuditReport::remarks));
        remarks
    }

    /// Returns the reasons why the run is not complete, a line each. Steps with the same reason share a line.
    pub fn shortfalls(&self) -> Vec<String> {
        let mut reasons: Vec<(Vec<&str>, String)> = Vec::new();
        for step in self.steps.iter().filter(|step| step.is_lacking()) {
            let reason = step.reason.as_deref().unwrap_or("no reason is known");
            let told = format!("{}: {reason}", step.outcome);
            match reasons.iter_mut().find(|(_, known)| *known == told) {
                Some((ids, _)) => ids.push(step.id),
                None => reasons.push((vec![step.id], told)),
            }
        }
        let of_steps = reasons.into_iter().map(|(ids, told)| format!("{}: {told}", ids.join(", ")));
        let of_audit = self.audit.iter().flat_map(AuditReport::shortfalls);
        of_steps.chain(of_audit).chain(self.unfinished_erasures.iter().cloned()).collect()
    }

    /// The remark on user names that the Collector has hashed. If several steps read user names, the step that has
    /// read most of them decides.
    fn remark_on_hashed_names(&self) -> Option<String> {
        let hashed_steps = self.steps.iter().filter(|step| step.hashed_names > 0);
        let step = hashed_steps.max_by_key(|step| step.hashed_names + step.plain_names)?;
        let hashed = count(step.hashed_names, "user name");
        Some(if step.plain_names == 0 {
            format!(
                "{}: the Collectors report user names as hashes, so that a user is found by that hash and \
                 not by the name",
                step.id
            )
        } else {
            format!(
                "{}: {hashed} look hashed by the Collector and {} do not, so that one person may have two \
                 pseudonyms; configure all Collectors alike",
                step.id, step.plain_names
            )
        })
    }
}

impl StepReport {
    /// Returns true if the step is not complete although it was to run.
    fn is_lacking(&self) -> bool {
        !self.outcome.lacks_nothing()
    }

    fn remarks(&self, has_previous: bool) -> Vec<String> {
        let mut remarks: Vec<String> = Vec::new();
        if let Some(reason) = &self.reason {
            remarks.push(format!("{}: {reason}", self.outcome));
        }
        if let Some(clauses) = self.narrowing.as_ref().and_then(Narrowing::clauses) {
            remarks.push(format!("the saved query leaves rows out by {clauses}"));
        }
        let unnoticed = self.narrowing.as_ref().and_then(Narrowing::unnoticed_limit);
        remarks.extend(unnoticed.map(str::to_owned));
        if let Some(days) = self.files_age_days.filter(|days| *days > FRESH_FILE_DAYS) {
            remarks.push(format!("the file that was read is {days} days old"));
        }
        self.remark_on_columns(has_previous, &mut remarks);
        self.remark_on_values(&mut remarks);
        self.remark_on_rows(&mut remarks);
        self.remark_on_objects(&mut remarks);
        for row in self.quarantine.iter().take(LISTED_ROWS) {
            let file = if self.parts > 0 { format!("file {}, ", row.file) } else { String::new() };
            remarks.push(format!("{file}line {} is quarantined: {}", row.line, row.reason));
        }
        remarks
    }

    fn remark_on_columns(&self, has_previous: bool, remarks: &mut Vec<String>) {
        if !self.missing_columns.is_empty() {
            remarks.push(format!("the export has no column {}", self.missing_columns.join(", ")));
        }
        if self.unknown_columns > 0 {
            let columns = count(self.unknown_columns, "column");
            remarks.push(format!("{columns} of the export are not known and were ignored"));
        }
        for (property, number) in &self.unreadable {
            remarks.push(format!("{} of {property} cannot be read", count(*number, "cell")));
        }
        if !self.doubtful.is_empty() {
            let kept = if has_previous { "; earlier values are kept" } else { "" };
            remarks.push(format!("the export has no value of {}{kept}", self.doubtful.join(", ")));
        }
        if !self.needs_connector.is_empty() {
            remarks.push(format!(
                "Nexthink fills {} only where its connector for Entra ID is set up",
                self.needs_connector.join(", ")
            ));
        }
    }

    fn remark_on_values(&self, remarks: &mut Vec<String>) {
        for (property, number) in &self.future_times {
            let times = count(*number, &format!("time of {property}"));
            remarks.push(format!("{times} more than 48 hours ahead of this clock, kept as read"));
        }
        for (property, number) in &self.never_times {
            let times = count(*number, &format!("time of {property}"));
            remarks.push(format!("{times} set to null: they stand for never, as 1970-01-01 does"));
        }
        for (property, number) in &self.shared_identifiers {
            let values = count(*number, &format!("value of {property}"));
            remarks.push(format!(
                "{values} set to null: more than three objects share them, so that they identify none"
            ));
        }
        if self.rows_with_nul > 0 {
            let rows = count(self.rows_with_nul, "row");
            remarks.push(format!("{rows} with NUL characters, which became U+FFFD"));
        }
    }

    fn remark_on_rows(&self, remarks: &mut Vec<String>) {
        if self.conflicting > 0 {
            remarks.push(format!(
                "{} in conflict with another row of the same entity: the newer one is kept, or the one with the greater \
                 values where no time tells",
                count(self.conflicting, "row")
            ));
        }
        if self.alike_keys > 0 {
            remarks.push(format!(
                "{} differ from another only by case; they stay apart",
                count(self.alike_keys, "key")
            ));
        }
        if self.rows.suppressed > 0 {
            let rows = count(self.rows.suppressed, "row");
            remarks.push(format!("{rows} of erased people or devices were left out"));
        }
    }

    fn remark_on_objects(&self, remarks: &mut Vec<String>) {
        if self.carried_over > 0 {
            let objects = count(self.carried_over, "object");
            remarks.push(format!("{objects} of the generation before were carried over"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::narrowing::Unchecked;
    use crate::run::report::StepOutcome;

    fn step(id: &'static str, outcome: StepOutcome) -> StepReport {
        StepReport { id, outcome, ..StepReport::default() }
    }

    #[test]
    fn p10_earlier_values_are_kept_only_where_there_were_any() {
        let step = StepReport {
            doubtful: vec!["email", "sid"],
            needs_connector: vec!["email"],
            ..step("fetch-users", StepOutcome::Complete)
        };
        let connector = "Nexthink fills email only where its connector for Entra ID is set up";
        let first = ["the export has no value of email, sid", connector];
        assert_eq!(step.remarks(false), first);
        let later = ["the export has no value of email, sid; earlier values are kept", connector];
        assert_eq!(step.remarks(true), later);
    }

    #[test]
    fn p10_one_of_anything_is_told_in_the_singular() {
        let step = StepReport {
            conflicting: 1,
            carried_over: 1,
            unreadable: [("lastSeenOn", 1)].into(),
            ..step("fetch-users", StepOutcome::Partial)
        };
        for remark in step.remarks(true) {
            assert!(remark.starts_with("1 ") && !remark.contains("s of the gen"), "{remark}");
        }
    }

    /// A report on these steps.
    fn report(steps: Vec<StepReport>) -> RunReport {
        RunReport { steps, ..RunReport::default() }
    }

    #[test]
    fn steps_that_lack_something_for_the_same_reason_share_a_line() {
        let failed = |id| StepReport {
            reason: Some("the host is down".to_owned()),
            ..step(id, StepOutcome::Failed)
        };
        let report = report(vec![
            failed("fetch-devices"),
            step("fetch-account", StepOutcome::Complete),
            step("fetch-alerts", StepOutcome::Partial),
            failed("fetch-users"),
        ]);
        assert_eq!(
            report.shortfalls(),
            [
                "fetch-devices, fetch-users: failed: the host is down",
                "fetch-alerts: partial: no reason is known"
            ]
        );
    }

    #[test]
    fn an_erasure_that_is_not_finished_is_a_shortfall_of_the_run() {
        let mut report = report(vec![step("fetch-users", StepOutcome::Complete)]);
        assert!(report.shortfalls().is_empty());
        report.unfinished_erasures = vec!["erasure e-1 is not certified".to_owned()];
        assert_eq!(report.shortfalls(), ["erasure e-1 is not certified"]);
    }

    #[test]
    fn each_thing_that_is_not_as_it_should_be_has_a_remark() {
        let base = || step("fetch-users", StepOutcome::Complete);
        let table = [
            (
                StepReport { missing_columns: vec!["user.sid"], ..base() },
                "the export has no column user.sid",
            ),
            (StepReport { unknown_columns: 2, ..base() }, "2 columns of the export are not known"),
            (
                StepReport { future_times: [("lastSeenOn", 3)].into(), ..base() },
                "3 times of lastSeenOn more than 48",
            ),
            (
                StepReport { never_times: [("lastSeenOn", 1)].into(), ..base() },
                "1 time of lastSeenOn set to null",
            ),
            (
                StepReport { shared_identifiers: [("serial", 4)].into(), ..base() },
                "4 values of serial set to null",
            ),
            (StepReport { rows_with_nul: 1, ..base() }, "1 row with NUL characters"),
            (
                StepReport {
                    narrowing: Some(Narrowing {
                        unchecked: Some(Unchecked::Hidden),
                        ..Narrowing::default()
                    }),
                    ..base()
                },
                "Nexthink does not show the text of the saved query, so a limit",
            ),
            (StepReport { alike_keys: 2, ..base() }, "2 keys differ from another only by case"),
        ];
        assert_eq!(base().remarks(true), Vec::<String>::new(), "all is well");
        for (step, expected) in table {
            let remarks = step.remarks(true);
            assert_eq!(remarks.len(), 1, "{remarks:?}");
            assert!(remarks[0].starts_with(expected), "{remarks:?}");
        }
    }

    #[test]
    fn names_that_the_collector_hashes_are_told_once_with_what_it_means() {
        let users = |hashed_names, plain_names| StepReport {
            hashed_names,
            plain_names,
            ..step("fetch-users", StepOutcome::Complete)
        };
        assert_eq!(report(vec![users(0, 9)]).remark_on_hashed_names(), None);
        let all = report(vec![users(9, 0)]).remark_on_hashed_names().expect("all are hashed");
        assert!(all.contains("found by that hash"), "{all}");
        let some = report(vec![users(2, 7)]).remark_on_hashed_names().expect("some are hashed");
        assert!(
            some.contains("2 user names") && some.contains("configure all Collectors alike"),
            "{some}"
        );
    }
}
