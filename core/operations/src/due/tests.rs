//! Checks of several machines over one bucket, by the working copy and the note of each.

use std::sync::atomic::Ordering;

use core_engine::Moment;
use core_engine::ledger::{self, Event};
use core_fleet::{Ended, Fleet, LastRun};
use core_store::{Draft, Outcome};

use super::*;
use crate::testing::{CODES, World};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn at(text: &str) -> Timestamp {
    format!("2026-03-{text}:00Z").parse().expect("the test writes a time")
}

fn known(run: &str, text: &str) -> Known {
    Known { run: run.to_owned(), at_ms: at(text).as_millisecond() }
}

/// A machine with a working copy, and a tenant whose name in the fleet is not that of Nexthink's.
struct Machine {
    world: World,
    config: Config,
}

impl Machine {
    fn with(schedule: &str) -> Self {
        Self::that_reads("[queries]\ndevices = \"#devices\"\n", schedule)
    }

    fn that_reads(source: &str, schedule: &str) -> Self {
        let world = World::fleet(&[]);
        let text = format!(
            "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\nclient_id = \"0a1b\"\n\
             client_secret = {{ env = \"SECRET\" }}\n{source}\
             [store]\nlocation = \"s3://acme/graph\"\n[schedule]\ninterval = \"12 hours\"\n{schedule}"
        );
        world.write("tenants.d/europe.toml", &text);
        let config = world.config("europe");
        assert_eq!((config.name.as_str(), config.tenant.as_str()), ("europe", "acme"));
        Self { world, config }
    }

    fn now(&self) -> Timestamp {
        self.world.host.now().to_timestamp()
    }

    fn set_clock(&self, time: Timestamp) {
        let ms = u64::try_from(time.as_millisecond()).expect("after 1970");
        self.world.clock.store(ms, Ordering::Relaxed);
    }

    fn check(&self) -> DueCheck {
        let check = DueCheck::begin(&self.config, &self.world.host, CODES);
        check.unwrap_or_else(|failure| panic!("{:#}", failure.error)).expect("a bucket")
    }

    fn is_due(&self) -> bool {
        let due = self.check().is_due(&self.config);
        due.unwrap_or_else(|failure| panic!("{:#}", failure.error))
    }

    /// Publishes a generation of a run that starts at a time by the clock of its machine, such as another one brings into
    /// the working copy.
    fn publish(&self, started: Timestamp) {
        let started = Moment(u64::try_from(started.as_millisecond()).expect("after 1970"));
        let tenant = self.check().tenant;
        let lock = tenant.lock("a test").expect("no one has it");
        let made = lock.next_generation_ms(started.0).expect("it can be read");
        let id = self.world.host.new_id(Moment(made)).expect("there is randomness");
        let staging = lock.stage(id.parse().expect("an ID")).expect("there is room");
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: started.to_rfc3339(),
            outcome: Outcome::Complete,
            privacy: None,
            tables: Vec::new(),
        };
        staging.publish(draft, &[]).expect("there is room");
    }

    /// The time at which `schedule` starts a run after one that started at a time.
    fn next_after(&self, started: Timestamp) -> Timestamp {
        let mut fleet = Fleet::default();
        let last = LastRun { started, ended: Some((started, Ended::Published)) };
        fleet.set(&self.config.name, self.config.schedule.clone(), Some(last), started);
        fleet.wake_at(started).expect("it has a timetable")
    }
}

#[test]
fn a_generation_that_another_clock_has_dated_was_published_since_the_last_note() {
    let now = "10T12:00";
    let table = [
        // The same clock: the date counts.
        ("new", "10T06:00", Some(known("old", "10T00:00")), "10T06:00"),
        ("new", "10T11:59", Some(known("old", "10T12:00")), "10T11:59"),
        ("new", "10T06:00", None, "10T06:00"),
        // A clock ahead, and one behind.
        ("new", "13T06:00", Some(known("old", "10T00:00")), now),
        ("new", "07T06:00", Some(known("old", "10T00:00")), now),
        ("new", "13T06:00", None, now),
        // It was there before.
        ("old", "13T06:00", Some(known("old", "10T00:00")), "10T00:00"),
        ("old", "07T06:00", Some(known("old", "10T00:00")), "10T00:00"),
        // The clock of this machine was ahead, and was set back.
        ("old", "13T06:00", Some(known("old", "13T06:00")), now),
    ];
    for (generation, started, known, expected) in table {
        let time = time_of_run(generation, at(started), known.as_ref(), at(now));
        assert_eq!(time, at(expected), "{generation} of {started}, known: {known:?}");
    }
}

#[test]
fn a_run_is_due_at_the_time_of_the_scheduler_whatever_is_done_about_missed_ones() {
    for schedule in ["", "missed = \"skip\"\n"] {
        let machine = Machine::with(schedule);
        assert!(machine.is_due(), "it never ran");
        let mut started = machine.now();
        for _ in 0..3 {
            machine.publish(started);
            let due = machine.next_after(started);
            machine.set_clock(due - SignedDuration::from_millis(1));
            assert!(!machine.is_due(), "{schedule}: before {due}");
            machine.set_clock(due);
            assert!(machine.is_due(), "{schedule}: at {due}");
            // The generation's date is written to the second, and the tenant is due within one.
            started = due + SignedDuration::from_millis(1);
            machine.set_clock(started);
        }
        machine.publish(started);
        assert!(!machine.is_due(), "{schedule}: it was run just after it was due");
    }
}

#[test]
fn a_tenant_with_an_audit_trail_alone_is_not_due_again_until_its_timetable_says_so() {
    let source = "[audit]\naccount = \"reader\"\npassword = { env = \"PASSWORD\" }\n";
    let machine = Machine::that_reads(source, "");
    assert!(machine.is_due(), "it never ran");
    for _ in 0..2 {
        let (started, check) = (machine.now(), machine.check());
        let record = |event: Event<'_>| {
            ledger::record(&machine.world.host, &check.tenant, &event).expect("there is room");
        };
        record(Event::RunStarted { steps: &[] });
        record(Event::RunEnded { run: None, generation: None, exports: 0, exit_code: 0 });
        assert!(!machine.is_due(), "another machine has run it");
        let due = machine.next_after(started);
        machine.set_clock(due - SignedDuration::from_millis(1));
        assert!(!machine.is_due(), "before {due}");
        machine.set_clock(due);
        assert!(machine.is_due(), "at {due}");
    }
}

#[test]
fn a_machine_runs_a_tenant_after_another_one_whose_clock_was_days_ahead_is_lost() {
    let machine = Machine::with("");
    machine.publish(machine.now() + DAY * 3);
    assert!(!machine.is_due(), "it was run at some time until now");
    let due = machine.next_after(machine.now());
    machine.set_clock(due - SignedDuration::from_millis(1));
    assert!(!machine.is_due());
    machine.set_clock(due);
    assert!(machine.is_due(), "no one has run it since");
}

#[test]
fn two_machines_whose_clocks_differ_by_days_do_not_both_run_a_tenant() {
    for days in [3, -3] {
        let machine = Machine::with("");
        machine.publish(machine.now());
        assert!(!machine.is_due());
        for _ in 0..3 {
            machine.set_clock(machine.next_after(machine.now()));
            machine.publish(machine.now() + DAY * days);
            assert!(!machine.is_due(), "the other one was faster: {days}");
        }
        machine.set_clock(machine.next_after(machine.now()));
        let check = machine.check();
        assert!(machine.is_due(), "the other one is gone: {days}");
        // A run whose own generation is dated by Nexthink's clock, which this machine's is not.
        machine.publish(machine.now() + DAY * days);
        check.ran(&machine.config);
        assert!(!machine.is_due());
        machine.set_clock(machine.next_after(machine.now()));
        assert!(machine.is_due(), "its own run was one due time ago: {days}");
    }
}
