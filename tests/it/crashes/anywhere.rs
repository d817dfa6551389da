//! The program killed from outside, wherever it happens to be: at a random moment, and at a system call.
//!
//! The gate kills at some moments. `cargo xtask torture kills` and `cargo xtask torture system-calls` do so hundreds of
//! times; the latter needs `strace`, which not every machine has.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::{Torture, number};
use crate::kit::start_command;

/// The number of moments that the gate tries.
const KILLS: u64 = 4;
/// The number of kills that one tenant sees: each adds generations, and all of them are verified after each kill.
const KILLS_OF_A_TENANT: u64 = 20;

/// The system calls by which a process leaves something behind.
const SYSTEM_CALLS: [&str; 12] = [
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "ftruncate",
    "sendto",
];

/// Gives a tenant more rows, so that a run takes longer to write them.
pub(super) fn add_rows(torture: &Torture) {
    torture.scene().update(|behaviour| {
        (behaviour.tenant.devices, behaviour.tenant.packages_per_device) = (150, 20);
    });
    let accept = ["run", "--accept-shrink", "nexthink_package"];
    let accept = [&accept[..], &["--accept-shrink", "nexthink_device_installed_package"]].concat();
    torture.place.done(&accept);
}

/// A tenant with more rows.
fn torture(_: u64) -> ((), Torture) {
    let torture = Torture::new();
    add_rows(&torture);
    ((), torture)
}

/// Kills runs with these seeds, and has the next run repair what is left. `make` makes the tenant for the seeds of a group
/// of [`KILLS_OF_A_TENANT`], by its number, with what it stands on, which is dropped before it. The groups are the same
/// wherever the seeds begin, so that a seed alone replays what it did.
pub(super) fn kill<D>(
    seeds: std::ops::Range<u64>,
    make: impl Fn(u64) -> (D, Torture),
    at: impl Fn(&D, &Torture, u64, Duration) -> String,
) {
    let mut seeds = seeds.peekable();
    while let Some(&first) = seeds.peek() {
        let group = first / KILLS_OF_A_TENANT;
        let place = make(group);
        let (base, torture) = &place;
        let started = Instant::now();
        torture.place.done(&["run"]);
        let takes = started.elapsed();
        while let Some(seed) = seeds.next_if(|seed| seed / KILLS_OF_A_TENANT == group) {
            torture.change_estate();
            let before = torture.generations();
            let case = at(base, torture, seed, takes);
            torture.assert_repaired(&case, &before);
        }
    }
}

/// The seeds that `cargo xtask torture` asks for, or the first ones.
pub(super) fn seeds(count: &str, usual: u64) -> std::ops::Range<u64> {
    let first = number("TORTURE_SEED").unwrap_or(0);
    first..first + number(count).unwrap_or(usual)
}

#[cfg(unix)]
#[test]
fn n1_a_run_that_is_killed_at_any_moment_is_repaired_by_the_next() {
    kill(seeds("TORTURE_KILLS", KILLS), torture, |(), torture, seed, takes| {
        let moment = takes.mul_f64(Rng::with_seed(seed).f64() * 1.1);
        let running = torture.scene().start(&["run"]);
        thread::sleep(moment);
        running.kill();
        let ended = running.wait();
        format!("seed {seed}: killed after {moment:?} of {takes:?}, exit {:?}", ended.exit)
    });
}

#[cfg(target_os = "linux")]
#[test]
fn n1_a_run_that_is_killed_at_a_system_call_is_repaired_by_the_next() {
    // Without the number nothing is tried, since the gate runs where there is no `strace` too.
    kill(seeds("TORTURE_SYSTEM_CALLS", 0), torture, |(), torture, seed, _| {
        let mut random = Rng::with_seed(seed);
        let call = SYSTEM_CALLS[random.usize(..SYSTEM_CALLS.len())];
        // Each thread counts for itself, so that few calls of one are many of all.
        let place = random.u32(1..=if call == "write" || call == "openat" { 120 } else { 25 });
        let inject = format!("inject={call}:signal=KILL:when={place}");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"]);
        command.arg("-e").arg(format!("trace={call}")).arg("-e").arg(&inject);
        command.arg(env!("CARGO_BIN_EXE_program")).arg("run");
        command.current_dir(torture.scene().folder()).env_clear();
        let ended = start_command(command).wait();
        format!("seed {seed}: {inject}, exit {:?}", ended.exit)
    });
}
