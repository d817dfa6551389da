//! The settings of the audit trail.

use std::sync::Arc;

use core_audit::{HOUR_MS, WindowSettings};
use core_engine::settings::{Audit, AuditSource, AuditTable, AuditTrails};
use core_nexthink::{AuditHost, Region, TenantId, Trail};
use core_privacy::profile::{Action, Policy};
use core_settings::Values;
use jiff::tz::TimeZone;

use crate::paths::Paths;
use crate::secret;

const PATH: &str = "audit";

/// The column with the time by which events are kept.
const OBSERVED: &str = "audit.observed";

/// The word for all connected Engines in the list of Engines.
const ALL_ENGINES: &str = "*";

/// The hours of the saved query that do not count as read, since `during past 7d` may begin at a midnight (Nexthink, NQL
/// FAQ).
const TABLE_MARGIN_HOURS: u64 = 24;

/// Reads the audit trail's settings, if their table is there.
pub(crate) fn read(
    values: &mut Values,
    paths: &Paths,
    tenant: Option<&TenantId>,
    region: Option<&Region>,
    zone: Option<&TimeZone>,
    policy: &Policy,
    kept_days: u64,
) -> Option<Audit> {
    if values.take_empty_table(PATH) {
        values.warn("`[audit]` is empty, so the audit trail is not read".to_owned());
    }
    if !values.has_table(PATH) {
        return None;
    }
    let path = |name: &str| format!("{PATH}.{name}");
    let clear_names = values.flag(&path("clear_names"));
    if policy.action(OBSERVED) == Action::Drop {
        let message = "is the time by which events are kept and removed: `day` can stand there";
        values.problem(&format!("privacy.columns.{OBSERVED}"), message);
    }
    let own_zone = values.text(&path("time_zone"));
    let own_zone = own_zone.map(|name| values.checked(&path("time_zone"), TimeZone::get(&name)));
    let time_zone = own_zone.unwrap_or_else(|| zone.cloned());
    let mut windows = WindowSettings::default();
    let source = if values.choice(&path("source")) == "nql" {
        let hours = values.integer_or_default(&path("hours"));
        // What the query does not give any more is lost.
        windows.source_retention_ms = hours_ms(hours - TABLE_MARGIN_HOURS);
        windows.since_ms = windows.source_retention_ms.min(hours_ms(24 * kept_days));
        read_table(values, hours).map(AuditSource::Table)
    } else {
        read_windows(values, &mut windows, kept_days);
        read_classic(values, paths, tenant, region).map(AuditSource::Trails)
    };
    Some(Audit { source: source?, time_zone: time_zone?, clear_names, windows })
}

fn hours_ms(hours: u64) -> i64 {
    i64::try_from(hours).unwrap_or(i64::MAX / HOUR_MS) * HOUR_MS
}

fn read_windows(values: &mut Values, windows: &mut WindowSettings, kept_days: u64) {
    windows.overlap_ms = hours_ms(values.integer_or_default("audit.overlap_hours"));
    // What would be removed at once is not asked for.
    let since_days = values.integer_or_default("audit.since_days").min(kept_days);
    windows.since_ms = hours_ms(24 * since_days);
}

fn read_classic(
    values: &mut Values,
    paths: &Paths,
    tenant: Option<&TenantId>,
    region: Option<&Region>,
) -> Option<AuditTrails> {
    let path = |name: &str| format!("{PATH}.{name}");
    let is_oauth = values.choice(&path("auth")) == "oauth";
    let account = values.required_text(&path("account"));
    let password = secret::read(values, paths, &path("password"));
    let any_host = values.flag(&path("any_host"));
    let host = match (values.text(&path("host")), tenant, region) {
        (Some(host), _, _) => Some(AuditHost::named(&host, any_host)),
        (None, _, Some(region)) if is_oauth => Some(AuditHost::for_region(region)),
        (None, Some(tenant), Some(region)) => Some(AuditHost::for_instance(tenant, region)),
        // What is missing was said elsewhere.
        _ => None,
    };
    let host = host.and_then(|host| values.checked(&path("host"), host));
    let trails = read_trails(values);
    Some(AuditTrails {
        host: host?,
        is_oauth,
        account: account?,
        password: Arc::new(password?),
        trails,
    })
}

fn read_table(values: &mut Values, hours: u64) -> Option<AuditTable> {
    let query = values.text_or_default("audit.query");
    let query = values.checked("audit.query", query.parse());
    let [time, account, code, message] = ["time", "account", "code", "message"]
        .map(|name| values.required_text(&format!("audit.columns.{name}")));
    Some(AuditTable {
        query: query?,
        time: time?,
        account: account?,
        code: code?,
        message: message?,
        hours,
    })
}

fn read_trails(values: &mut Values) -> Vec<Trail> {
    let path = "audit.engines";
    let mut trails = Vec::new();
    if values.flag("audit.portal") {
        trails.push(Trail::Portal);
    }
    let engines = values.texts_or_default(path);
    if engines.iter().any(|name| name == ALL_ENGINES) && engines.len() > 1 {
        values.problem(path, "has * for all Engines, which no other name goes with");
    }
    for name in engines {
        if name == ALL_ENGINES {
            trails.push(Trail::Engines);
        } else if let Some(name) = values.checked(path, name.parse()) {
            trails.push(Trail::Engine(name));
        }
    }
    if trails.is_empty() {
        values
            .problem("audit.portal", "is false and there are no Engines: nothing is left to read");
    }
    trails
}
