//! The content of the exports, computed the slow and obvious way.

use std::collections::{BTreeMap, HashMap, HashSet};

use core_simulator::{SavedQuery, TenantSpec};
use csv::StringRecord;

use crate::support::{Tester, parse};

/// The rows of each export.
async fn exports(tester: &Tester) -> BTreeMap<SavedQuery, Vec<StringRecord>> {
    let mut exports = BTreeMap::new();
    for query in SavedQuery::ALL {
        let (header, rows) = parse(&tester.download(query, "NONE").await);
        assert_eq!(header, StringRecord::from(query.columns()));
        exports.insert(query, rows);
    }
    exports
}

fn distinct<'a>(
    rows: impl IntoIterator<Item = &'a StringRecord>,
    column: usize,
) -> HashSet<&'a str> {
    rows.into_iter().map(|row| &row[column]).filter(|cell| !cell.is_empty()).collect()
}

async fn assert_counts_are_right(spec: TenantSpec) {
    let tester = Tester::with_tenant(spec).await;
    let exports = exports(&tester).await;
    let counts = tester.simulator.counts();

    let rows = exports.iter().map(|(query, rows)| (*query, rows.len() as u64)).collect();
    assert_eq!(counts.rows, rows);
    let devices = distinct(&exports[&SavedQuery::Devices], 0);
    let users = distinct(&exports[&SavedQuery::Users], 0);
    assert_eq!(counts.devices, devices.len() as u64);
    assert_eq!(counts.users, users.len() as u64);

    let packages = &exports[&SavedQuery::Packages];
    assert_eq!(counts.packages, distinct(packages, 1).len() as u64);
    let pairs: HashSet<_> = packages.iter().map(|row| (&row[0], &row[1])).collect();
    let (known, dangling): (Vec<_>, Vec<_>) =
        pairs.into_iter().partition(|(device, _)| devices.contains(device));
    assert_eq!(counts.installations, known.len() as u64);
    assert_eq!(counts.dangling_installations, dangling.len() as u64);

    let alerts: HashMap<&str, &StringRecord> =
        exports[&SavedQuery::Alerts].iter().map(|row| (&row[0], row)).collect();
    let count = |is_wanted: &dyn Fn(&StringRecord) -> bool| {
        alerts.values().filter(|alert| is_wanted(alert)).count() as u64
    };
    assert_eq!(counts.alerts, alerts.len() as u64);
    assert_eq!(counts.alerts_with_device, count(&|alert| devices.contains(&alert[11])));
    assert_eq!(counts.alerts_with_user, count(&|alert| users.contains(&alert[12])));
    let is_dangling = |alert: &StringRecord| !alert[11].is_empty() && !devices.contains(&alert[11]);
    assert_eq!(counts.dangling_alerts, count(&is_dangling));
}

#[tokio::test]
async fn the_counts_equal_those_of_the_exports() {
    let plain = TenantSpec::default();
    for spec in [
        plain.clone(),
        TenantSpec { seed: 7, devices: 121, retired_packages: 25, ..plain.clone() },
        TenantSpec { dangling_rows: 9, duplicate_rows: 30, retired_packages: 3, ..plain.clone() },
        TenantSpec { devices: 3, dangling_rows: 4, duplicate_rows: 5_000, ..plain.clone() },
        TenantSpec { devices: 0, users: 0, ..plain.clone() },
        TenantSpec { packages_per_device: 0, dangling_rows: 2, ..plain },
    ] {
        assert_counts_are_right(spec).await;
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let first = Tester::with_tenant(TenantSpec::default()).await;
    let second = Tester::with_tenant(TenantSpec::default()).await;
    let other = Tester::with_tenant(TenantSpec { seed: 2, ..TenantSpec::default() }).await;
    for query in SavedQuery::ALL {
        for compression in ["NONE", "ZSTD"] {
            let bytes = first.download(query, compression).await;
            assert_eq!(bytes, second.download(query, compression).await);
            assert_ne!(bytes, other.download(query, compression).await);
        }
    }
}

#[tokio::test]
async fn retired_packages_are_removed_from_every_device_and_nothing_else_is() {
    let tester = Tester::with_tenant(TenantSpec::default()).await;
    let before = exports(&tester).await;
    tester.simulator.update(|behaviour| behaviour.tenant.retired_packages = 4);
    let after = exports(&tester).await;

    let installed = distinct(&before[&SavedQuery::Packages], 1);
    let left = distinct(&after[&SavedQuery::Packages], 1);
    assert!(left.is_subset(&installed));
    assert_eq!(installed.len() - left.len(), 4);
    let kept: Vec<_> =
        before[&SavedQuery::Packages].iter().filter(|row| left.contains(&row[1])).collect();
    assert_eq!(kept, after[&SavedQuery::Packages].iter().collect::<Vec<_>>());
    assert_eq!(before[&SavedQuery::Alerts], after[&SavedQuery::Alerts]);
}

#[tokio::test]
async fn rows_are_grouped_by_device_and_a_package_is_equal_on_all_devices() {
    let tester = Tester::with_tenant(TenantSpec::default()).await;
    let packages = exports(&tester).await.remove(&SavedQuery::Packages).expect("it was exported");
    let groups = packages.chunk_by(|left, right| left[0] == right[0]).count();
    assert_eq!(groups, distinct(&packages, 0).len());

    let mut meanings = HashMap::new();
    for row in &packages {
        let meaning: Vec<_> = row.iter().skip(2).collect();
        assert_eq!(meanings.entry(&row[1]).or_insert_with(|| meaning.clone()), &meaning);
    }
    let uids_of_a_meaning: HashSet<_> = meanings.values().collect();
    assert_eq!(uids_of_a_meaning.len(), meanings.len());
}

#[tokio::test]
async fn the_awkward_values_of_a_real_estate_occur() {
    let tester = Tester::with_tenant(TenantSpec { devices: 400, ..TenantSpec::default() }).await;
    let exports = exports(&tester).await;
    let cells = |query, column: usize| exports[&query].iter().map(move |row| &row[column]);

    let names: Vec<&str> =
        cells(SavedQuery::Devices, 1).chain(cells(SavedQuery::Packages, 2)).collect();
    for awkward in [",", "\"", "\n", "é"] {
        assert!(names.iter().any(|name| name.contains(awkward)), "{awkward:?}");
    }
    assert!(names.iter().any(|name| name.starts_with(' ') && name.ends_with(' ')));
    assert!(names.iter().any(|name| name.starts_with('=')));
    for (query, column, value) in [
        (SavedQuery::Devices, 3, ""),
        (SavedQuery::Devices, 9, "To be filled by O.E.M."),
        (SavedQuery::Devices, 10, ""),
        (SavedQuery::Devices, 16, ""),
        (SavedQuery::Users, 2, ""),
        (SavedQuery::Users, 8, ""),
        (SavedQuery::Packages, 4, ""),
        (SavedQuery::Packages, 5, "Update"),
        (SavedQuery::Packages, 6, ""),
        (SavedQuery::Alerts, 3, ""),
    ] {
        assert!(cells(query, column).any(|cell| cell == value), "{query:?} {column} {value:?}");
    }
    let addresses: Vec<_> = cells(SavedQuery::Devices, 16).collect();
    for prefix in ["10.", "::ffff:10.", "fd00:"] {
        assert!(addresses.iter().any(|address| address.starts_with(prefix)), "{prefix}");
    }
    let subjects: HashSet<_> = exports[&SavedQuery::Alerts]
        .iter()
        .map(|row| (row[11].is_empty(), row[12].is_empty()))
        .collect();
    assert_eq!(subjects.len(), 4, "alerts about both, either and neither");
    for alert in &exports[&SavedQuery::Alerts] {
        assert_eq!(alert[1] == *"closed", !alert[3].is_empty(), "closed means recovered");
    }
}
