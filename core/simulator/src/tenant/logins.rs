//! The rows of the export of logins: each device that is not idle has one user, and where there are fewer
//! users than devices, some have several.

use super::Tenant;
use super::dice::{Kind, uid};
use crate::row::Row;

impl Tenant {
    /// The login at a place, of which there is one for each device that is not idle. There are users.
    pub(crate) fn login_row(&self, slot: u64, row: &mut Row) {
        let device = slot + u64::from(self.spec.idle_devices);
        let user = device % u64::from(self.spec.users);
        row.uid(uid(self.spec.seed, Kind::UserUid, user));
        row.uid(uid(self.spec.seed, Kind::DeviceUid, device));
    }
}
