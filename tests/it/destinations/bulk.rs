//! The delivery of a large estate to a JupiterOne that is far away: as few requests as its bytes need, and
//! memory that does not grow with them.
//!
//! The usual size is for every day. For the whole one:
//! `NEXTHINK_GRAPH_BULK=1 cargo test -p tests -- k14_a_large; cat target/tmp/bulk.txt`

use std::fs;
use std::time::Duration;

use core_simulator::{JobCall, JobRequest, TenantSpec};

use super::Delivery;
use crate::kit::{Ended, until};

/// The bytes of JSON that an upload is filled with.
const UPLOAD: usize = 5_000_000;

const PATIENCE: Duration = Duration::from_mins(10);

/// Where the figures are afterwards.
const FIGURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/bulk.txt");

/// True if the tests are built for the whole size: 50,000 devices and 500,000 relationships.
const IS_WHOLE: bool = option_env!("NEXTHINK_GRAPH_BULK").is_some();

/// The most memory that a process has had so far, in bytes; nothing once it has ended.
fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Delivers; the most memory it took, and how it ended.
fn deliver(delivery: &Delivery) -> (u64, Ended) {
    let mut running = delivery.scene.start(&["sync", "jupiterone"]);
    let mut peak = 0;
    let ended = until(PATIENCE, || {
        peak = peak.max(peak_of(running.id()).unwrap_or(0));
        running.has_ended().then_some(())
    });
    assert!(ended.is_some(), "the delivery does not come to an end");
    (peak, running.wait())
}

#[cfg(target_os = "linux")]
#[test]
fn k14_a_large_estate_takes_as_few_uploads_as_it_can_and_little_memory() {
    let small = Delivery::new();
    small.configure("false");
    small.scene.run_completely();
    let (baseline, ended) = deliver(&small);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);

    let estate = TenantSpec {
        devices: if IS_WHOLE { 50_000 } else { 10_000 },
        users: 1_000,
        packages_per_device: 9,
        alerts: 1_000,
        ..TenantSpec::default()
    };
    let large = Delivery::of(estate);
    large.configure("false");
    large.jupiterone.update(|behaviour| {
        behaviour.only_counts = true;
        behaviour.latency = Duration::from_millis(150);
    });
    let run = large.scene.run_for(&[], PATIENCE);
    assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
    let (peak, ended) = deliver(&large);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);

    let requests = large.jupiterone.requests();
    let sizes_of = |call: JobCall| {
        let uploads = requests.iter().filter(|request: &&JobRequest| request.call == call);
        let mut sizes: Vec<usize> = uploads.map(|upload| upload.json_bytes).collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        sizes
    };
    let sizes = [JobCall::Entities, JobCall::Relationships].map(sizes_of);
    let growth = peak.saturating_sub(baseline);
    let (n_uploads, bytes): (usize, usize) =
        sizes.iter().flatten().fold((0, 0), |(n, sum), size| (n + 1, sum + size));
    let figures = format!(
        "{n_uploads} uploads of {bytes} bytes of JSON, by kind {sizes:?}; peak {peak} bytes, {growth} more than \
         for {} devices",
        small.scene.counts().devices
    );
    fs::write(FIGURES, &figures).expect("the folder is there");
    for sizes in &sizes {
        // Only the last one has what is left, so of many uploads there are no more than 5 % too many.
        let full = &sizes[..sizes.len() - 1];
        assert!(
            !full.is_empty() && full.iter().all(|bytes| bytes * 100 >= UPLOAD * 95),
            "{figures}"
        );
        assert!(full.iter().all(|bytes| *bytes <= UPLOAD), "{figures}");
    }
    assert!(growth < 64 << 20, "{figures}");
    let is_relationship = |name: &str| name.contains("_has_") || name.contains("_installed_");
    let objects = run.objects();
    let relationships = objects.iter().filter(|(name, _)| is_relationship(name));
    let relationships: u64 = relationships.map(|(_, objects)| objects).sum();
    assert!(relationships > if IS_WHOLE { 500_000 } else { 100_000 }, "{relationships}");
}
