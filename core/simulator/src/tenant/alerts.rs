//! The rows of the alerts export, and the monitors that raised them.

use super::dice::{Dice, Kind, uid};
use super::{DAY, Tenant};
use crate::row::Row;

struct Monitor {
    name: &'static str,
    nql_id: &'static str,
    priority: &'static str,
    kind: &'static str,
    origin: &'static str,
}

const fn monitor(
    name: &'static str,
    nql_id: &'static str,
    priority: &'static str,
    kind: &'static str,
    origin: &'static str,
) -> Monitor {
    Monitor { name, nql_id, priority, kind, origin }
}

const MONITORS: &[Monitor] = &[
    monitor(
        "Devices with high CPU usage",
        "high_cpu_usage",
        "medium",
        "metric",
        "nexthink_library",
    ),
    monitor("System crashes", "system_crashes", "high", "event", "nexthink_library"),
    monitor("Disk almost full", "disk_almost_full", "low", "metric", "nexthink_library"),
    monitor("Slow boot, last 7 days", "slow_boot_7d", "medium", "metric", "nexthink_library"),
    monitor(
        "\"Contoso VPN\" disconnects",
        "contoso_vpn_disconnects",
        "critical",
        "event",
        "custom",
    ),
    monitor("Anmeldung dauert länger als üblich", "slow_logon", "high", "metric", "custom"),
    monitor("Collector not reporting", "collector_not_reporting", "low", "event", "system"),
    monitor("Teams call quality", "teams_call_quality", "high", "metric", "nexthink_library"),
    monitor("ビルド 22H2 の残り", "os_22h2_left", "low", "metric", "custom"),
    monitor("Unsigned monitor", "unsigned_monitor", "medium", "", ""),
];

/// The subject of an alert. An alert of an aggregate monitor has neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) device: Option<u64>,
    pub(crate) user: Option<u64>,
}

impl Tenant {
    pub(crate) fn alert_subject(&self, alert: u64) -> Subject {
        let mut dice = Dice::new(self.spec.seed, Kind::Alert, alert);
        let (about_device, about_user) = match dice.below(20) {
            0..9 => (true, false),
            9..12 => (false, true),
            12..16 => (true, true),
            _ => (false, false),
        };
        let (devices, users) = (u64::from(self.spec.devices), u64::from(self.spec.users));
        let (device, user) = (dice.number(), dice.number());
        Subject {
            device: (about_device && devices > 0).then(|| device % devices),
            user: (about_user && users > 0).then(|| user % users),
        }
    }

    pub(crate) fn alert_row(&self, alert: u64, is_dangling: bool, row: &mut Row) {
        let seed = self.spec.seed;
        // The first three numbers of these dice belong to the subject.
        let mut dice = Dice::new(seed, Kind::Alert, alert);
        (0..3).for_each(|_| _ = dice.number());
        let triggered = self.spec.now - DAY - dice.below(29 * DAY);
        let duration = 60 + dice.below(DAY - 60);
        let is_open = dice.once_in(3);

        row.uid(uid(seed, Kind::AlertUid, alert));
        row.text(if is_open { "open" } else { "closed" });
        row.time(triggered);
        if is_open {
            row.null();
        } else {
            row.time(triggered + duration);
        }
        match dice.below(4) {
            0 => row.format(format_args!("{}.{}", dice.below(100), dice.below(10))),
            1 => row.null(),
            _ => row.format(format_args!("{}", dice.below(500))),
        }
        if is_open {
            row.null();
        } else {
            row.format(format_args!("{duration}"));
        }
        let monitor = &MONITORS[dice.index(MONITORS.len())];
        row.text(monitor.name);
        row.text(monitor.nql_id);
        row.text(monitor.priority);
        row.text(monitor.kind);
        row.text(monitor.origin);
        if is_dangling {
            row.uid(uid(seed, Kind::UnknownDeviceUid, alert));
            row.null();
            return;
        }
        let subject = self.alert_subject(alert);
        match subject.device {
            Some(device) => row.uid(uid(seed, Kind::DeviceUid, device)),
            None => row.null(),
        }
        match subject.user {
            Some(user) => row.uid(uid(seed, Kind::UserUid, user)),
            None => row.null(),
        }
    }
}
