//! A table of clocks that jump, against a model of Nexthink that knows when each event happened. Two things
//! must hold whatever the clocks say: nothing counts as read that was not, and once the clocks are right
//! again everything is read that was wanted.

use super::*;

const MINUTE: i64 = 60_000;
/// The milliseconds between two events.
const STEP_MS: i64 = 30 * MINUTE;

/// The errors of a clock, with their names.
const JUMPS: [(&str, i64); 14] = [
    ("twenty years behind", -7_305 * DAY),
    ("a year behind", -365 * DAY),
    ("two hundred days behind", -200 * DAY),
    ("a month behind", -30 * DAY),
    ("five days behind", -5 * DAY),
    ("an hour behind, as when summer time begins", -HOUR_MS),
    ("ten minutes behind", -10 * MINUTE),
    ("right", 0),
    ("ten minutes ahead", 10 * MINUTE),
    ("an hour ahead, as when summer time ends", HOUR_MS),
    ("five days ahead", 5 * DAY),
    ("a month ahead", 30 * DAY),
    ("two hundred days ahead", 200 * DAY),
    ("a year ahead", 365 * DAY),
];

/// By how much the clocks are ahead of the truth during a run.
#[derive(Debug, Clone, Copy, Default)]
struct Wrong {
    local: i64,
    date: Option<i64>,
    login: Option<i64>,
}

impl Wrong {
    /// All of Nexthink's clocks are right.
    fn local(local: i64) -> Self {
        Self { local, date: Some(0), login: Some(0) }
    }

    /// The same, and no login host confirms it.
    fn local_alone(local: i64) -> Self {
        Self { login: None, ..Self::local(local) }
    }

    /// The host of the audit trail is wrong, and no other host tells the time.
    fn date_alone(date: i64) -> Self {
        Self { local: 0, date: Some(date), login: None }
    }

    /// The same, while the login host is right.
    fn date(date: i64) -> Self {
        Self { login: Some(0), ..Self::date_alone(date) }
    }

    fn clocks(&self, truth_ms: i64) -> Clocks {
        let local_ms = truth_ms + self.local;
        Clocks {
            local_ms,
            server_ms: self.date.map(|ahead| truth_ms + ahead),
            witness_ahead_ms: self.login.map(|ahead| ahead - self.local),
        }
    }
}

/// A trail, and the periods that were read of it.
#[derive(Default)]
struct Model {
    coverage: Coverage,
    read: std::collections::BTreeSet<i64>,
}

impl Model {
    /// A run at a time, with clocks that are wrong; gives the number of windows.
    fn run(&mut self, truth_ms: i64, wrong: &Wrong, settings: &WindowSettings) -> usize {
        let clocks = wrong.clocks(truth_ms);
        // As between runs, everything that is not recorded is lost.
        let noted = serde_json::to_string(&self.coverage).expect("plain data");
        self.coverage = serde_json::from_str(&noted).expect("what was noted");
        self.coverage.begin(clocks.local_ms, settings);
        let mut n_windows = 0;
        while let Some(window) =
            self.coverage.next_window(clocks.local_ms, settings, &TimeZone::UTC, &[])
        {
            let hours = i64::from(window.elapsed_hours());
            let end = if window.is_newest { truth_ms } else { window.span.to_ms };
            let oldest = truth_ms - settings.source_retention_ms;
            let mut at = first_event((end - hours * HOUR_MS).max(oldest));
            while at < end.min(truth_ms) {
                self.read.insert(at);
                at += STEP_MS;
            }
            self.coverage.answered(&window, &clocks, settings);
            n_windows += 1;
            assert!(n_windows < 1_000, "it does not get done");
        }
        n_windows
    }

    /// The events of a time that are not read.
    fn unread(&self, from_ms: i64, to_ms: i64) -> Vec<i64> {
        let first_ms = first_event(from_ms);
        let events = (0..).map(|n| first_ms + n * STEP_MS).take_while(|at| *at < to_ms);
        events.filter(|at| !self.read.contains(at)).collect()
    }

    /// Checks that no unread or future period counts as read.
    fn check_claims(&self, truth_ms: i64, case: &str) {
        for span in &self.coverage.covered {
            assert!(span.to_ms <= truth_ms, "{case}: the future counts as read");
            let from_ms = span.from_ms.max(truth_ms - 200 * DAY);
            assert_eq!(self.unread(from_ms, span.to_ms).first(), None, "{case}");
        }
    }
}

/// The first event that is not before a time.
fn first_event(from_ms: i64) -> i64 {
    (from_ms + STEP_MS - 1).div_euclid(STEP_MS) * STEP_MS
}

fn settings() -> WindowSettings {
    WindowSettings { since_ms: 4 * DAY, ..WindowSettings::default() }
}

/// Runs every hour, some of them with wrong clocks, and then with right ones.
fn healed(case: &str, before: i64, wrong: &Wrong, n_wrong: i64, after_ms: i64) {
    let (mut model, settings) = (Model::default(), settings());
    let mut truth_ms = NOW;
    for _ in 0..before {
        model.run(truth_ms, &Wrong::local(0), &settings);
        truth_ms += HOUR_MS;
    }
    for _ in 0..n_wrong {
        model.run(truth_ms, wrong, &settings);
        model.check_claims(truth_ms, case);
        truth_ms += HOUR_MS;
    }
    truth_ms += after_ms;
    for _ in 0..3 {
        model.run(truth_ms, &Wrong::local(0), &settings);
        model.check_claims(truth_ms, case);
        truth_ms += HOUR_MS;
    }
    let last_ms = truth_ms - HOUR_MS;
    let first_right_ms = if before == 0 { n_wrong * HOUR_MS + after_ms } else { 0 };
    let wanted_from_ms = NOW + first_right_ms - settings.since_ms;
    assert_eq!(model.unread(wanted_from_ms, last_ms), Vec::<i64>::new(), "{case}");
    assert_eq!(model.coverage.gaps(last_ms), [], "{case}");
    assert_eq!(model.coverage.lost(), [], "{case}");
}

#[test]
fn l10_a_clock_that_jumps_costs_no_event_and_proves_none() {
    /// A clock that is wrong by some milliseconds.
    type Clock = fn(i64) -> Wrong;

    let kinds: [(&str, Clock); 4] = [
        ("this machine", Wrong::local),
        ("this machine, unconfirmed", Wrong::local_alone),
        ("the audit host", Wrong::date),
        ("the audit host, unconfirmed", Wrong::date_alone),
    ];
    for (jump, ms) in JUMPS {
        for (who, wrong) in kinds {
            for (when, before) in [("at first", 0), ("in mid-life", 3)] {
                for (n_wrong, after_ms) in [(1, 0), (3, 0), (2, 9 * HOUR_MS)] {
                    let case = format!("{who} {jump} {when}, {n_wrong} runs");
                    healed(&case, before, &wrong(ms), n_wrong, after_ms);
                }
            }
        }
    }
}

#[test]
fn l10_a_run_with_a_wrong_clock_reads_what_is_new_where_nexthink_confirms_the_time() {
    let settings = settings();
    for (jump, ms) in JUMPS {
        let mut model = Model::default();
        model.run(NOW, &Wrong::local(0), &settings);
        let later_ms = NOW + 5 * HOUR_MS;
        model.run(later_ms, &Wrong::local(ms), &settings);
        assert_eq!(model.unread(NOW - 4 * DAY, later_ms), Vec::<i64>::new(), "{jump}");
        assert_eq!(model.coverage.gaps(later_ms + ms), [], "{jump}");
        assert!(model.coverage.has_read(later_ms - 1), "{jump}");
    }
}

#[test]
fn l10_what_all_clocks_claimed_ahead_of_time_is_read_again_when_they_come_back() {
    let settings = settings();
    for ahead in [HOUR_MS, 5 * HOUR_MS, 30 * HOUR_MS, 30 * DAY] {
        let mut model = Model::default();
        model.run(NOW, &Wrong::local(0), &settings);
        let wrong = Wrong { local: ahead, date: Some(ahead), login: Some(ahead) };
        model.run(NOW + 2 * HOUR_MS, &wrong, &settings);
        let back_ms = NOW + 2 * HOUR_MS + 40 * MINUTE;
        model.run(back_ms, &Wrong::local(0), &settings);
        model.check_claims(back_ms, &ahead.to_string());
        assert_eq!(model.unread(NOW - 4 * DAY, back_ms), Vec::<i64>::new(), "{ahead}");
    }
}
