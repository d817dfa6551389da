//! `schedule`: starts a run whenever the timetable says so, until it is stopped.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use core_engine::run::{self as engine_run, RunOptions};
use core_fleet::{DueReason, Ended, Fleet, LastRun, Notice, PauseReason, TenantState, Timetable};
use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};

use super::run;
use crate::cli::{Global, RunArguments};
use crate::config::{self, Config, Source};
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::signals::signal;
use crate::{output, system};

/// The longest sleep. The configuration is read again after it, and the clock may have been set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// The wait for another run that holds the lock, and for a quota that names no time.
const SHORT_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// Runs the tenant by its timetable until a signal.
pub(super) async fn schedule(
    global: &Global,
    interval: Option<Timetable>,
) -> Result<Exit, Failure> {
    let source = config::find(global.config.as_deref()).ok_or_else(super::not_configured)?;
    let mut scheduler = Scheduler::new(global, source, interval)?;
    loop {
        scheduler.read_configuration();
        if !scheduler.fleet.next(now(), 1).is_empty() {
            let exit = scheduler.run().await;
            if matches!(exit, Exit::Interrupted | Exit::Terminated) {
                return Ok(exit);
            }
        }
        scheduler.tell_state();
        tokio::select! {
            reason = signal() => return Ok(reason.into()),
            () = tokio::time::sleep(scheduler.sleep()) => {}
        }
    }
}

/// The state of the command.
struct Scheduler<'a> {
    global: &'a Global,
    source: Source,
    /// The timetable of the command line, which replaces that of the configuration.
    interval: Option<Timetable>,
    /// The configuration as it was last valid.
    config: Config,
    /// What is wrong with the configuration now.
    problem: Option<String>,
    fleet: Fleet,
    /// What was told last about the tenant.
    told: Option<TenantState>,
}

impl<'a> Scheduler<'a> {
    fn new(
        global: &'a Global,
        source: Source,
        interval: Option<Timetable>,
    ) -> Result<Self, Failure> {
        let config = load(&source, interval.as_ref())?;
        if config.schedule.timetable == Timetable::Disabled {
            return Err(Failure::usage(format!(
                "nothing is scheduled: set `schedule.interval` in {}, for example to \"6 hours\", \
                 or use --interval",
                source.name()
            )));
        }
        let mut fleet = Fleet::default();
        fleet.set(config.tenant.as_str(), config.schedule.clone(), last_run(&config)?, now());
        Ok(Self { global, source, interval, config, problem: None, fleet, told: None })
    }

    /// Reads the configuration again. One that cannot be used is told once, and the last valid one stays in force, so
    /// that a mistake while it is edited stops nothing.
    fn read_configuration(&mut self) {
        match load(&self.source, self.interval.as_ref()) {
            Ok(config) => {
                if config.tenant.as_str() != self.config.tenant.as_str() {
                    self.fleet.remove(self.config.tenant.as_str());
                }
                let last = last_run(&config).unwrap_or_default();
                self.fleet.set(config.tenant.as_str(), config.schedule.clone(), last, now());
                self.config = config;
                self.problem = None;
            }
            Err(failure) => {
                let problem = format!("{:#}", failure.error);
                if self.problem.as_ref() != Some(&problem) {
                    output::note(&format!("{problem}\nthe earlier configuration stays in force"));
                }
                self.problem = Some(problem);
            }
        }
    }

    /// Runs once, and tells the fleet how it ended.
    async fn run(&mut self) -> Exit {
        self.told = None;
        let arguments = RunArguments::default();
        let running = Box::pin(run::run(self.global, &self.config, &arguments));
        // A defect in one run must not end the program that is to start the next one.
        let done = AssertUnwindSafe(running).catch_unwind().await;
        let (exit, ended) = match done {
            Ok(Ok(exit)) => (exit, self.ended(exit)),
            Ok(Err(failure)) => {
                output::error(&failure.error);
                (failure.exit, self.ended(failure.exit))
            }
            Err(_) => (Exit::Internal, Ended::Panicked),
        };
        let notice = self.fleet.ended(self.config.tenant.as_str(), ended, now());
        self.tell_notice(notice);
        exit
    }

    /// How a run with an exit code ended, for the timetable.
    fn ended(&self, exit: Exit) -> Ended {
        match exit {
            Exit::Complete | Exit::Partial | Exit::DestinationFailed | Exit::RuleFired => {
                Ended::Published
            }
            Exit::Unreachable => Ended::Unreachable,
            Exit::Credentials => Ended::CredentialsRefused,
            Exit::Deferred => Ended::Deferred { not_before: self.not_before() },
            Exit::Locked => Ended::Deferred { not_before: now() + SHORT_WAIT },
            Exit::Interrupted | Exit::Terminated => Ended::Stopped,
            Exit::Internal | Exit::Configuration | Exit::DataRefused | Exit::Different => {
                Ended::Failed
            }
        }
    }

    /// Returns when the quota allows the exports of a run again, as far as it is known.
    fn not_before(&self) -> Timestamp {
        let engine = engine(&self.config);
        let plan = engine_run::checked_plan(engine, &RunOptions::default());
        let cost = plan.and_then(|plan| engine_run::cost(&plan, engine, None));
        let known = cost.ok().and_then(engine_run::Cost::deferred_until);
        known.and_then(timestamp).unwrap_or_else(|| now() + SHORT_WAIT)
    }

    /// Tells when the tenant runs next, if that has changed.
    fn tell_state(&mut self) {
        let Some(status) = self.fleet.status().into_iter().next() else { return };
        if self.told == Some(status.state) {
            return;
        }
        self.told = Some(status.state);
        if let TenantState::Waiting { due, reason } = status.state {
            let due = due.strftime("%Y-%m-%dT%H:%M:%SZ");
            self.note(&format!("next run at {due} ({})", describe(reason)));
        } else if status.state == TenantState::Disabled {
            self.note("`schedule.interval` is DISABLED now, so no run is started");
        }
    }

    fn tell_notice(&self, notice: Option<Notice>) {
        let program = system::own_command();
        match notice {
            Some(Notice::Paused(PauseReason::Failures(runs))) => output::error_text(&format!(
                "{runs} runs failed in a row, so no further one is started: mend the cause, then start \
                 `{program} schedule` again or change `[schedule]`"
            )),
            Some(Notice::Paused(PauseReason::Panicked)) => output::error_text(&format!(
                "a run ended by a defect of the program, so no further one is started: please report it, \
                 then start `{program} schedule` again"
            )),
            Some(Notice::Recovered(runs)) => {
                self.note(&format!("runs succeed again, after {runs} that did not"));
            }
            None => {}
        }
    }

    fn note(&self, text: &str) {
        if !self.global.quiet {
            output::note(&format!("{}: {text}", self.config.tenant.as_str()));
        }
    }

    /// Returns how long to sleep until there may be something to do.
    fn sleep(&mut self) -> Duration {
        let now = now();
        let wait = self.fleet.wake_at(now).map(|due| due.duration_since(now));
        let wait = wait.and_then(|wait| Duration::try_from(wait).ok());
        wait.map_or(LONGEST_SLEEP, |wait| wait.min(LONGEST_SLEEP))
    }
}

/// Reads the configuration, with the timetable of the command line if it has one.
fn load(source: &Source, interval: Option<&Timetable>) -> Result<Config, Failure> {
    let mut config = Config::load(source)?;
    if let Some(interval) = interval {
        config.schedule.timetable = interval.clone();
    }
    Ok(config)
}

/// Returns the last run that the store knows of: that of the published generation.
fn last_run(config: &Config) -> Result<Option<LastRun>, Failure> {
    let published = engine(config).tenant()?.current()?;
    let created = published.and_then(|generation| generation.manifest().created_at.parse().ok());
    Ok(created.map(|started| LastRun { started, ended: Some((started, Ended::Published)) }))
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
    timestamp(system::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn timestamp(moment: core_engine::Moment) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(moment.0).ok()?).ok()
}
