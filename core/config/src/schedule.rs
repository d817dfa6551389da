//! The times at which `schedule` starts runs.

use core_fleet::{Missed, TenantSettings, Timetable};
use core_settings::Values;

const INTERVAL: &str = "schedule.interval";
const CRON: &str = "schedule.cron";
const TIME_ZONE: &str = "schedule.time_zone";
const MISSED: &str = "schedule.missed";

/// Reads the timetable: an interval or a cron pattern; disabled without either.
pub(crate) fn read(values: &mut Values) -> TenantSettings {
    let interval = values.text(INTERVAL);
    let cron = values.text(CRON);
    let zone = values.text(TIME_ZONE);
    let missed = if values.choice(MISSED) == "skip" { Missed::Skip } else { Missed::Once };
    if zone.is_some() && cron.is_none() {
        values.problem(TIME_ZONE, "is the zone of `schedule.cron`, which is missing");
    }
    let timetable = match (interval, cron) {
        (Some(_), Some(_)) => {
            values.problem(CRON, "and `schedule.interval` contradict each other: set one of them");
            None
        }
        (Some(interval), None) => values.checked(INTERVAL, Timetable::parse_interval(&interval)),
        (None, Some(cron)) => {
            let zone = zone.as_deref().unwrap_or("UTC");
            values.checked(CRON, Timetable::parse_cron(&cron, zone))
        }
        (None, None) => None,
    };
    TenantSettings { timetable: timetable.unwrap_or(Timetable::Disabled), missed }
}
