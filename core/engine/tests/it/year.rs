//! A year of scheduled runs of some tenants, by a clock of its own, in which everything of `docs/faults.md` that a
//! simulator can do happens at random: no object is lost or wrongly deleted, the audit trail has each event once,
//! findings are right, and neither store nor memory grows beyond retention.
//!
//! The gate plays some days. `cargo xtask torture year` plays the year; a failure names its seed, its day and its fault.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::time::Duration;

use core_engine::run::{Finished, RunOptions};
use core_engine::{Ending, Failure, FailureKind, Moment, ledger};
use core_fleet::{Ended, Fleet, Missed, TenantSettings, Timetable};
use core_store::{ClockVerdict, Retention};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::estate::{EDGES, assert_true, objects_in};
use super::findings::Findings;
use super::seeds::number;
use super::trouble::{Trouble, strike};
use super::world::{DAY_MS, HOUR_MS, World, files};

/// The number of days that the gate plays.
const DAYS: u64 = 20;
/// 2026-03-01T00:00:00Z: a year from here has both changes of the clocks in Zurich.
const START: Moment = Moment(1_772_323_200_000);
/// The time for which generations, events and entries of the ledger are kept.
const KEPT_DAYS: u64 = 30;
/// The time for which every generation is kept.
const ALL_KEPT_DAYS: u64 = 3;

/// A tenant, and what is known of its runs.
struct Member {
    world: World,
    findings: Findings,
    random: Rng,
    runs: u32,
    complete: u32,
    /// True if the last run asked about a shrink. Who reads that accepts it with the next one.
    asks: bool,
    /// The number of times that each kind of trouble came.
    troubles: BTreeMap<&'static str, u32>,
    /// The bytes of the store, by day.
    bytes: Vec<u64>,
}

impl Member {
    async fn start(name: &str, seed: u64) -> Self {
        let mut world = World::start(name, seed, START).await;
        let retention = &mut world.tenant.settings.retention;
        retention.generations.keep_days = KEPT_DAYS;
        retention.generations.keep_all_days = ALL_KEPT_DAYS;
        retention.ledger_days = KEPT_DAYS;
        retention.events_days = KEPT_DAYS;
        Self {
            world,
            findings: Findings::new(name),
            random: Rng::with_seed(seed),
            runs: 0,
            complete: 0,
            asks: false,
            troubles: BTreeMap::new(),
            bytes: Vec::new(),
        }
    }

    /// Lets the estate change a little: so little that no run asks whether that is right.
    fn change_estate(&mut self) {
        let random = &mut self.random;
        self.world.change(|estate| {
            let mut step = |count: &mut u32, least: u32, most: u32| {
                *count = (*count + random.u32(..5)).saturating_sub(2).clamp(least, most);
            };
            step(&mut estate.devices, 20, 40);
            step(&mut estate.users, 15, 30);
            step(&mut estate.alerts, 5, 20);
            estate.retired_packages = random.u32(..3);
            estate.duplicate_rows = random.u32(..3);
        });
    }

    /// A scheduled run with its delivery and its rules, in which something may go wrong.
    async fn run(&mut self, seed: u64, calm: bool) -> Ended {
        self.change_estate();
        self.runs += 1;
        let world = &self.world;
        world.disk.start();
        // Before the disk may fail.
        let (before, known) = (world.store().current().ok().flatten(), world.published());
        let trouble = if calm { Trouble::None } else { strike(world, &mut self.random) };
        let day = (world.now() - START.0) / DAY_MS;
        let name = world.tenant.settings.tenant.as_str();
        let case = format!("seed {seed}, day {day}, {name}, run {}, {trouble:?}", self.runs);
        *self.troubles.entry(kind_of(&trouble)).or_default() += 1;
        let truth = world.truth();
        let accepted = if calm || self.asks { every_type() } else { Vec::new() };
        let options = RunOptions { accept_shrink: accepted, ..RunOptions::default() };
        let finished = world.run(&options).await;
        let delivered = if finished.is_ok() { Some(world.deliver().await) } else { None };
        let is_alive = !world.disk.is_dead();
        world.heal();
        world.disk.start();
        let current = world.store().current().unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(current.is_some() || before.is_none(), "{case}: nothing is published any more");
        let now = current.as_ref().map(objects_in).unwrap_or_default();
        let is_complete =
            is_alive && finished.as_ref().is_ok_and(|run| run.ending == Ending::Complete);
        assert_true(&case, &known, &now, &truth, is_complete);
        if is_alive && delivered.is_some_and(|delivered| delivered.is_ok_and(|it| it.is_whole())) {
            world.assert_delivered(&case);
        }
        self.findings.evaluate(&case, &self.world.store(), self.world.now(), &truth).await;
        self.complete += u32::from(is_complete);
        self.asks = finished.as_ref().is_ok_and(|run| {
            run.report.shortfalls().iter().any(|shortfall| is_question(shortfall))
        });
        if trouble == Trouble::None {
            assert_explained(&case, &finished);
        }
        if calm {
            let shortfalls = finished.as_ref().map(|run| run.report.shortfalls());
            assert!(is_complete, "{case}: a calm run is complete: {shortfalls:?}");
            self.world.assert_delivered(&case);
            self.world.assert_whole(&case);
        }
        ended(finished.map(drop), self.world.now())
    }

    /// The retention of now.
    fn retention(&self, accept_clock: bool) -> Retention<'_> {
        let windows = &self.world.tenant.settings.retention;
        Retention { windows, pinned: &[], now_ms: self.world.now(), accept_clock }
    }

    /// Does what a person does who is told that nothing goes by age, since the clock is behind what is stored: a
    /// generation of a run whose clock was ahead keeps everything until its time.
    fn accept_clock(&self) {
        let plan = self.world.store().plan_retention(self.retention(false));
        if plan.expect("it can be planned").clock != ClockVerdict::Steady {
            let engine = self.world.tenant.engine();
            let lock = engine.lock().expect("the lock is free");
            ledger::retain(engine.host, &lock, self.retention(true)).expect("it can be retained");
        }
    }

    /// Fails if the store holds more than retention keeps.
    fn assert_kept(&self, case: &str) {
        self.accept_clock();
        let now = self.world.now();
        let store = self.world.store();
        let generations = store.history().expect("it can be listed").len() as u64;
        // Of the last days all, at most four runs a day and some more after faults; of the days before one each.
        let most = (ALL_KEPT_DAYS + 1) * 10 + KEPT_DAYS + 3;
        assert!(generations <= most, "{case}: {generations} generations");
        let entries = store.ledger().entries().expect("it can be read").len() as u64;
        assert!(entries <= (KEPT_DAYS + 3) * 10 * 6, "{case}: {entries} entries of the ledger");
        let oldest = timestamp(now.saturating_sub((KEPT_DAYS + 3) * DAY_MS));
        let oldest = oldest.strftime("%Y-%m-%d").to_string();
        let log = store.events(core_engine::audit::LOG).expect("it can be read");
        let old: Vec<_> = log.files().iter().filter(|file| file.day < oldest).collect();
        let old: Vec<_> = old.iter().map(|file| &file.day).collect();
        assert!(old.is_empty(), "{case}: events of {old:?}");
    }
}

/// Returns true for a shortfall that asks a person to accept a shrink.
fn is_question(shortfall: &str) -> bool {
    shortfall.contains("--accept-shrink")
}

/// Fails unless a run without trouble is complete, or asks a person about a shrink, or keeps a wait that Nexthink asked an
/// earlier one for.
fn assert_explained(case: &str, finished: &Result<Finished, Failure>) {
    match finished {
        Ok(run) => {
            let shortfalls = run.report.shortfalls();
            assert!(
                shortfalls.iter().all(|shortfall| is_question(shortfall)),
                "{case}: {shortfalls:?}"
            );
        }
        Err(failure) => {
            assert_eq!(failure.kind, FailureKind::Deferred, "{case}: {:#}", failure.error);
        }
    }
}

/// The names of all types.
fn every_type() -> Vec<String> {
    let entities = ["nexthink_device", "nexthink_user", "nexthink_package", "nexthink_alert"];
    let edges = EDGES.iter().map(|(name, _)| *name);
    entities.into_iter().chain(edges).map(str::to_owned).collect()
}

fn kind_of(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::None => "none",
        Trouble::Nexthink(what) | Trouble::JupiterOne(what) => what,
        Trouble::Disk(_) => "a disk that fails",
        Trouble::Clock(_) => "a wrong clock",
    }
}

/// The end of a run as the schedule sees it.
fn ended(finished: Result<(), Failure>, now: u64) -> Ended {
    match finished.map_err(|failure| failure.kind) {
        Ok(()) => Ended::Published,
        Err(FailureKind::Unreachable) => Ended::Unreachable,
        Err(FailureKind::Credentials) => Ended::CredentialsRefused,
        Err(FailureKind::Deferred) => {
            Ended::Deferred { not_before: timestamp(now) + SignedDuration::from_hours(2) }
        }
        Err(_) => Ended::Failed,
    }
}

fn ms(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).expect("it is after 1970")
}

fn timestamp(ms: u64) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(ms).expect("a time")).expect("a time")
}

/// The tenants, each with another timetable.
async fn fleet(seed: u64) -> (Fleet, BTreeMap<String, Member>) {
    let daily = Timetable::Every(Duration::from_hours(24));
    let often = Timetable::Every(Duration::from_hours(8));
    let at_two = Timetable::parse_cron("30 2 * * *", "Europe/Zurich").expect("it is one");
    let mut fleet = Fleet::default();
    let mut members = BTreeMap::new();
    for (number, (name, timetable)) in
        (1..).zip([("acme", daily), ("globex", often), ("initech", at_two)])
    {
        let settings = TenantSettings { timetable, missed: Missed::Once };
        fleet.set(name, settings, None, timestamp(START.0));
        members.insert(name.to_owned(), Member::start(name, seed * 10 + number).await);
    }
    (fleet, members)
}

/// Plays days with faults, and a calm run of each tenant at the end of each tenth.
async fn play(seed: u64, days: u64) -> BTreeMap<String, Member> {
    let (mut fleet, mut members) = fleet(seed).await;
    let mut now = START.0;
    for day in 1..=days {
        let end = START.0 + day * DAY_MS;
        while now < end {
            for start in fleet.next(timestamp(now), 1) {
                let member = members.get_mut(&start.tenant).expect("it is one of them");
                member.world.set_time(now);
                let ended = member.run(seed, false).await;
                now += 3 * 60_000;
                fleet.ended(&start.tenant, ended, timestamp(now));
            }
            let due = fleet.wake_at(timestamp(now)).map_or(end, ms);
            now = due.clamp(now + 60_000, end.max(now + 60_000));
        }
        for (name, member) in &mut members {
            member.bytes.push(bytes_of(&member.world));
            // What a person would do who looks at it once a day.
            fleet.resume(name, timestamp(now));
            if day % 10 == 0 {
                // Nexthink asks for waits of two hours at most.
                now += 3 * HOUR_MS;
                member.world.set_time(now);
                let case = format!("seed {seed}, day {day}, {name}");
                member.run(seed, true).await;
                member.assert_kept(&case);
                member.world.assert_events(&case, START, KEPT_DAYS);
            }
            if day % 50 == 15 {
                member.world.set_time(now);
                member.world.erase_a_person();
            }
        }
        // A year takes half an hour.
        if days > DAYS && day % 10 == 0 {
            let complete = members.iter().map(|(name, member)| {
                format!("{name} {} of {} runs complete", member.complete, member.runs)
            });
            let complete = complete.collect::<Vec<_>>().join(", ");
            let _ = writeln!(io::stderr(), "seed {seed}, day {day} of {days}: {complete}");
        }
    }
    members
}

/// The bytes of the files of a tenant.
fn bytes_of(world: &World) -> u64 {
    let sizes = files(world.tenant.folder()).into_iter().map(|path| path.metadata());
    sizes.map(|metadata| metadata.map_or(0, |metadata| metadata.len())).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_with_faults_loses_and_deletes_nothing_and_keeps_no_more_than_retention() {
    let seed = number("TORTURE_SEED").unwrap_or(1);
    let days = number("TORTURE_DAYS").unwrap_or(DAYS);
    let members = play(seed, days).await;
    for (name, member) in &members {
        let least = if name == "globex" { 2 * days } else { days * 9 / 10 };
        assert!(u64::from(member.runs) >= least, "seed {seed}: {name} ran {} times", member.runs);
        assert!(member.complete * 3 > member.runs, "seed {seed}: {name}: {}", member.complete);
        // Once everything is as old as it gets, the store grows no more.
        let full = usize::try_from(2 * KEPT_DAYS).unwrap_or(usize::MAX);
        if let (Some(half), Some(last)) = (member.bytes.get(full), member.bytes.last()) {
            assert!(*last < half * 3 / 2, "seed {seed}: {name}: {half} became {last} bytes");
        }
    }
    if days > 100 {
        let kinds: BTreeSet<_> =
            members.values().flat_map(|member| member.troubles.keys()).collect();
        assert!(kinds.len() > 15, "seed {seed}: only {kinds:?} came");
    }
}
