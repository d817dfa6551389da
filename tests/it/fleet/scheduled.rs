//! `schedule` over a folder of tenants.

use std::fs;
use std::time::Duration;

use super::FleetScene;
use crate::kit::{Running, until};

const PATIENCE: Duration = Duration::from_secs(30);

fn wait_for(running: &Running, text: &str) {
    let said = until(PATIENCE, || running.has_said(text).then_some(()));
    assert!(said.is_some(), "it never said {text:?}:\n{}", running.said());
}

#[test]
fn a_broken_removed_or_added_file_concerns_its_tenant_alone() {
    let fleet = FleetScene::of(&["acme", "globex", "initech"]);
    let late = fs::read(fleet.path(&FleetScene::file("initech"))).expect("it was written");
    fs::remove_file(fleet.path(&FleetScene::file("initech"))).expect("it is ours");
    let running = fleet.start(&["schedule"]);
    wait_for(&running, "acme: the run has ended: complete");
    wait_for(&running, "globex: the run has ended: complete");

    fleet.write(&FleetScene::file("acme"), "[nexthink");
    fs::write(fleet.path(&FleetScene::file("initech")), late).expect("it can be written");
    running.signal("HUP");
    wait_for(&running, "acme: the configuration of tenant acme is not valid");
    wait_for(&running, "this tenant is not run until the file is fixed");
    wait_for(&running, "initech: the run has ended: complete");

    fs::remove_file(fleet.path(&FleetScene::file("globex"))).expect("it is ours");
    fleet.write_tenant("acme");
    let before = running.said().len();
    running.signal("HUP");
    wait_for(&running, "globex: its configuration is gone, so no further run is started");
    let mended =
        until(PATIENCE, || running.said()[before..].contains("acme: next run at ").then_some(()));
    assert!(mended.is_some(), "{}", running.said());

    // A mistake in the fleet's own file leaves all tenants as they are.
    fleet.write("nexthink-graph.toml", "[fleet]\n");
    running.signal("HUP");
    wait_for(&running, "`fleet.tenants` is missing\nthe tenants stay as they were");
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.exit, Some(143), "{}", ended.stderr);
    for (name, scene) in &fleet.tenants {
        assert_eq!(scene.requests().tokens, 1, "{name} ran once: {}", ended.stderr);
    }
}

#[test]
fn a_stop_reaches_every_run_that_is_going_on() {
    let fleet = FleetScene::of(&["acme", "globex", "initech"]);
    for (_, scene) in &fleet.tenants {
        scene.update(|behaviour| behaviour.preparation = Duration::from_mins(5));
    }
    let running = fleet.start(&["schedule"]);
    let started = || {
        let asked = fleet.tenants.iter().filter(|(_, scene)| !scene.requests().exports.is_empty());
        (asked.count() == 2).then_some(())
    };
    assert!(until(PATIENCE, started).is_some(), "{}", running.said());
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.exit, Some(130), "{}", ended.stderr);
    let stopped = ended.stderr.matches("nothing was published").count();
    assert_eq!(stopped, 2, "two run at once, and both end by themselves: {}", ended.stderr);
    assert_eq!(fleet.scene("initech").requests().tokens, 0, "the third waits for a place");
}
