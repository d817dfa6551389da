//! A machine that is lost or paused in mid-run: another one takes over, nothing is paid for twice, and nothing is
//! published under a lost lease.

use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::{EXPORTS, Estate, TAKEOVER, assert_stays, number};

/// The seeds that are tried at the same time.
const SEEDS: u64 = 3;

fn seeds() -> std::ops::Range<u64> {
    let first = number("TORTURE_SEED").unwrap_or(0);
    first..first + number("TORTURE_SEEDS").unwrap_or(SEEDS)
}

/// Tries each seed in a thread, since they do nothing but wait, and names the one that fails.
fn each_seed(attempt: impl Fn(u64) + Sync) {
    let attempt = &attempt;
    thread::scope(|scope| {
        let threads: Vec<_> =
            seeds().map(|seed| (seed, scope.spawn(move || attempt(seed)))).collect();
        for (seed, thread) in threads {
            assert!(thread.join().is_ok(), "seed {seed} failed");
        }
    });
}

/// A moment in a run: while its exports are prepared, or up to two seconds after the first file is in the bucket.
fn wait_for_moment(estate: &Estate, seed: u64) {
    let mut random = Rng::with_seed(seed);
    // An export of which a machine was lost before it knew its ID is paid for and of no use.
    estate.wait_for_notes();
    if random.bool() {
        thread::sleep(Duration::from_millis(random.u64(..3_000)));
        return;
    }
    let is_writing = || {
        let keys = estate.bucket.keys();
        keys.iter().any(|key| key.contains("/generations/")).then_some(())
    };
    assert!(crate::until(TAKEOVER, is_writing).is_some(), "seed {seed}: it writes nothing");
    thread::sleep(Duration::from_millis(random.u64(..60)));
}

#[test]
fn a_run_of_a_machine_that_is_lost_is_made_by_another_one_and_paid_for_once() {
    each_seed(|seed| {
        let estate = Estate::with_interval("1 day");
        estate.prepare_for(Duration::from_secs(4));
        let machines = [estate.machine(), estate.machine()];
        let first = machines[0].schedule();
        wait_for_moment(&estate, seed);
        first.lose();
        let before = estate.published();
        let second = machines[1].schedule();
        if before.1.is_none() {
            estate.wait_for_generations(1, TAKEOVER);
        }
        second.wait_until_said("(by the timetable)", 1);
        second.end();
        let audit = estate.audit();
        assert_eq!(audit.generations.len(), 1, "seed {seed}: {:#?}", audit.ledger);
        assert_eq!(estate.exports(), EXPORTS, "seed {seed}: nothing is paid for twice");
        // The lost one comes back, and finds that nothing is due.
        let again = machines[0].schedule();
        again.wait_until_said("(by the timetable)", 1);
        again.end();
        assert_eq!((estate.audit().generations.len(), estate.exports()), (1, EXPORTS));
    });
}

#[test]
fn a_machine_that_is_paused_past_its_lease_publishes_nothing_any_more() {
    each_seed(|seed| {
        let estate = Estate::with_interval("1 day");
        estate.prepare_for(Duration::from_secs(4));
        let machines = [estate.machine(), estate.machine(), estate.machine()];
        let first = machines[0].schedule();
        wait_for_moment(&estate, seed);
        first.pause();
        let before = estate.published();
        let second = machines[1].schedule();
        if before.1.is_none() {
            estate.wait_for_generations(1, TAKEOVER);
        }
        second.wait_until_said("(by the timetable)", 1);
        let published = estate.published();
        first.resume();
        let is_same = || estate.published() == published;
        assert_stays(Duration::from_secs(15), "it publishes under a lost lease", is_same);
        let said = first.end();
        if before.1.is_none() {
            assert!(said.contains("another process has taken the lease"), "seed {seed}: {said}");
            assert!(
                said.contains("another run holds the lock"),
                "seed {seed}: exit code 9: {said}"
            );
        }
        second.end();
        let audit = estate.audit();
        assert_eq!(audit.generations.len(), 1, "seed {seed}: {:#?}", audit.ledger);
        assert_eq!(estate.exports(), EXPORTS, "seed {seed}: nothing is paid for twice");
    });
}

#[test]
fn a_machine_that_was_locked_out_runs_the_tenant_after_the_other_one_is_lost() {
    let estate = Estate::with_interval("1 day");
    estate.prepare_for(Duration::from_mins(2));
    let machines = [estate.machine(), estate.machine()];
    let first = machines[0].schedule();
    estate.wait_for_notes();
    let second = machines[1].schedule();
    // It has seen that the first one is at work, and tries again after ten minutes.
    second.wait_until_said("another process holds the lease", 1);
    second.wait_until_said("or another run holds the lock", 1);
    first.lose();
    estate.wait_for_generations(1, Duration::from_mins(10) + TAKEOVER);
    second.end();
    let audit = estate.audit();
    assert_eq!(audit.generations.len(), 1, "{:#?}", audit.ledger);
    assert_eq!(estate.exports(), EXPORTS, "nothing is paid for twice");
}
