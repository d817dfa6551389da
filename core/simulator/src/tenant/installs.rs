//! The packages of each device: the rows of the packages export, grouped by device.

use super::Tenant;
use super::catalogue::Title;
use super::devices::Platform;
use super::dice::{self, Dice, Kind, uid};
use crate::row::Row;

/// One package on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Install {
    pub(crate) device: u64,
    pub(crate) title: usize,
}

impl Tenant {
    /// The number of slots. Two neighbouring devices have twice the mean together, one as many
    /// fewer as the other has more, so the slot of a device's first row follows from its number
    /// alone.
    pub(crate) fn install_slots(&self) -> u64 {
        let mean = u64::from(self.spec.packages_per_device);
        let devices = u64::from(self.spec.devices);
        let pairs = devices / 2;
        let last = if devices % 2 == 1 { mean - self.spread(pairs) } else { 0 };
        pairs * 2 * mean + last
    }

    /// The package at `slot`, unless it is retired.
    pub(crate) fn install(&self, slot: u64) -> Option<Install> {
        let (device, position, count) = self.place(slot);
        let titles = match self.platform(device) {
            Platform::Mac => &self.catalogue.mac,
            Platform::Linux => &self.catalogue.linux,
            Platform::Windows | Platform::Unknown => &self.catalogue.windows,
        };
        let random = Dice::new(self.spec.seed, Kind::Install, device << 32 | position).number();
        let title = titles.title(position, count, random);
        let is_retired = (title as u64) < u64::from(self.spec.retired_packages);
        (!is_retired).then_some(Install { device, title })
    }

    /// The first slot after those of the device at `slot`.
    pub(crate) fn end_of_device(&self, slot: u64) -> u64 {
        let (_, position, count) = self.place(slot);
        slot - position + count
    }

    /// The device at `slot`, the position of the slot among those of the device, and their number.
    fn place(&self, slot: u64) -> (u64, u64, u64) {
        let mean = u64::from(self.spec.packages_per_device);
        let pair = slot / (2 * mean);
        let position = slot % (2 * mean);
        let spread = self.spread(pair);
        let first_count = mean - spread;
        if position < first_count {
            (2 * pair, position, first_count)
        } else {
            (2 * pair + 1, position - first_count, mean + spread)
        }
    }

    /// The title of dangling row `index`: one of the least popular.
    pub(crate) fn dangling_title(&self, index: u64) -> usize {
        let titles = self.catalogue.titles.len();
        titles - 1 - dice::position(index, titles)
    }

    pub(crate) fn install_row(&self, slot: u64, row: &mut Row) -> bool {
        let Some(install) = self.install(slot) else {
            return false;
        };
        row.uid(uid(self.spec.seed, Kind::DeviceUid, install.device));
        push_title(&self.catalogue.titles[install.title], row);
        true
    }

    pub(crate) fn dangling_install_row(&self, index: u64, row: &mut Row) {
        row.uid(uid(self.spec.seed, Kind::UnknownDeviceUid, index));
        push_title(&self.catalogue.titles[self.dangling_title(index)], row);
    }

    /// The difference of the devices of a pair from the mean.
    fn spread(&self, pair: u64) -> u64 {
        let half = u64::from(self.spec.packages_per_device) / 2;
        Dice::new(self.spec.seed, Kind::InstallCount, pair).below(half + 1)
    }
}

fn push_title(title: &Title, row: &mut Row) {
    row.uid(title.uid);
    row.text(&title.name);
    row.text(&title.version);
    row.text(title.publisher);
    row.text(title.kind);
    row.text(title.platform);
}
