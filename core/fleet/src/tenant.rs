//! One tenant: its settings, and when it is due after what happened to it.

use std::time::Duration;

use jiff::Timestamp;

use crate::timetable::Timetable;

/// The first wait after a run that could not reach the source; it doubles with each further one.
const FIRST_BACK_OFF: Duration = Duration::from_mins(5);

/// The longest of these waits.
const LONGEST_BACK_OFF: Duration = Duration::from_hours(6);

/// The wait after refused credentials: asking again at once may lock the account.
const CREDENTIALS_WAIT: Duration = Duration::from_hours(1);

/// The longest wait for a quota: it is a daily one, so that a later time is a mistake of some clock.
const LONGEST_DEFERRAL: Duration = Duration::from_hours(25);

/// Runs that fail in a row until a tenant is paused.
const FAILURES_UNTIL_PAUSE: u32 = 5;

/// The settings of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantSettings {
    /// The times at which it is due.
    pub timetable: Timetable,
    /// The treatment of due times that passed while nothing could be started.
    pub missed: Missed,
}

impl TenantSettings {
    /// Counts the times at which a tenant was due after one time and up to another, `most` at most; none without a
    /// timetable. Due times that the quota cannot allow a run for are not counted ([`Timetable::due_between`]).
    pub fn due_between(
        &self,
        name: &str,
        after: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Option<u32> {
        self.timetable.due_between(after, until, spread(name), most)
    }
}

/// The treatment of due times that passed while the program was off, or while the tenant's run went on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missed {
    /// One run makes up for all of them.
    #[default]
    Once,
    /// They are left out.
    Skip,
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With a generation, whole or partial, or with nothing to publish.
    Published,
    /// The source could not be reached.
    Unreachable,
    /// The source refused the credentials.
    CredentialsRefused,
    /// The source asked to wait.
    Deferred {
        /// The earliest time at which it may be asked again.
        not_before: Timestamp,
    },
    /// Otherwise without success: a wrong configuration, a full disk, refused data.
    Failed,
    /// By a defect of the program.
    Panicked,
    /// It was stopped from outside, which says nothing about the tenant.
    Stopped,
}

/// The last run of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRun {
    /// When it started.
    pub started: Timestamp,
    /// When and how it ended; none if this is not known.
    pub ended: Option<(Timestamp, Ended)>,
}

/// The reason why a tenant is due at its next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueReason {
    /// It never ran.
    FirstRun,
    /// Its timetable says so.
    Timetable,
    /// The source could not be reached, and is tried again.
    Unreachable,
    /// The credentials were refused, and may have been mended.
    CredentialsRefused,
    /// The quota allows exports again.
    Quota,
    /// Its run was stopped.
    Stopped,
}

/// The reason why a tenant is paused until a person mends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// Its runs failed several times in a row.
    Failures(u32),
    /// A run ended by a defect of the program.
    Panicked,
}

/// Something that whoever operates the fleet should be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The tenant is paused until its settings change or it is resumed.
    Paused(PauseReason),
    /// The tenant runs again, after so many runs in a row that did not publish.
    Recovered(u32),
}

/// The state of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantState {
    /// Its timetable is disabled.
    Disabled,
    /// It waits until it is due, and for a free place then.
    Waiting {
        /// When it is due.
        due: Timestamp,
        /// The reason for this time.
        reason: DueReason,
    },
    /// It runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It is not run any more.
    Paused(PauseReason),
}

/// A tenant as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: TenantState,
    /// Its last run, or the one that is going on.
    pub last: Option<LastRun>,
    /// Runs in a row that did not publish.
    pub failures: u32,
}

/// The state of a tenant.
#[derive(Debug)]
pub(crate) struct Tenant {
    settings: TenantSettings,
    spread: u64,
    state: TenantState,
    last: Option<LastRun>,
    /// Runs in a row that failed, for the pause.
    failed: u32,
    /// Runs in a row that could not reach the source, for the back-off.
    unreachable: u32,
    /// Its file is gone: it goes when its run has ended.
    is_removed: bool,
}

impl Tenant {
    /// A tenant that is not running. `last` is its last run as the store knows it.
    pub(crate) fn new(
        name: &str,
        settings: TenantSettings,
        last: Option<LastRun>,
        now: Timestamp,
    ) -> Self {
        let state = TenantState::Disabled;
        let spread = spread(name);
        let (failed, unreachable, is_removed) = (0, 0, false);
        let mut tenant = Self { settings, spread, state, last, failed, unreachable, is_removed };
        tenant.state = tenant.scheduled(now);
        tenant
    }

    /// Takes over settings; returns whether they changed. A change lifts a pause.
    pub(crate) fn set(&mut self, settings: TenantSettings, now: Timestamp) -> bool {
        self.is_removed = false;
        if self.settings == settings {
            return false;
        }
        self.settings = settings;
        self.start_anew(now);
        true
    }

    /// Lifts a pause and forgets failures. Where the source could not be reached or refused the credentials, the tenant is
    /// due at once: someone has mended the cause.
    pub(crate) fn resume(&mut self, now: Timestamp) {
        let before = self.state;
        self.start_anew(now);
        if let TenantState::Waiting { reason, .. } = before
            && matches!(reason, DueReason::Unreachable | DueReason::CredentialsRefused)
        {
            self.state = TenantState::Waiting { due: now, reason };
        }
    }

    fn start_anew(&mut self, now: Timestamp) {
        (self.failed, self.unreachable) = (0, 0);
        if !matches!(self.state, TenantState::Running { .. }) {
            self.state = self.scheduled(now);
        }
    }

    /// Asks it to go; returns whether it is gone already.
    pub(crate) fn remove(&mut self) -> bool {
        self.is_removed = true;
        !matches!(self.state, TenantState::Running { .. })
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed
    }

    /// Returns when it is due, if it waits for that.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        match self.state {
            TenantState::Waiting { due, .. } => Some(due),
            _ => None,
        }
    }

    /// Brings a due time nearer that is further away than any that could be meant: it was computed from a clock that
    /// was ahead.
    pub(crate) fn clock_went_back(&mut self, now: Timestamp) {
        let TenantState::Waiting { due, reason } = self.state else { return };
        let latest = match reason {
            DueReason::FirstRun | DueReason::Stopped => Some(now),
            DueReason::Timetable => self.settings.timetable.next_after(now, self.spread),
            DueReason::Unreachable => Some(later(now, LONGEST_BACK_OFF)),
            DueReason::CredentialsRefused => Some(later(now, CREDENTIALS_WAIT)),
            DueReason::Quota => Some(later(now, LONGEST_DEFERRAL)),
        };
        let due = latest.map_or(due, |latest| due.min(latest));
        self.state = TenantState::Waiting { due, reason };
    }

    pub(crate) fn start(&mut self, now: Timestamp) {
        self.state = TenantState::Running { since: now };
        self.last = Some(LastRun { started: now, ended: None });
    }

    /// Takes note of the end of its run.
    pub(crate) fn ended(&mut self, ended: Ended, now: Timestamp) -> Option<Notice> {
        let TenantState::Running { since } = self.state else { return None };
        self.last = Some(LastRun { started: since, ended: Some((now, ended)) });
        let in_a_row = self.failed + self.unreachable;
        match ended {
            Ended::Published => (self.failed, self.unreachable) = (0, 0),
            Ended::Unreachable => self.unreachable = self.unreachable.saturating_add(1),
            Ended::Failed | Ended::CredentialsRefused => self.failed += 1,
            Ended::Deferred { .. } | Ended::Panicked | Ended::Stopped => {}
        }
        let pause = match ended {
            Ended::Panicked => Some(PauseReason::Panicked),
            _ if self.failed >= FAILURES_UNTIL_PAUSE => Some(PauseReason::Failures(self.failed)),
            _ => None,
        };
        if let Some(reason) = pause {
            self.state = TenantState::Paused(reason);
            return Some(Notice::Paused(reason));
        }
        self.state = self.after(ended, since, now);
        (ended == Ended::Published && in_a_row > 0).then_some(Notice::Recovered(in_a_row))
    }

    pub(crate) fn state(&self) -> TenantState {
        self.state
    }

    pub(crate) fn status(&self, name: &str) -> TenantStatus {
        let failures = self.failed + self.unreachable;
        TenantStatus { name: name.to_owned(), state: self.state, last: self.last, failures }
    }

    /// The state after a run that does not pause the tenant.
    fn after(&self, ended: Ended, since: Timestamp, now: Timestamp) -> TenantState {
        if self.settings.timetable == Timetable::Disabled {
            return TenantState::Disabled;
        }
        let (due, reason) = match ended {
            Ended::Published | Ended::Failed | Ended::Panicked => return self.from(since, now),
            Ended::Unreachable => (later(now, self.back_off()), DueReason::Unreachable),
            Ended::CredentialsRefused => {
                (later(now, CREDENTIALS_WAIT), DueReason::CredentialsRefused)
            }
            Ended::Deferred { not_before } => {
                let earliest = later(now, Duration::from_mins(1));
                let latest = later(now, LONGEST_DEFERRAL);
                (not_before.clamp(earliest, latest), DueReason::Quota)
            }
            Ended::Stopped => (now, DueReason::Stopped),
        };
        TenantState::Waiting { due, reason }
    }

    /// The wait after the last unreachable run, up to a tenth longer so that tenants do not call together.
    fn back_off(&self) -> Duration {
        let doublings = self.unreachable.saturating_sub(1).min(16);
        let wait = FIRST_BACK_OFF.saturating_mul(1 << doublings).min(LONGEST_BACK_OFF);
        let share = u32::try_from(self.spread % 100).unwrap_or(0);
        (wait + wait * share / 1_000).min(LONGEST_BACK_OFF)
    }

    /// The state of a tenant that waits for its timetable.
    fn scheduled(&self, now: Timestamp) -> TenantState {
        match self.last {
            _ if self.settings.timetable == Timetable::Disabled => TenantState::Disabled,
            None => TenantState::Waiting { due: now, reason: DueReason::FirstRun },
            Some(last) => self.from(last.started, now),
        }
    }

    /// The state after a run that started at some time: the next due time, or one that passed meanwhile.
    fn from(&self, started: Timestamp, now: Timestamp) -> TenantState {
        let next = |after| self.settings.timetable.next_after(after, self.spread);
        // A start that lies ahead was noted by a wrong clock.
        let due = match self.settings.missed {
            Missed::Once => next(started.min(now)),
            Missed::Skip => next(now),
        };
        due.map_or(TenantState::Disabled, |due| TenantState::Waiting {
            due,
            reason: DueReason::Timetable,
        })
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// A number that is the same for a name in every version and on every machine.
fn spread(name: &str) -> u64 {
    let hash = blake3::hash(name.as_bytes());
    let (first, _) = hash.as_bytes().split_at(8);
    first.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
