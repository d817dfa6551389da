//! `schedule`: starts a run of a tenant whenever its timetable says so, until it is stopped.
//!
//! Each run is a process of its own (`run_process.rs`). The files of tenants are read again every minute and at every
//! SIGHUP, each by itself, so that a mistake in one of them concerns its tenant alone.

mod listener;
mod tenants;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use core_engine::Cancellation;
use core_engine::run::{self as engine_run, RunOptions};
use core_fleet::{DueReason, Ended, Fleet, Notice, PauseReason, TenantState, Timetable};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use self::listener::Bulletin;
use self::tenants::{Read, Tenants};
use self::watch::Watch;
use crate::cli::{Global, RunArguments, ScheduleArguments};
use crate::config::{Config, Source};
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::run_process::{RunEnd, RunProcess};
use crate::service_manager::ServiceManager;
use crate::signals::{Hangups, signal};
use crate::{output, system};

/// The longest sleep. The files are read again after it, and the clock may have been set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// The wait for another run that holds the lock, and for a quota that names no time.
const SHORT_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// Runs tenants by their timetables until a signal.
pub(super) async fn schedule(
    global: &Global,
    arguments: &ScheduleArguments,
) -> Result<Exit, Failure> {
    let source = super::configured_source(global)?;
    let mut stopped = std::pin::pin!(signal());
    let mut hangups = Hangups::listen();
    let mut scheduler = Scheduler::new(global, source, arguments.interval.clone())?;
    if let Some(address) = arguments.listen {
        scheduler.listen(address).await?;
    }
    ServiceManager::ready();
    loop {
        scheduler.start_due();
        scheduler.tell_states();
        scheduler.publish();
        scheduler.manager.alive(&scheduler.summary());
        let sleep = tokio::time::sleep(scheduler.sleep());
        tokio::select! {
            biased;
            reason = &mut stopped => {
                scheduler.stop.request(reason);
                ServiceManager::stopping();
                scheduler.publish();
                scheduler.finish().await;
                return Ok(reason.into());
            }
            Some(ended) = scheduler.running.join_next() => {
                // A task that waits for a process has no end of its own to fail with.
                if let Ok((name, end)) = ended {
                    scheduler.ended(&name, &end);
                }
            }
            () = hangups.next() => scheduler.reload(),
            () = sleep => scheduler.read_again(false),
        }
    }
}

/// The state of the command.
struct Scheduler<'a> {
    global: &'a Global,
    tenants: Tenants,
    fleet: Fleet,
    running: JoinSet<(String, RunEnd)>,
    stop: Cancellation,
    /// The last state of each tenant that was printed.
    told: BTreeMap<String, TenantState>,
    /// The mistake in the fleet's own file, if it has one now.
    problem: Option<String>,
    /// The figures, if they are asked for.
    watch: Option<Watch>,
    manager: ServiceManager,
}

impl<'a> Scheduler<'a> {
    fn new(
        global: &'a Global,
        source: Source,
        interval: Option<Timetable>,
    ) -> Result<Self, Failure> {
        let place = source.name();
        let mut scheduler = Self {
            global,
            tenants: Tenants::new(source, interval),
            fleet: Fleet::default(),
            running: JoinSet::new(),
            stop: Cancellation::default(),
            told: BTreeMap::new(),
            problem: None,
            watch: None,
            manager: ServiceManager::new(),
        };
        let read = scheduler.tenants.read()?;
        if let (false, Some(failure)) = (scheduler.tenants.is_fleet(), read.first_failure()) {
            return Err(failure);
        }
        scheduler.take_over(read, true);
        let is_due = |config: &Config| config.schedule.timetable != Timetable::Disabled;
        if !scheduler.tenants.configs().any(is_due) {
            return Err(Failure::usage(format!(
                "nothing is scheduled: set `schedule.interval` in {place}, for example to \"6 hours\", \
                 or use --interval"
            )));
        }
        Ok(scheduler)
    }

    /// Answers requests about health and figures.
    async fn listen(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let bulletin = Bulletin::new();
        let address = bulletin.serve_at(address).await?;
        if !self.global.quiet {
            output::note(&format!("/healthz, /readyz and /metrics are at {address}"));
        }
        let mut watch = Watch::new(bulletin);
        watch.look(&self.tenants);
        self.watch = Some(watch);
        Ok(())
    }

    fn publish(&self) {
        if let Some(watch) = &self.watch {
            let stopping = self.stop.reason().map(|_| "it is stopping".to_owned());
            watch.publish(self.fleet.status(), stopping.or_else(|| self.problem.clone()));
        }
    }

    /// One line about what goes on, for the service manager.
    fn summary(&self) -> String {
        let broken = match self.tenants.broken() {
            0 => None,
            broken => Some(format!("files with a mistake: {broken}")),
        };
        let problem = self.problem.as_ref().map(|_| "the configuration has a mistake".to_owned());
        let parts = [Some(self.fleet.summary()), broken, problem];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// Reads all files again, since someone asks for it.
    fn reload(&mut self) {
        ServiceManager::reloading();
        self.read_again(true);
        ServiceManager::ready();
    }

    /// Reads all files again. A mistake is told once, and again when someone asks by SIGHUP.
    fn read_again(&mut self, is_asked: bool) {
        match self.tenants.read() {
            Ok(read) => {
                self.problem = None;
                self.take_over(read, is_asked);
            }
            Err(failure) => {
                let problem = format!("{:#}", failure.error);
                if is_asked || self.problem.as_ref() != Some(&problem) {
                    output::note(&format!("{problem}\nthe tenants stay as they were"));
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
                self.fleet.set(&name, config.schedule.clone(), last, now());
            }
        }
        for broken in read.broken {
            self.fleet.remove(&broken.name);
            self.told.remove(&broken.name);
            if is_asked || broken.is_new {
                output::error_text(&format!(
                    "{}: {}\nno run of this tenant is started until that is mended",
                    broken.name, broken.problem
                ));
            }
        }
    }

    /// Starts the runs that are due, as many as there may be at once.
    fn start_due(&mut self) {
        let free = self.tenants.parallel_runs().saturating_sub(self.running.len());
        for start in self.fleet.next(now(), free) {
            self.told.remove(&start.tenant);
            let label = self.tenants.is_fleet().then_some(start.tenant.as_str());
            let source = self.tenants.source();
            let started = RunProcess::start(self.global, source, label, &RunArguments::default());
            match started {
                Ok(process) => {
                    let (name, stop) = (start.tenant, self.stop.clone());
                    self.running.spawn(async move { (name, process.ended(stop).await) });
                }
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    let what = format!("{}: no process can be started for the run", start.tenant);
                    output::error(&error.context(what));
                    let notice = self.fleet.ended(&start.tenant, Ended::Failed, now());
                    self.tell_notice(&start.tenant, notice);
                }
            }
        }
    }

    /// Tells the fleet how a run ended.
    fn ended(&mut self, name: &str, end: &RunEnd) {
        if end.has_crashed {
            output::error_text(&format!("{name}: the process of the run has crashed"));
        } else if self.tenants.is_fleet() {
            self.note(name, &format!("the run has ended: {}", end.exit.meaning()));
        }
        let ended = if end.has_crashed { Ended::Panicked } else { self.meaning(name, end.exit) };
        let notice = self.fleet.ended(name, ended, now());
        self.tell_notice(name, notice);
        if let Some(watch) = &mut self.watch {
            watch.ended(&self.tenants, name, end.exit);
        }
    }

    /// How a run with an exit code ended, for the timetable.
    fn meaning(&self, name: &str, exit: Exit) -> Ended {
        match exit {
            exit if exit.has_published() => Ended::Published,
            Exit::Unreachable => Ended::Unreachable,
            Exit::Credentials => Ended::CredentialsRefused,
            Exit::Deferred => Ended::Deferred { not_before: self.not_before(name) },
            Exit::Locked => Ended::Deferred { not_before: now() + SHORT_WAIT },
            Exit::Interrupted | Exit::Terminated => Ended::Stopped,
            _ => Ended::Failed,
        }
    }

    /// Returns when the quota allows the exports of a run again, as far as it is known.
    fn not_before(&self, name: &str) -> Timestamp {
        let known = self.tenants.config(name).and_then(|config| {
            let plan = engine_run::checked_plan(engine(config), &RunOptions::default());
            let cost = plan.and_then(|plan| engine_run::cost(&plan, engine(config), None));
            cost.ok().and_then(engine_run::Cost::deferred_until)
        });
        known.map_or_else(|| now() + SHORT_WAIT, core_engine::Moment::to_timestamp)
    }

    /// Waits for all runs that were asked to stop.
    async fn finish(&mut self) {
        while self.running.join_next().await.is_some() {}
    }

    /// Tells when tenants run next, as far as that has changed.
    fn tell_states(&mut self) {
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
        let resume = "change `[schedule]` of the tenant, or start `schedule` again";
        match notice {
            Some(Notice::Paused(PauseReason::Failures(runs))) => output::error_text(&format!(
                "{name}: {runs} runs failed in a row, so no further one is started: mend the cause, then {resume}"
            )),
            Some(Notice::Paused(PauseReason::Panicked)) => output::error_text(&format!(
                "{name}: a run ended by a defect of the program, so no further one is started: please report it, \
                 then {resume}"
            )),
            Some(Notice::Recovered(runs)) => {
                self.note(name, &format!("runs succeed again, after {runs} that did not"));
            }
            None => {}
        }
    }

    fn note(&self, name: &str, text: &str) {
        if !self.global.quiet {
            output::note(&format!("{name}: {text}"));
        }
    }

    /// Returns how long to sleep until there may be something to do.
    fn sleep(&mut self) -> Duration {
        let longest = self.manager.sign_of_life_interval();
        let longest = longest.map_or(LONGEST_SLEEP, |interval| interval.min(LONGEST_SLEEP));
        if self.running.len() >= self.tenants.parallel_runs() {
            return longest;
        }
        let now = now();
        let wait = self.fleet.wake_at(now).map(|due| due.duration_since(now));
        let wait = wait.and_then(|wait| Duration::try_from(wait).ok());
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

fn now() -> Timestamp {
    system::now().to_timestamp()
}
