//! A tenant of any size whose rows are functions of their position: nothing is stored per row, so
//! ten million rows need no more memory than ten.

mod alerts;
mod catalogue;
mod counts;
mod devices;
mod dice;
mod installs;
mod logins;
mod people;
mod products;
mod users;

pub use counts::TenantCounts;

use serde::Deserialize;

use crate::exports::SavedQuery;
use crate::row::Row;
use catalogue::Catalogue;
use dice::Dice;

/// The content of the tenant. Equal specs give the same bytes.
///
/// A larger estate contains the smaller one: with `devices` raised from 50 to 60, the first 50
/// devices and their packages stay the same. But alerts may then concern other devices, and another
/// `packages_per_device` makes another catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSpec {
    /// Chooses the tenant; another seed gives other uids and other values.
    pub seed: u64,
    /// Devices in the estate.
    pub devices: u32,
    /// Users in the estate.
    pub users: u32,
    /// Distinct packages on a device, on average; a device has between half and one and a half
    /// times as many. It determines the size of the package catalogue.
    pub packages_per_device: u32,
    /// Alerts in the estate.
    pub alerts: u32,
    /// The number of titles that are removed from every device: the first of the catalogue, which
    /// are the most popular ones for Windows.
    pub retired_packages: u32,
    /// The number of devices that have got an update of Windows, if they run it: the first of the
    /// estate.
    pub updated_devices: u32,
    /// The number of devices without any login: the first of the estate.
    pub idle_devices: u32,
    /// The number of further rows of the packages export, and of the alerts export, that name a
    /// device that no devices export has. (Without `packages_per_device` there is no package to
    /// name.)
    pub dangling_rows: u32,
    /// The number of rows that each export repeats at its end, as an export does whose query joins
    /// events.
    pub duplicate_rows: u32,
    /// The time of the estate: everything in it happened before. Seconds since 1970-01-01 UTC.
    pub now: u64,
    /// Of so many devices or users, one has been silent for more than three months; 0 for none.
    pub silent_once_in: u32,
}

impl Default for TenantSpec {
    /// A small office: large enough that most awkward values occur, small enough to read.
    fn default() -> Self {
        Self {
            seed: 1,
            devices: 120,
            users: 150,
            packages_per_device: 20,
            alerts: 80,
            retired_packages: 0,
            updated_devices: 0,
            idle_devices: 0,
            dangling_rows: 0,
            duplicate_rows: 0,
            now: NOW,
            silent_once_in: 0,
        }
    }
}

/// A tenant that generates any of its rows.
#[derive(Debug)]
pub struct Tenant {
    spec: TenantSpec,
    catalogue: Catalogue,
}

impl Tenant {
    /// Makes the tenant of a spec. The cost is that of its package catalogue, a few thousand titles
    /// at most unless `packages_per_device` is larger than that.
    pub fn new(spec: TenantSpec) -> Self {
        let catalogue = Catalogue::new(spec.seed, spec.packages_per_device);
        Self { spec, catalogue }
    }

    /// The spec it was made from.
    pub const fn spec(&self) -> &TenantSpec {
        &self.spec
    }

    /// The number of slots of the export of `query`. Only a slot of the packages export can be
    /// empty: that of a retired package.
    pub fn slots(&self, query: SavedQuery) -> u64 {
        let dangling = self.dangling_slots(query);
        let once = self.own_slots(query) + dangling;
        once + once.min(u64::from(self.spec.duplicate_rows))
    }

    /// Generates the row at `slot` and returns true if there is one. No other row is generated.
    pub fn row(&self, query: SavedQuery, slot: u64, row: &mut Row) -> bool {
        row.clear();
        let own = self.own_slots(query);
        let once = own + self.dangling_slots(query);
        let slot = if slot < once { slot } else { slot - once };
        match query {
            SavedQuery::Devices => self.device_row(slot, row),
            SavedQuery::Users => self.user_row(slot, row),
            SavedQuery::Alerts => self.alert_row(slot, slot >= own, row),
            SavedQuery::Packages if slot >= own => self.dangling_install_row(slot - own, row),
            SavedQuery::Packages => return self.install_row(slot, row),
            SavedQuery::DeviceUsers => self.login_row(slot, row),
            // Its rows depend on the time, and are not part of the estate.
            SavedQuery::AuditLogs => return false,
        }
        true
    }

    /// The slot in the packages export after `slot` at which the rows of another device may begin.
    pub(crate) fn next_device_slot(&self, slot: u64) -> u64 {
        let own = self.own_slots(SavedQuery::Packages);
        let once = own + self.dangling_slots(SavedQuery::Packages);
        let first = if slot < once { 0 } else { once };
        if slot - first >= own {
            return slot + 1;
        }
        first + self.end_of_device(slot - first)
    }

    /// The number of slots for rows of known devices, users, packages and alerts.
    fn own_slots(&self, query: SavedQuery) -> u64 {
        match query {
            SavedQuery::Devices => self.spec.devices.into(),
            SavedQuery::Users => self.spec.users.into(),
            SavedQuery::Packages => self.install_slots(),
            SavedQuery::Alerts => self.spec.alerts.into(),
            SavedQuery::DeviceUsers if self.spec.users == 0 => 0,
            SavedQuery::DeviceUsers => {
                self.spec.devices.saturating_sub(self.spec.idle_devices).into()
            }
            SavedQuery::AuditLogs => 0,
        }
    }

    /// When a device or user was last seen, in seconds since 1970.
    fn last_seen(&self, dice: &mut Dice, number: u64) -> u64 {
        let every = u64::from(self.spec.silent_once_in);
        let is_silent = every > 0 && number % every == every - 1;
        let silence = if is_silent { SILENCE } else { 0 };
        self.spec.now - dice.below(30 * DAY) - silence
    }

    fn dangling_slots(&self, query: SavedQuery) -> u64 {
        match query {
            SavedQuery::Devices
            | SavedQuery::Users
            | SavedQuery::DeviceUsers
            | SavedQuery::AuditLogs => 0,
            SavedQuery::Packages if self.catalogue.titles.is_empty() => 0,
            SavedQuery::Packages | SavedQuery::Alerts => self.spec.dangling_rows.into(),
        }
    }
}

/// 2026-06-01 00:00:00 UTC, in seconds since 1970: a fixed time, so that tests have the same rows every day.
const NOW: u64 = 1_780_272_000;
const DAY: u64 = 86_400;
/// The time by which a silent device or user was last seen before the others. Seconds.
const SILENCE: u64 = 100 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(tenant: &Tenant, query: SavedQuery) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut row = Row::new();
        for slot in 0..tenant.slots(query) {
            if tenant.row(query, slot, &mut row) {
                rows.push(row.clone());
            }
        }
        rows
    }

    #[test]
    fn a_row_does_not_depend_on_earlier_rows() {
        let spec = TenantSpec { dangling_rows: 3, duplicate_rows: 5, ..TenantSpec::default() };
        let streamed = Tenant::new(spec.clone());
        let asked = Tenant::new(spec);
        for query in SavedQuery::ALL {
            let rows = rows(&streamed, query);
            let mut row = Row::new();
            for (slot, expected) in rows.iter().enumerate().rev() {
                assert!(asked.row(query, slot as u64, &mut row));
                assert_eq!(&row, expected, "{query:?} {slot}");
            }
        }
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let tenant = Tenant::new(TenantSpec { dangling_rows: 2, ..TenantSpec::default() });
        for query in SavedQuery::ALL {
            for row in rows(&tenant, query) {
                assert_eq!(row.cells().count(), query.columns().len(), "{query:?}");
            }
        }
    }

    #[test]
    fn a_larger_estate_keeps_the_rows_of_the_smaller_one() {
        let small = Tenant::new(TenantSpec { devices: 51, ..TenantSpec::default() });
        let large = Tenant::new(TenantSpec { devices: 60, ..TenantSpec::default() });
        for query in SavedQuery::ALL {
            if query == SavedQuery::Alerts {
                continue; // an alert may move to one of the new devices
            }
            assert!(rows(&large, query).starts_with(&rows(&small, query)), "{query:?}");
        }
    }

    #[test]
    fn duplicate_rows_repeat_the_first_ones() {
        let tenant = Tenant::new(TenantSpec { duplicate_rows: 4, ..TenantSpec::default() });
        for query in SavedQuery::ALL {
            let rows = rows(&tenant, query);
            assert_eq!(rows[..4], rows[rows.len() - 4..], "{query:?}");
        }
    }

    #[test]
    fn an_empty_estate_has_no_rows() {
        let spec = TenantSpec {
            devices: 0,
            users: 0,
            alerts: 0,
            duplicate_rows: 3,
            ..TenantSpec::default()
        };
        let tenant = Tenant::new(spec);
        assert!(SavedQuery::ALL.into_iter().all(|query| tenant.slots(query) == 0));
    }
}
