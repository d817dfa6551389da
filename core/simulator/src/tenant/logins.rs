//! The rows of the logins export: each device that is not idle has one user, and if there are fewer
//! users than devices, some users have several.

use super::Tenant;
use super::dice::{Kind, uid};
use crate::row::Row;

impl Tenant {
    /// The login at a slot; there is one slot for each device that is not idle. Requires at least
    /// one user.
    pub(crate) fn login_row(&self, slot: u64, row: &mut Row) {
        let device = slot + u64::from(self.spec.idle_devices);
        let user = device % u64::from(self.spec.users);
        row.uid(uid(self.spec.seed, Kind::UserUid, user));
        row.uid(uid(self.spec.seed, Kind::DeviceUid, device));
    }
}
