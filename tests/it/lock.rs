//! One run at a time, and runs that are stopped.

use std::time::Duration;

use core_simulator::TenantSpec;
use serde_json::Value;

use crate::kit::{Running, Scene, until};

/// The time that a run may take to stop once it is asked to.
const STOPPING: Duration = Duration::from_secs(10);

/// Starts a run whose exports do not come to an end, and waits until they have begun.
fn endless_run(scene: &Scene) -> Running {
    let before = n_exports(scene);
    scene.update(|behaviour| behaviour.preparation = Duration::from_hours(1));
    let running = scene.start(&["run"]);
    let begun = until(STOPPING, || (n_exports(scene) == before + 4).then_some(()));
    assert!(begun.is_some(), "the run does not begin");
    running
}

fn n_exports(scene: &Scene) -> u64 {
    scene.requests().exports.values().sum()
}

#[cfg(unix)]
#[test]
fn j8_a_second_run_is_refused_and_told_whose_the_first_is() {
    let scene = Scene::of(TenantSpec::default());
    let first = endless_run(&scene);
    let second = scene.program(&["run", "--quiet"]);
    assert_eq!((second.exit, second.stdout.as_str()), (Some(9), ""));
    let owner = format!("process {}, since 2", first.id());
    assert!(second.stderr.contains(&owner), "{owner}: {}", second.stderr);
    assert_eq!(n_exports(&scene), 4, "the second run asked for nothing");

    // Reading needs no lock.
    assert_eq!(scene.program(&["history"]).exit, Some(0));
    first.signal("INT");
    assert_eq!(first.wait_for(STOPPING).exit, Some(130));
}

#[cfg(unix)]
#[test]
fn j14_a_run_that_is_stopped_publishes_nothing_and_the_next_one_does() {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    let (published, tables) = (scene.published().id().clone(), scene.tables());
    for (signal, exit) in [("INT", 130), ("TERM", 143)] {
        let running = endless_run(&scene);
        running.signal(signal);
        let ended = running.wait_for(STOPPING);
        assert_eq!((ended.exit, ended.stdout.as_str()), (Some(exit), ""), "{signal}");
        let message = "error: stopped by a signal; nothing was published\n";
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
        assert_eq!(scene.published().id(), &published);
        assert!(scene.tables() == tables, "{signal}");
        let ledger = scene.program(&["privacy", "ledger", "list", "--output", "json"]);
        let entries: Vec<Value> = serde_json::from_str(&ledger.stdout).expect("it is JSON");
        assert_eq!(entries.last().map(|entry| &entry["facts"]["exitCode"]), Some(&exit.into()));
        forget_exports(&scene);
    }
    scene.update(|behaviour| behaviour.preparation = Duration::ZERO);
    scene.run_completely();
    assert_ne!(scene.published().id(), &published);
    assert!(scene.leftovers().is_empty(), "{:?}", scene.leftovers());
}

/// Removes what the next run would go on with, as time does.
fn forget_exports(scene: &Scene) {
    let downloads = scene.path("store").join(crate::kit::TENANT).join("staging/downloads");
    std::fs::remove_dir_all(downloads).expect("a run makes it");
}

#[cfg(unix)]
#[test]
fn j14_a_signal_ends_the_wait_for_a_host_that_does_not_answer() {
    let scene = Scene::of(TenantSpec::default());
    scene.configure(|configuration| {
        let configuration = configuration.without("nexthink.retry");
        configuration.text("nexthink.endpoints.login", "http://127.0.0.1:9")
    });
    let running = scene.start(&["run"]);
    let lock = scene.path("store").join(crate::kit::TENANT).join("lock");
    let is_locked = || lock.metadata().is_ok_and(|metadata| metadata.len() > 0).then_some(());
    assert!(until(STOPPING, is_locked).is_some(), "the run does not begin");
    running.signal("TERM");
    let ended = running.wait_for(STOPPING);
    assert_eq!(ended.exit, Some(143), "{}", ended.stderr);
}
