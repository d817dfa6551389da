//! Machines whose clocks differ by three days, with libfaketime.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::{EXPORTS, Estate, TAKEOVER};

/// The shortest time between two runs of a tenant that is due once a minute.
const SHORTEST_GAP: Duration = Duration::from_secs(40);

/// The library that shifts the clock of a process, where the system's package has it.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut places = folders.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    places
        .find(|path| path.exists())
        .expect("libfaketime is missing: `apt-get install libfaketime`")
}

/// A machine whose clock is wrong by so many days.
fn wrong_by(estate: &Estate, days: &str) -> Machine {
    let library = library();
    estate.machine_with(&[
        ("LD_PRELOAD", &library.to_string_lossy()),
        ("FAKETIME", &format!("{days}d")),
        // Leases and waits are measured by the monotonic clock, which no one sets.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ])
}

/// Waits until so many more runs are published, and fails if two of them follow too soon.
fn watch(estate: &Estate, runs: usize, patience: Duration) {
    let (started, before) = (Instant::now(), estate.published().0.len());
    let (mut known, mut last) = (before, None::<Instant>);
    while known < before + runs {
        assert!(started.elapsed() < patience, "{} of {runs} runs in {patience:?}", known - before);
        thread::sleep(Duration::from_millis(50));
        let now = estate.published().0.len();
        if now > known {
            let gap = last.map(|last| last.elapsed());
            assert!(gap.is_none_or(|gap| gap > SHORTEST_GAP), "two runs within {gap:?}");
            (known, last) = (now, Some(Instant::now()));
        }
    }
}

#[test]
fn machines_whose_clocks_differ_by_days_run_a_tenant_once_and_take_over_from_one_another() {
    let estate = Estate::with_interval("1 minute");
    let machines = [wrong_by(&estate, "+3"), estate.machine(), wrong_by(&estate, "-3")];
    let ahead = machines[0].schedule();
    ahead.wait_until_said("(by the timetable)", 1);
    ahead.lose();
    // The newest generation is dated three days ahead, by a machine that does not come back.
    let right = machines[1].schedule();
    watch(&estate, 2, Duration::from_mins(4));
    let [ahead, behind] = [machines[0].schedule(), machines[2].schedule()];
    watch(&estate, 3, Duration::from_mins(5));
    // Between two runs: one that is lost when it has published has no end in the ledger.
    thread::sleep(Duration::from_secs(15));
    right.lose();
    watch(&estate, 2, TAKEOVER + Duration::from_mins(10));
    ahead.end();
    behind.end();
    let audit = estate.audit();
    audit.assert_one_run_each(&[0]);
    assert_eq!(estate.exports(), EXPORTS * audit.generations.len() as u64);
}

#[test]
fn an_export_of_a_machine_with_another_clock_is_resumed() {
    let estate = Estate::with_interval("1 day");
    estate.prepare_for(Duration::from_secs(20));
    let machines = [wrong_by(&estate, "+3"), wrong_by(&estate, "-3"), estate.machine()];
    let first = machines[0].schedule();
    estate.wait_for_notes();
    first.lose();
    let second = machines[1].schedule();
    second.wait_until_said(
        "export of an earlier run taken up",
        usize::try_from(EXPORTS).unwrap_or(4),
    );
    second.lose();
    let third = machines[2].schedule();
    estate.wait_for_generations(1, TAKEOVER);
    third.end();
    assert_eq!(estate.exports(), EXPORTS, "nothing is paid for twice");
    assert_eq!(estate.audit().generations.len(), 1);
}
