//! A disk that is too full for a run is told before an export is paid for.

use core_simulator::TenantSpec;

use crate::kit::{Scene, start};

#[test]
fn n7_a_disk_without_room_for_what_the_last_run_took_is_told_before_any_export() {
    let scene = Scene::of(TenantSpec { devices: 20, users: 10, ..TenantSpec::default() });
    let little = [("FILE_FREE_BYTES", "1000")];
    scene.run_completely();
    let exports = scene.requests().exports.values().sum::<u64>();
    let second = scene.run_under(&[], &little);
    assert_eq!(second.ended.exit, Some(1), "{}", second.ended.stderr);
    assert!(second.ended.stderr.contains("1.0 KB are free"), "{}", second.ended.stderr);
    assert!(second.ended.stderr.contains("are missing"), "{}", second.ended.stderr);
    assert_eq!(scene.requests().exports.values().sum::<u64>(), exports, "an export was paid for");

    let check = start(scene.folder(), &["check"], &little).wait();
    assert_eq!(check.exit, Some(1), "{}", check.stderr);
    assert!(check.stdout.contains("are missing"), "{}", check.stdout);
    let check = scene.program(&["check"]);
    assert!(check.stdout.contains("the last run took"), "{}", check.stdout);
}
