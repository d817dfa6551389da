//! The same estate twice gives the same files.

use core_simulator::TenantSpec;

use crate::kit::Scene;

#[test]
fn the_same_estate_twice_gives_the_same_tables_byte_for_byte() {
    let tenant = TenantSpec { dangling_rows: 5, duplicate_rows: 9, ..TenantSpec::default() };
    let scene = Scene::of(tenant);
    scene.run_completely();
    let (first_id, first) = (scene.published().id().clone(), scene.tables());
    scene.run_completely();
    assert_ne!(scene.published().id(), &first_id);
    assert_eq!(first.len(), 10);
    assert!(first == scene.tables(), "some table is not the same");
}

#[test]
fn the_order_in_which_exports_arrive_changes_no_table() {
    use core_simulator::SavedQuery::{Alerts, Devices, Packages, Users};
    use std::time::Duration;

    let scene = Scene::of(TenantSpec::default());
    let mut seen = None;
    for order in [[Devices, Users, Packages, Alerts], [Alerts, Packages, Users, Devices]] {
        let waits = order.into_iter().zip([0, 150, 300, 450].map(Duration::from_millis));
        scene.update(|behaviour| behaviour.preparations = waits.collect());
        scene.run_completely();
        let tables = scene.tables();
        assert!(
            *seen.get_or_insert_with(|| tables.clone()) == tables,
            "some table is not the same"
        );
    }
}

#[test]
fn a_partial_run_that_carries_everything_over_changes_no_table() {
    let scene = Scene::of(TenantSpec::default());
    scene.run_completely();
    let before = scene.tables();
    scene.update(|behaviour| behaviour.row_cap = Some(30));
    assert_eq!(scene.run(&[]).ended.exit, Some(7));
    assert!(before == scene.tables(), "some table is not the same");
}
