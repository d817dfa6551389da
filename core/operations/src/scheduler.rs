//! The scheduler: starts the runs of tenants by their timetables.
//!
//! Each run is a separate process (`run_process.rs`). The files of tenants are read again every minute and on
//! request, each on its own, so a mistake in one of them affects only its tenant.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use core_config::{Config, Environment, Source};
use core_engine::run::{self as engine_run, RunOptions};
use core_engine::{Cancellation, Engine, Failure, Host, StopReason};
use core_fleet::{DueReason, Ended, Fleet, Notice, PauseReason, Shard, TenantState, Timetable};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bulletin::Bulletin;
use crate::exit_codes::{ExitCodes, RunOutcome};
use crate::messages::Messages;
use crate::run_process::{RunEnd, RunLauncher};
use crate::tenants::{Read, Tenants};
use crate::watch::Watch;

/// The longest sleep. The files are read again after it, and the clock may have been set during it.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// The sleep before a run that is due already.
const SHORTEST_SLEEP: Duration = Duration::from_millis(100);

/// The wait for another run that holds the lock, and for a quota without a known time.
const SHORT_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// The inputs of a scheduler from the program.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The clock, randomness and process.
    pub host: &'a Host,
    /// The environment for reading the files of tenants.
    pub environment: Environment,
    /// The program's table of exit codes.
    pub codes: ExitCodes,
    /// Starts the runs.
    pub launcher: &'a dyn RunLauncher,
    /// Receives the messages.
    pub messages: &'a dyn Messages,
}

/// Starts the runs that are due. The caller does the waiting.
pub struct Scheduler<'a> {
    context: Context<'a>,
    tenants: Tenants,
    fleet: Fleet,
    running: JoinSet<(String, RunEnd)>,
    stop: Cancellation,
    /// The last state of each tenant that was printed.
    told: BTreeMap<String, TenantState>,
    /// The present mistake in the fleet's own file.
    problem: Option<String>,
    /// The time at which the files were read last.
    read_at: Instant,
    /// The metrics, if they are wanted.
    watch: Option<Watch>,
}

impl<'a> Scheduler<'a> {
    /// Reads the files of all tenants, or of those in a shard of a fleet. `interval` replaces their timetables.
    ///
    /// # Errors
    ///
    /// The file of the fleet, or that of the only tenant, cannot be used; or no tenant has a timetable.
    pub fn new(
        context: Context<'a>,
        source: Source,
        interval: Option<Timetable>,
        shard: Option<Shard>,
    ) -> Result<Self, Failure> {
        let place = source.name();
        let host = context.host.clone();
        let mut scheduler = Self {
            context,
            tenants: Tenants::new(
                source,
                context.environment,
                host,
                context.codes,
                interval,
                shard,
            ),
            fleet: Fleet::default(),
            running: JoinSet::new(),
            stop: Cancellation::default(),
            told: BTreeMap::new(),
            problem: None,
            read_at: Instant::now(),
            watch: None,
        };
        let read = scheduler.tenants.read()?;
        if let (false, Some(failure)) = (scheduler.tenants.is_fleet(), read.first_failure()) {
            return Err(failure);
        }
        scheduler.take_over(read, true);
        let is_due = |config: &Config| config.schedule.timetable != Timetable::Disabled;
        if shard.is_none() && !scheduler.tenants.configs().any(is_due) {
            return Err(Failure::configuration(format!(
                "nothing is scheduled: set `schedule.interval` in {place}, for example to \"6 hours\", \
                 or use --interval"
            )));
        }
        Ok(scheduler)
    }

    /// Keeps metrics from now on, and returns the bulletin that publishes them.
    pub fn bulletin(&mut self) -> Bulletin {
        let bulletin = Bulletin::new();
        let Context { host, codes, .. } = self.context;
        let mut watch = Watch::new(bulletin.clone(), host.clone(), codes);
        watch.look(&self.tenants);
        self.watch = Some(watch);
        bulletin
    }

    /// Publishes the metrics, if they are kept.
    pub fn publish(&self) {
        if let Some(watch) = &self.watch {
            let stopping = self.stop.reason().map(|_| "it is stopping".to_owned());
            watch.publish(self.fleet.status(), stopping.or_else(|| self.problem.clone()));
        }
    }

    /// Returns one line about the present state, for the service manager.
    pub fn summary(&self) -> String {
        let broken = match self.tenants.broken() {
            0 => None,
            broken => Some(format!("files with a mistake: {broken}")),
        };
        let problem = self.problem.as_ref().map(|_| "the configuration has a mistake".to_owned());
        let parts = [Some(self.fleet.summary()), broken, problem];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// Reads all files again. A mistake is reported once, and again on request.
    pub fn read_again(&mut self, is_asked: bool) {
        self.read_at = Instant::now();
        match self.tenants.read() {
            Ok(read) => {
                let was_mended = self.problem.take().is_some();
                self.take_over(read, is_asked);
                if is_asked || was_mended {
                    self.lift_pauses(is_asked);
                }
            }
            Err(failure) => {
                let problem = format!("{:#}", failure.error);
                if is_asked || self.problem.as_ref() != Some(&problem) {
                    let messages = self.context.messages;
                    messages.warn(&format!("{problem}\nthe tenants stay as they were"));
                }
                self.problem = Some(problem);
            }
        }
        if let Some(watch) = &mut self.watch {
            watch.look(&self.tenants);
        }
    }

    fn take_over(&mut self, read: Read, is_asked: bool) {
        for name in read.removed {
            self.fleet.remove(&name);
            self.told.remove(&name);
            self.note(&name, "its configuration is gone, so no further run is started");
        }
        for (name, last) in read.valid {
            if let Some(config) = self.tenants.config(&name) {
                let now = self.now();
                self.fleet.set(&name, config.schedule.clone(), last, now);
            }
        }
        for broken in read.broken {
            self.fleet.remove(&broken.name);
            self.told.remove(&broken.name);
            if is_asked || broken.is_new {
                self.context.messages.error(&format!(
                    "{}: {}\nthis tenant is not run until the file is fixed",
                    broken.name, broken.problem
                ));
            }
        }
    }

    /// Lifts all pauses: someone has acted, or the mistake that failed the runs of all tenants was mended. On request,
    /// tenants that wait after an unreachable Nexthink or refused credentials are tried again at once.
    fn lift_pauses(&mut self, is_asked: bool) {
        let now = self.now();
        for status in self.fleet.status() {
            let text = match status.state {
                TenantState::Paused(_) => "it is not paused any more",
                TenantState::Waiting {
                    reason: DueReason::Unreachable | DueReason::CredentialsRefused,
                    ..
                } if is_asked => "it is tried again now",
                _ => continue,
            };
            self.fleet.resume(&status.name, now);
            self.note(&status.name, text);
        }
    }

    /// Starts the runs that are due, up to the limit of parallel runs.
    pub fn start_due(&mut self) {
        let free = self.tenants.parallel_runs().saturating_sub(self.running.len());
        let now = self.now();
        for start in self.fleet.next(now, free) {
            self.told.remove(&start.tenant);
            let label = self.tenants.is_fleet().then_some(start.tenant.as_str());
            match self.context.launcher.launch(label, &self.stop) {
                Ok(run) => {
                    let name = start.tenant;
                    self.running.spawn(async move { (name, run.await) });
                }
                Err(error) => {
                    self.context.messages.error(&format!(
                        "{}: no process can be started for the run: {error}",
                        start.tenant
                    ));
                    let notice = self.fleet.ended(&start.tenant, Ended::Failed, now);
                    self.tell_notice(&start.tenant, notice);
                }
            }
        }
    }

    /// Waits until a run ends or a run may be due, `longest` at most. Reads the files again each minute, however many runs
    /// end meanwhile. Can be dropped at any time.
    pub async fn wait(&mut self, longest: Option<Duration>) {
        let sleep = tokio::time::sleep(self.sleep(longest));
        let has_ended = tokio::select! {
            biased;
            true = self.wait_for_end() => true,
            () = sleep => false,
        };
        if !has_ended || self.read_at.elapsed() >= LONGEST_SLEEP {
            self.read_again(false);
        }
    }

    /// Waits until a run ends, and records its end; returns false at once if none is running.
    async fn wait_for_end(&mut self) -> bool {
        let Some(ended) = self.running.join_next().await else { return false };
        // A task that waits for a process cannot fail by itself.
        if let Ok((name, end)) = ended {
            self.ended(&name, &end);
        }
        true
    }

    /// Asks all runs to stop.
    pub fn stop(&self, reason: StopReason) {
        self.stop.request(reason);
    }

    /// Records the end of a run in the fleet.
    fn ended(&mut self, name: &str, end: &RunEnd) {
        if let Some(cause) = end.cause_of_death() {
            self.context.messages.error(&format!("{name}: {cause}"));
        } else if self.tenants.is_fleet() {
            let meaning = (self.context.codes.meaning)(end.exit_code).unwrap_or_default();
            self.note(name, &format!("the run has ended: {meaning}"));
        }
        let ended =
            if end.has_crashed { Ended::Panicked } else { self.meaning(name, end.exit_code) };
        let now = self.now();
        let notice = self.fleet.ended(name, ended, now);
        self.tell_notice(name, notice);
        if let Some(watch) = &mut self.watch {
            watch.ended(&self.tenants, name, end.exit_code);
        }
    }

    /// Returns the end of a run with an exit code, for the timetable.
    fn meaning(&self, name: &str, exit_code: u8) -> Ended {
        match (self.context.codes.outcome)(exit_code) {
            RunOutcome::Published | RunOutcome::NotDelivered => Ended::Published,
            RunOutcome::Unreachable => Ended::Unreachable,
            RunOutcome::CredentialsRefused => Ended::CredentialsRefused,
            RunOutcome::Deferred => Ended::Deferred { not_before: self.not_before(name) },
            RunOutcome::Locked => Ended::Deferred { not_before: self.now() + SHORT_WAIT },
            RunOutcome::Stopped => Ended::Stopped,
            RunOutcome::Failed => Ended::Failed,
        }
    }

    /// Returns the time at which the quota allows the exports of a run again, as far as it is known.
    fn not_before(&self, name: &str) -> Timestamp {
        let known = self.tenants.config(name).and_then(|config| {
            let engine = Engine { settings: config, host: self.context.host };
            let plan = engine_run::checked_plan(engine, &RunOptions::default());
            let cost = plan.and_then(|plan| engine_run::cost(&plan, engine, None));
            cost.ok().and_then(engine_run::Cost::not_before)
        });
        known.map_or_else(|| self.now() + SHORT_WAIT, core_engine::Moment::to_timestamp)
    }

    /// Waits for all runs that were asked to stop.
    pub async fn finish(&mut self) {
        while self.running.join_next().await.is_some() {}
    }

    /// Reports the next runs of tenants, if they have changed.
    pub fn tell_states(&mut self) {
        for status in self.fleet.status() {
            let told = self.told.insert(status.name.clone(), status.state);
            if told == Some(status.state) {
                continue;
            }
            if let TenantState::Waiting { due, reason } = status.state {
                let due = due.strftime("%Y-%m-%dT%H:%M:%SZ");
                self.note(&status.name, &format!("next run at {due} ({})", describe(reason)));
            } else if status.state == TenantState::Disabled {
                let text = "`schedule.interval` is DISABLED, so no run is started";
                self.note(&status.name, text);
            }
        }
    }

    fn tell_notice(&self, name: &str, notice: Option<Notice>) {
        let messages = self.context.messages;
        let resume =
            "change `[schedule]` of the tenant, send SIGHUP to `schedule`, or start it again";
        match notice {
            Some(Notice::Paused(PauseReason::Failures(runs))) => messages.error(&format!(
                "{name}: {runs} runs failed in a row, so no further one is started: mend the cause, then {resume}"
            )),
            Some(Notice::Paused(PauseReason::Panicked)) => messages.error(&format!(
                "{name}: a run ended by a defect of the program, so no further one is started: please report it, \
                 then {resume}"
            )),
            Some(Notice::Recovered(runs)) => {
                self.note(name, &format!("runs succeed again, after {runs} that did not"));
            }
            None => {}
        }
    }

    fn now(&self) -> Timestamp {
        self.context.host.now().to_timestamp()
    }

    fn note(&self, name: &str, text: &str) {
        self.context.messages.note(&format!("{name}: {text}"));
    }

    /// Returns the time until the next possible action, `longest` at most.
    fn sleep(&mut self, longest: Option<Duration>) -> Duration {
        let until_read = LONGEST_SLEEP.saturating_sub(self.read_at.elapsed());
        let longest = longest.map_or(until_read, |interval| interval.min(until_read));
        if self.running.len() >= self.tenants.parallel_runs() {
            return longest;
        }
        let now = self.now();
        let wait = self.fleet.wake_at(now).map(|due| due.duration_since(now));
        // A time that has just come is no negative wait.
        let wait = wait.map(|wait| Duration::try_from(wait).unwrap_or(SHORTEST_SLEEP));
        wait.map_or(longest, |wait| wait.min(longest))
    }
}

fn describe(reason: DueReason) -> &'static str {
    match reason {
        DueReason::FirstRun => "the first run",
        DueReason::Timetable => "by the timetable",
        DueReason::Unreachable => "tried again, since Nexthink could not be reached",
        DueReason::CredentialsRefused => "tried again, since the credentials were refused",
        DueReason::Quota => "the exports of a day are used up, or another run holds the lock",
        DueReason::Stopped => "the last run was stopped",
    }
}
