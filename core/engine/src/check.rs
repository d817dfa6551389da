//! Checks everything that a run needs, and says how to fix problems. It starts no export and publishes nothing.

mod audit;
mod columns;
mod connection;
mod contents;
mod destination;
mod files;
mod mirrors;
mod place;

use core_model::step::Step;
use core_nexthink::NexthinkError;
use serde::Serialize;

pub use self::audit::require_audit;
use crate::engine::Engine;
use crate::failure::{Ending, Failure, FailureKind};
use crate::host::Host;
use crate::processing;
use core_terminal::{count, escape_for_terminal};

/// The checks, in the order in which they were made.
#[derive(Debug, Clone, Default)]
pub struct Checks(pub Vec<Check>);

/// One check.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: CheckState,
    /// The result, and the fix for a problem.
    pub detail: String,
    /// The ending that a run would have because of this; complete unless the check failed.
    pub ending: Ending,
}

/// The state of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// A run can use it.
    Ok,
    /// A run works, but perhaps not as intended.
    Warning,
    /// A run fails or stays partial.
    Failed,
    /// It was not checked, since an earlier check failed or something is absent.
    Skipped,
}

/// A check for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckObject<'a> {
    name: &'a str,
    state: CheckState,
    detail: &'a str,
    /// The exit code of a run if this is the first check that failed.
    exit_code: u8,
}

/// Checks everything that the settings name. `warnings` are those from reading the settings.
pub async fn check(engine: Engine<'_>, warnings: &[String]) -> Checks {
    let mut checks = place::check(engine);
    for warning in warnings {
        checks.push(Check::warning("configuration", warning));
    }
    contents::check(engine, &mut checks);
    if let Some(warning) = processing::transfer_warning(engine.settings) {
        checks.push(Check::warning("region", warning));
    }
    let mut connection = Checks::default();
    let reads_api = engine.settings.reads_api();
    let client = if reads_api { connection::client(engine, &mut connection) } else { None };
    let (reached, offset) = match &client {
        Some(client) => connection::check(engine, client, &mut connection).await,
        None => (false, None),
    };
    place::check_quota(engine, offset, &mut checks);
    checks.0.append(&mut connection.0);
    for step in Step::all() {
        let Some(query) = step.query() else { continue };
        if let Some(patterns) = engine.settings.files.get(query.config_field) {
            files::check(step, patterns, &mut checks).await;
            continue;
        }
        let Some(saved) = engine.settings.queries.get(query.config_field) else {
            if query.is_extra {
                continue;
            }
            let detail =
                format!("`queries.{}` is blank, so {} is skipped", query.config_field, step.id);
            checks.push(Check::warning(format!("query {}", query.config_field), detail));
            continue;
        };
        match &client {
            Some(client) if reached => {
                columns::check(engine, client, step, saved, &mut checks).await;
            }
            _ => {
                let name = format!("query {}", query.config_field);
                checks.push(Check::skipped(name, "the API was not reached"));
            }
        }
    }
    let reached = client.as_deref().filter(|_| reached);
    audit::check(engine, reached, &mut checks).await;
    destination::check(engine, &mut checks).await;
    mirrors::check(engine, &mut checks).await;
    checks
}

impl Checks {
    /// Returns a line for each check, for people.
    pub fn lines(&self) -> String {
        let width = self.0.iter().map(|check| check.name.len()).max().unwrap_or(0);
        let lines = self.0.iter().map(|check| {
            let state = match check.state {
                CheckState::Ok => "ok  ",
                CheckState::Warning => "warn",
                CheckState::Failed => "FAIL",
                CheckState::Skipped => "skip",
            };
            let detail = escape_for_terminal(&check.detail);
            format!("{state}  {:<width$}  {detail}", check.name)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Returns the checks for programs, with the exit codes of a host.
    pub fn objects(&self, host: &Host) -> Vec<CheckObject<'_>> {
        let objects = self.0.iter().map(|check| CheckObject {
            name: &check.name,
            state: check.state,
            detail: &check.detail,
            exit_code: (host.exit_code)(check.ending),
        });
        objects.collect()
    }

    fn push(&mut self, check: Check) {
        self.0.push(check);
    }

    /// Returns the number and the names of the failed checks in a sentence; nothing if none failed.
    pub fn failed(&self) -> Option<String> {
        let failed = self.0.iter().filter(|check| check.state == CheckState::Failed);
        let names: Vec<&str> = failed.map(|check| check.name.as_str()).collect();
        let (failed, all) = (names.len(), count(self.0.len(), "check"));
        (failed > 0).then(|| format!("{failed} of {all} failed: {}", names.join(", ")))
    }

    /// Returns the ending that a run would have because of the first failed check.
    pub fn ending(&self) -> Ending {
        let failed = self.0.iter().find(|check| check.state == CheckState::Failed);
        failed.map_or(Ending::Complete, |check| check.ending)
    }

    /// Returns the first check that fails a run, with the kind of failure.
    fn first_failed(self) -> Option<(FailureKind, Check)> {
        self.0.into_iter().find_map(|check| match check.ending {
            Ending::Failed(kind) => Some((kind, check)),
            Ending::Complete | Ending::Partial => None,
        })
    }
}

impl Check {
    /// Makes a check that is all right.
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, CheckState::Ok, Ending::Complete, detail)
    }

    fn warning(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, CheckState::Warning, Ending::Complete, detail)
    }

    fn skipped(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, CheckState::Skipped, Ending::Complete, detail)
    }

    /// Makes a check of a problem that leaves a run partial.
    fn partial(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, CheckState::Failed, Ending::Partial, detail)
    }

    /// Makes a check of a problem that fails a run.
    pub fn failed(name: impl Into<String>, kind: FailureKind, detail: impl Into<String>) -> Self {
        Self::new(name, CheckState::Failed, Ending::Failed(kind), detail)
    }

    /// The same for a failure that is known.
    pub fn failed_with(name: impl Into<String>, failure: &Failure) -> Self {
        Self::failed(name, failure.kind, format!("{:#}", failure.error))
    }

    /// Makes a check that failed because of Nexthink or the connection to it.
    fn failed_at_nexthink(name: impl Into<String>, error: &NexthinkError) -> Self {
        let detail = format!("{:#}", anyhow::Error::new(error.clone()));
        Self::failed(name, error.kind().into(), detail)
    }

    fn new(
        name: impl Into<String>,
        state: CheckState,
        ending: Ending,
        detail: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), state, detail: detail.into(), ending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::host;

    #[test]
    fn programs_get_each_check_with_the_code_that_a_run_would_end_with() {
        let checks =
            Checks(vec![Check::ok("a", "it is"), Check::failed("b", FailureKind::Locked, "no")]);
        let host =
            Host { exit_code: |ending| if ending == Ending::Complete { 0 } else { 9 }, ..host() };
        let objects = serde_json::to_value(checks.objects(&host)).expect("it is JSON");
        assert_eq!(
            objects,
            serde_json::json!([
                { "name": "a", "state": "ok", "detail": "it is", "exitCode": 0 },
                { "name": "b", "state": "failed", "detail": "no", "exitCode": 9 },
            ])
        );
    }

    #[test]
    fn the_first_failed_check_decides_how_a_run_would_end() {
        let [ok, warning] = [Check::ok("a", ""), Check::warning("b", "")];
        let unreachable = || Check::failed("c", FailureKind::Unreachable, "");
        let partial = || Check::partial("d", "");
        let table = [
            (vec![ok.clone(), warning.clone()], Ending::Complete, None),
            (
                vec![ok.clone(), unreachable(), partial()],
                Ending::Failed(FailureKind::Unreachable),
                Some("2 of 3 checks failed: c, d"),
            ),
            (vec![partial(), unreachable()], Ending::Partial, Some("2 of 2 checks failed: d, c")),
            (vec![partial()], Ending::Partial, Some("1 of 1 check failed: d")),
        ];
        for (checks, ending, failed) in table {
            let checks = Checks(checks);
            assert_eq!((checks.ending(), checks.failed().as_deref()), (ending, failed));
        }
        let checks = Checks(vec![ok, warning, partial(), unreachable()]);
        let first = checks.first_failed().map(|(kind, check)| (kind, check.name));
        assert_eq!(first, Some((FailureKind::Unreachable, "c".to_owned())));
    }

    #[test]
    fn each_check_is_a_line_with_its_state_and_what_would_steer_a_terminal_is_shown() {
        let checks = Checks(vec![
            Check::ok("store", "it can be written to"),
            Check::warning("clock", "it is a minute off"),
            Check::failed("tenant", FailureKind::Configuration, "no \u{1b}[31mtenant"),
            Check::skipped("audit trail", "it is not configured"),
        ]);
        let expected = [
            "ok    store        it can be written to",
            "warn  clock        it is a minute off",
            "FAIL  tenant       no \\u{1b}[31mtenant",
            "skip  audit trail  it is not configured",
        ];
        assert_eq!(checks.lines().lines().collect::<Vec<_>>(), expected);
        assert_eq!(Checks::default().lines(), "");
    }
}
