//! Only steps that need the slowest export wait for it.

use std::collections::BTreeMap;
use std::time::Duration;

use core_simulator::{Answer, Fault, FaultAction, FaultPoint, SavedQuery, TenantSpec};

use crate::kit::{Scene, until};

#[test]
fn small_exports_are_applied_while_a_large_one_still_runs() {
    let spec = TenantSpec { devices: 40, users: 20, alerts: 5, ..TenantSpec::default() };
    let scene = Scene::of(spec);
    let body = r#"{"status":"IN_PROGRESS"}"#.into();
    let running = FaultAction::Answer(Answer { status: 200, headers: BTreeMap::new(), body });
    let is_large = Fault {
        query: Some(SavedQuery::Packages.id().to_owned()),
        ..Fault::new(FaultPoint::Status, running)
    };
    scene.update(|behaviour| behaviour.faults = vec![is_large]);
    let running = scene.start(&["run"]);
    for applied in ["fetch-devices: complete", "fetch-users: complete", "fetch-alerts: complete"] {
        let told = until(Duration::from_mins(1), || running.has_said(applied).then_some(()));
        assert!(told.is_some(), "{applied}");
    }
    assert_eq!(scene.requests().exports.get(&SavedQuery::Packages), Some(&1), "it runs meanwhile");
    assert!(!running.has_said("fetch-packages: complete"));

    scene.update(|behaviour| behaviour.faults.clear());
    let ended = running.wait();
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("fetch-packages: complete"), "{}", ended.stderr);
}
