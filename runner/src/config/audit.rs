//! How the audit trail is read and how long its events are kept.

use std::path::Path;

use core_audit::{HOUR_MS, WindowSettings};
use core_nexthink::{AuditHost, Region, TenantId, Trail};
use jiff::tz::TimeZone;

use super::flat::Settings;
use super::secret::{self, SecretReference};

const PATH: &str = "audit";

/// What stands for all connected Engines in the list of Engines.
const ALL_ENGINES: &str = "*";

/// How long Nexthink keeps audit logs, and so do we by default (Nexthink, data retention).
const RETENTION_DAYS: u64 = 180;

/// The audit trail as a source.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) host: AuditHost,
    /// Whether an API client with a token reads it, and no local account.
    pub(crate) is_oauth: bool,
    pub(crate) account: String,
    pub(crate) password: SecretReference,
    pub(crate) trails: Vec<Trail>,
    /// The zone of `before_date`, and of times in lines that name none.
    pub(crate) time_zone: TimeZone,
    pub(crate) windows: WindowSettings,
    pub(crate) retention_days: u64,
}

/// Reads the audit trail's settings, if their table is there.
pub(super) fn read(
    settings: &mut Settings,
    folder: &Path,
    tenant: Option<&TenantId>,
    region: Option<&Region>,
    zone: Option<&TimeZone>,
    hides_people: bool,
) -> Option<Audit> {
    if !settings.has_table(PATH) {
        return None;
    }
    let path = |name: &str| format!("{PATH}.{name}");
    let clear_names = settings.flag(&path("clear_names")).unwrap_or(false);
    if hides_people && !clear_names {
        let message = "keeps the lines as they are, with the names in them, which the privacy profile \
                       hides elsewhere: set `audit.clear_names = true` if that is right";
        settings.problem(PATH, message);
    }
    let auth = settings.text(&path("auth")).unwrap_or_else(|| "basic".to_owned());
    if !["basic", "oauth"].contains(&auth.as_str()) {
        settings.problem(&path("auth"), "must be basic or oauth");
    }
    let is_oauth = auth == "oauth";
    let account = settings.required_text(&path("account"));
    let password = secret::read(settings, folder, &path("password"));
    let any_host = settings.flag(&path("any_host")).unwrap_or(false);
    let host = match (settings.text(&path("host")), tenant, region) {
        (Some(host), _, _) => Some(AuditHost::named(&host, any_host)),
        (None, _, Some(region)) if is_oauth => Some(AuditHost::of_region(region)),
        (None, Some(tenant), Some(region)) => Some(AuditHost::of_instance(tenant, region)),
        // What is missing was said elsewhere.
        _ => None,
    };
    let host = host.and_then(|host| settings.checked(&path("host"), host));
    let trails = read_trails(settings);
    let own_zone = settings.text(&path("time_zone"));
    let own_zone = own_zone.map(|name| settings.checked(&path("time_zone"), TimeZone::get(&name)));
    let time_zone = own_zone.unwrap_or_else(|| zone.cloned());
    let since_days = settings.integer(&path("since_days"), 1..=RETENTION_DAYS);
    let retention_days = settings.integer(&path("retention_days"), 1..=3_650);
    let overlap_hours = settings.integer(&path("overlap_hours"), 1..=11);
    let mut windows = WindowSettings::default();
    let hours = |number: u64| i64::try_from(number).unwrap_or(i64::MAX / HOUR_MS) * HOUR_MS;
    windows.overlap_ms = overlap_hours.map_or(windows.overlap_ms, hours);
    let retention_days = retention_days.unwrap_or(RETENTION_DAYS);
    // What would be removed at once is not asked for.
    let since_days = since_days.unwrap_or(RETENTION_DAYS).min(retention_days);
    windows.since_ms = hours(24 * since_days);
    Some(Audit {
        host: host?,
        is_oauth,
        account: account?,
        password: password?,
        trails,
        time_zone: time_zone?,
        windows,
        retention_days,
    })
}

fn read_trails(settings: &mut Settings) -> Vec<Trail> {
    let path = "audit.engines";
    let mut trails = Vec::new();
    if settings.flag("audit.portal").unwrap_or(true) {
        trails.push(Trail::Portal);
    }
    let engines = settings.texts(path).unwrap_or_default();
    if engines.iter().any(|name| name == ALL_ENGINES) && engines.len() > 1 {
        settings.problem(path, "has * for all Engines, which no other name goes with");
    }
    for name in engines {
        if name == ALL_ENGINES {
            trails.push(Trail::Engines);
        } else if let Some(name) = settings.checked(path, name.parse()) {
            trails.push(Trail::Engine(name));
        }
    }
    if trails.is_empty() {
        settings
            .problem("audit.portal", "is false and there are no Engines: nothing is left to read");
    }
    trails
}
