//! Runs every tenant of a fleet once, each in a separate process.

#[cfg(test)]
mod tests;

use core_engine::{Cancellation, Ending, Failure, Host, StopReason};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::exit_codes::ExitCodes;
use crate::messages::Messages;
use crate::run_process::{RunEnd, RunLauncher, RunningRun};

/// The run of a tenant.
#[derive(Debug)]
pub struct TenantRun {
    /// The name of the tenant.
    pub name: String,
    /// Its end; none if a signal came before it was started.
    pub end: Option<RunEnd>,
}

/// The runs of all tenants, by name.
#[derive(Debug)]
pub struct AllRuns {
    /// The run of each tenant.
    pub runs: Vec<TenantRun>,
    /// The reason why they were stopped, if a signal came.
    pub stopped: Option<StopReason>,
}

impl AllRuns {
    /// The header of a table of runs.
    pub const HEADER: [&str; 6] =
        ["tenant", "outcome", "exit code", "entities", "relationships", "exports"];

    /// Returns the codes of the runs that were started.
    pub fn exit_codes(&self) -> impl Iterator<Item = u8> {
        self.runs.iter().filter_map(|run| run.end.as_ref()).map(|end| end.exit_code)
    }

    /// Returns a sentence with the number of complete runs; `complete` is their exit code.
    pub fn summary(&self, complete: u8) -> String {
        let count_complete = self.exit_codes().filter(|code| *code == complete).count();
        format!(
            "{count_complete} of {} tenants complete; the exit code is that of the worst run",
            self.runs.len()
        )
    }
}

impl TenantRun {
    fn failed(name: String, failure: &Failure, host: &Host) -> Self {
        let report = json!({ "error": format!("{:#}", failure.error) });
        let exit_code = (host.exit_code)(Ending::Failed(failure.kind));
        Self { name, end: Some(RunEnd { exit_code, has_crashed: false, signal: None, report }) }
    }

    fn outcome(&self, codes: ExitCodes) -> &'static str {
        match &self.end {
            None => "not started",
            Some(end) if end.has_crashed => "crashed",
            Some(end) if end.signal.is_some() => "killed",
            Some(end) => (codes.meaning)(end.exit_code).unwrap_or_default(),
        }
    }

    /// Returns a sum over a list of the run's report, such as the objects of its types or the rows of its steps.
    fn sum(&self, list: &str, member: &str) -> String {
        let report = self.end.as_ref().map_or(&Value::Null, |end| &end.report);
        let Some(items) = report[list].as_array() else { return String::new() };
        items.iter().filter_map(|item| item[member].as_u64()).sum::<u64>().to_string()
    }

    /// Returns the run as JSON, with its report.
    pub fn to_json(&self, codes: ExitCodes) -> Value {
        let end = self.end.as_ref();
        json!({
            "tenant": self.name,
            "outcome": self.outcome(codes),
            "exitCode": end.map(|end| end.exit_code),
            "report": end.map(|end| &end.report),
        })
    }

    /// Returns the run as a row of a table, below [`AllRuns::HEADER`].
    pub fn cells(&self, codes: ExitCodes) -> [String; 6] {
        let code = self.end.as_ref().map(|end| end.exit_code.to_string());
        [
            self.name.clone(),
            self.outcome(codes).to_owned(),
            code.unwrap_or_default(),
            self.sum("steps", "entities"),
            self.sum("steps", "relationships"),
            self.sum("steps", "exports"),
        ]
    }
}

/// Runs every tenant once, `parallel` at a time. A tenant whose file cannot be used counts as failed. After `signal`,
/// no further run is started, and running ones are asked to stop.
pub async fn run_all(
    tenants: impl IntoIterator<Item = (String, Option<Failure>)>,
    parallel: usize,
    launcher: &dyn RunLauncher,
    messages: &dyn Messages,
    host: &Host,
    signal: impl Future<Output = StopReason>,
) -> AllRuns {
    let mut waiting = tenants.into_iter();
    let (stop, mut running) = (Cancellation::default(), JoinSet::new());
    let mut signal = std::pin::pin!(signal);
    let mut runs = Vec::new();
    loop {
        while running.len() < parallel && stop.reason().is_none() {
            let Some((name, failure)) = waiting.next() else { break };
            match start(&name, failure, launcher, &stop) {
                Ok(run) => {
                    running.spawn(async move { (name, run.await) });
                }
                Err(failure) => {
                    messages.error(&format!("{name}: {:#}", failure.error));
                    runs.push(TenantRun::failed(name, &failure, host));
                }
            }
        }
        tokio::select! {
            biased;
            reason = &mut signal, if stop.reason().is_none() => stop.request(reason),
            next = running.join_next() => match next {
                Some(Ok((name, end))) => {
                    if let Some(cause) = end.cause_of_death() {
                        messages.error(&format!("{name}: {cause}"));
                    }
                    runs.push(TenantRun { name, end: Some(end) });
                }
                // A task that waits for a process cannot fail by itself.
                Some(Err(_)) => {}
                None => break,
            },
        }
    }
    runs.extend(waiting.map(|(name, _)| TenantRun { name, end: None }));
    runs.sort_by(|one, other| one.name.cmp(&other.name));
    AllRuns { runs, stopped: stop.reason() }
}

fn start(
    name: &str,
    failure: Option<Failure>,
    launcher: &dyn RunLauncher,
    stop: &Cancellation,
) -> Result<RunningRun, Failure> {
    if let Some(failure) = failure {
        return Err(failure);
    }
    let started = launcher.launch(Some(name), stop);
    started.map_err(|error| anyhow::Error::new(error).context("no process can be started").into())
}
