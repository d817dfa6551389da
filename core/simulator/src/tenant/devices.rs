//! The rows of the devices export.

use super::dice::{Dice, Kind, uid};
use super::{DAY, Tenant};
use crate::row::Row;

/// The operating system family of a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Windows,
    Mac,
    Linux,
    Unknown,
}

/// Placeholders that manufacturers leave in unfilled firmware fields.
const PLACEHOLDERS: &[&str] = &[
    "To be filled by O.E.M.",
    "Default string",
    "System Serial Number",
    "None",
    "Not Specified",
    "0",
    "................",
];

const ENTITIES: &[&str] =
    &["Lausanne", "Zürich", "Boston, MA", "Paris \"La Défense\"", "東京", "Remote"];

impl Tenant {
    pub(crate) fn platform(&self, device: u64) -> Platform {
        match Dice::new(self.spec.seed, Kind::Device, device).below(100) {
            0..78 => Platform::Windows,
            78..92 => Platform::Mac,
            92..98 => Platform::Linux,
            _ => Platform::Unknown,
        }
    }

    pub(crate) fn device_row(&self, device: u64, row: &mut Row) {
        let seed = self.spec.seed;
        // The first number of these dice belongs to the platform.
        let mut dice = Dice::new(seed, Kind::Device, device);
        dice.number();
        let platform = self.platform(device);

        row.uid(uid(seed, Kind::DeviceUid, device));
        push_name(&mut dice, device, row);
        row.uid(uid(seed, Kind::CollectorUid, device));
        let is_updated = device < u64::from(self.spec.updated_devices);
        push_operating_system(&mut dice, platform, is_updated, row);
        push_hardware(&mut dice, platform, device, row);
        let last_seen = self.last_seen(&mut dice, device);
        row.time(last_seen);
        row.time(last_seen - dice.below(700 * DAY));
        push_or_null(&mut dice, 20, ENTITIES, row);
        if platform == Platform::Windows {
            row.format(format_args!(
                "S-1-5-21-1004336348-1177238915-682003330-{}",
                10_000 + device
            ));
        } else {
            row.null();
        }
        push_address(&mut dice, row);
    }
}

/// Mostly legal host names; a few as a person or a careless image would choose them.
fn push_name(dice: &mut Dice, device: u64, row: &mut Row) {
    match dice.below(64) {
        0 => row.format(format_args!("ws-{device:05}.acme.example")),
        1 => row.format(format_args!("Jane's laptop, old #{device}")),
        2 => row.format(format_args!("PC_RENÉ_{device}")),
        3 => row.format(format_args!("\"KIOSK\" {device}")),
        4 => row.format(format_args!("-lab{device}")),
        5 => row.format(format_args!("会議室-{device}")),
        6 => row.format(format_args!(" KIOSK {device} ")),
        7 => row.format(format_args!("line one {device}\nline two")),
        8 => row.format(format_args!("=HOST({device})")),
        9..36 => row.format(format_args!("LAP-{device:06}")),
        _ => row.format(format_args!("acme-ws-{device}")),
    }
}

fn push_operating_system(dice: &mut Dice, platform: Platform, is_updated: bool, row: &mut Row) {
    let revision = 2_000 + dice.below(4_000);
    match platform {
        Platform::Windows => {
            // The revision of an update is higher than all before it.
            let revision = if is_updated { revision + 4_000 } else { revision };
            row.text("Windows");
            let release = *dice.pick(&[&("24H2", 26_100), &("23H2", 22_631), &("22H2", 19_045)]);
            let generation = if release.1 == 19_045 { 10 } else { 11 };
            row.format(format_args!("Windows {generation} Enterprise {} (64 bits)", release.0));
            if dice.once_in(50) {
                // One public client reports that some builds arrive as a list.
                row.format(format_args!("[10, 0, {}, {revision}]", release.1));
            } else {
                row.format(format_args!("10.0.{}.{revision}", release.1));
            }
        }
        Platform::Mac => {
            let major = 14 + dice.below(3);
            row.text("macOS");
            row.format(format_args!("macOS {major}.{}", dice.below(7)));
            row.format(format_args!(
                "{}{}{}",
                major + 9,
                dice.pick(&["A", "B", "E"]),
                revision / 10
            ));
        }
        Platform::Linux => {
            row.text("Linux");
            row.text(dice.pick(&["Ubuntu 24.04.2 LTS", "Debian GNU/Linux 13 (trixie)"]));
            row.format(format_args!("6.8.0-{}-generic", revision / 50));
        }
        Platform::Unknown => (0..3).for_each(|_| row.null()),
    }
}

fn push_hardware(dice: &mut Dice, platform: Platform, device: u64, row: &mut Row) {
    let kind = match dice.below(20) {
        0..11 => "laptop",
        11..16 => "desktop",
        16..18 => "virtual",
        18 => "server",
        _ => "",
    };
    match (platform, kind) {
        (_, "virtual") => {
            row.text("VMware, Inc.");
            row.text("VMware20,1");
        }
        (Platform::Mac, _) => {
            row.text("Apple Inc.");
            row.text(dice.pick(&["MacBookPro18,3", "Mac14,2", "Mac15,12"]));
        }
        (Platform::Unknown, _) => {
            row.null();
            row.null();
        }
        _ => {
            let model = *dice.pick(&[
                &("Dell Inc.", "Latitude 7450"),
                &("HP", "HP EliteBook 840 14\" G11"),
                &("LENOVO", "ThinkPad X1 Carbon Gen 12"),
                &("System manufacturer", "System Product Name"),
            ]);
            row.text(model.0);
            row.text(model.1);
        }
    }
    push_serial(dice, "C", device, row);
    push_serial(dice, "M", device, row);
    row.text(kind);
    row.text(match kind {
        "server" => "server",
        "virtual" => "vdi",
        _ => "endpoint",
    });
}

fn push_serial(dice: &mut Dice, prefix: &str, device: u64, row: &mut Row) {
    match dice.below(12) {
        0 => row.text(dice.pick(PLACEHOLDERS)),
        1 => row.null(),
        _ => row.format(format_args!("{prefix}{:05X}{device:06}", dice.below(0x10_0000))),
    }
}

fn push_or_null(dice: &mut Dice, nulls_once_in: u64, choices: &[&str], row: &mut Row) {
    if dice.once_in(nulls_once_in) {
        row.null();
    } else {
        row.text(dice.pick(choices));
    }
}

fn push_address(dice: &mut Dice, row: &mut Row) {
    let (second, third, fourth) = (dice.below(256), dice.below(256), 1 + dice.below(254));
    match dice.below(12) {
        0 => row.null(),
        1 => row.format(format_args!("::ffff:10.{second}.{third}.{fourth}")),
        2 => row.format(format_args!("fd00:{second:x}:{third:x}::{fourth:x}")),
        3 => row.format(format_args!("fe80::{third:x}:{fourth:x}")),
        4 => row.format(format_args!("192.168.{third}.{fourth}")),
        _ => row.format(format_args!("10.{second}.{third}.{fourth}")),
    }
}
