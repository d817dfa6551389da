//! The counts that a complete reading of a tenant must arrive at.

use std::collections::BTreeMap;

use super::Tenant;
use crate::exports::SavedQuery;

/// The number of distinct things that a tenant holds, and of rows that its exports have without a row cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantCounts {
    /// Distinct devices of the devices export.
    pub devices: u64,
    /// Distinct users of the users export.
    pub users: u64,
    /// Distinct packages of the packages export, those on unknown devices included.
    pub packages: u64,
    /// Distinct alerts of the alerts export, those about unknown devices included.
    pub alerts: u64,
    /// Distinct pairs of a known device and a package on it.
    pub installations: u64,
    /// Distinct alerts about a known device.
    pub alerts_with_device: u64,
    /// Distinct alerts about a known user.
    pub alerts_with_user: u64,
    /// Distinct rows of the packages export whose device is in no devices export.
    pub dangling_installations: u64,
    /// Distinct alerts whose device is in no devices export.
    pub dangling_alerts: u64,
    /// Rows of each export, the header not counted, repetitions counted.
    pub rows: BTreeMap<SavedQuery, u64>,
}

impl Tenant {
    /// Counts by walking the tenant once; takes time in proportion to its packages and alerts.
    pub fn counts(&self) -> TenantCounts {
        let mut is_installed = vec![false; self.catalogue.titles.len()];
        let mut installations = 0;
        for slot in 0..self.own_slots(SavedQuery::Packages) {
            if let Some(install) = self.install(slot) {
                is_installed[install.title] = true;
                installations += 1;
            }
        }
        let dangling_installations = self.dangling_slots(SavedQuery::Packages);
        for index in 0..dangling_installations {
            is_installed[self.dangling_title(index)] = true;
        }
        let (mut alerts_with_device, mut alerts_with_user) = (0, 0);
        for alert in 0..self.own_slots(SavedQuery::Alerts) {
            let subject = self.alert_subject(alert);
            alerts_with_device += u64::from(subject.device.is_some());
            alerts_with_user += u64::from(subject.user.is_some());
        }
        let dangling_alerts = self.dangling_slots(SavedQuery::Alerts);
        let mut rows: BTreeMap<_, _> =
            SavedQuery::ALL.into_iter().map(|query| (query, self.slots(query))).collect();
        rows.insert(SavedQuery::Packages, self.package_rows(installations));
        TenantCounts {
            devices: self.spec.devices.into(),
            users: self.spec.users.into(),
            packages: is_installed.into_iter().filter(|is_installed| *is_installed).count() as u64,
            alerts: u64::from(self.spec.alerts) + dangling_alerts,
            installations,
            alerts_with_device,
            alerts_with_user,
            dangling_installations,
            dangling_alerts,
            rows,
        }
    }

    fn package_rows(&self, installations: u64) -> u64 {
        let own = self.own_slots(SavedQuery::Packages);
        let once = own + self.dangling_slots(SavedQuery::Packages);
        let repeated = self.slots(SavedQuery::Packages) - once;
        let repeated_rows = (0..repeated)
            .filter(|slot| *slot >= own || self.install(*slot).is_some())
            .count() as u64;
        installations + self.dangling_slots(SavedQuery::Packages) + repeated_rows
    }
}
