//! How the audit trail is read.

use core_audit::{HOUR_MS, WindowSettings};
use core_nexthink::{AuditHost, QueryId, Region, TenantId, Trail};
use core_privacy::profile::{Action, Policy};
use jiff::tz::TimeZone;

use super::flat::Settings;
use super::paths::Paths;
use super::secret::{self, SecretReference};

const PATH: &str = "audit";

/// The column with the time by which events are kept.
const OBSERVED: &str = "audit.observed";

/// What stands for all connected Engines in the list of Engines.
const ALL_ENGINES: &str = "*";

/// How long Nexthink keeps audit logs (Nexthink, data retention).
const SOURCE_DAYS: u64 = 180;

/// The ID that is suggested for the saved query of the table.
const TABLE_QUERY: &str = "#j1_audit";

/// How many hours the saved query of the table looks back: seven days.
const TABLE_HOURS: u64 = 168;

/// How much less of them counts as read, since `during past 7d` may begin at a midnight (Nexthink, NQL
/// FAQ).
const TABLE_MARGIN_HOURS: u64 = 24;

/// The audit trail as a source.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) source: AuditSource,
    /// The zone of `before_date`, and of times that name none.
    pub(crate) time_zone: TimeZone,
    /// Whether events are kept as they are, whatever the privacy profile does elsewhere.
    pub(crate) clear_names: bool,
    pub(crate) windows: WindowSettings,
}

/// Where the audit trail is read from.
#[derive(Debug)]
pub(crate) enum AuditSource {
    /// The classic interface, a trail at a time.
    Trails(AuditTrails),
    /// The table `platform.audit_logs`, through an export.
    Table(AuditTable),
}

/// The trails of the classic interface.
#[derive(Debug)]
pub(crate) struct AuditTrails {
    pub(crate) host: AuditHost,
    /// Whether an API client with a token reads it, and no local account.
    pub(crate) is_oauth: bool,
    pub(crate) account: String,
    pub(crate) password: SecretReference,
    pub(crate) trails: Vec<Trail>,
}

/// The saved query of the table, and which of its columns is what: Nexthink does not document them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditTable {
    pub(crate) query: QueryId,
    pub(crate) time: String,
    pub(crate) account: String,
    pub(crate) code: String,
    pub(crate) message: String,
    /// How far back the query looks.
    pub(crate) hours: u64,
}

impl Audit {
    /// The table, if the audit trail is read from there.
    pub(crate) fn table(&self) -> Option<&AuditTable> {
        match &self.source {
            AuditSource::Table(table) => Some(table),
            AuditSource::Trails(_) => None,
        }
    }
}

impl AuditTable {
    /// The columns: time, account, code, message.
    pub(crate) fn columns(&self) -> [&str; 4] {
        [&self.time, &self.account, &self.code, &self.message]
    }

    /// A text to save for the query.
    pub(crate) fn nql(&self) -> String {
        let (hours, columns, time) = (self.hours, self.columns().join(", "), &self.time);
        format!("platform.audit_logs during past {hours}h\n| list {columns}\n| sort {time} asc")
    }
}

/// Reads the audit trail's settings, if their table is there.
pub(super) fn read(
    settings: &mut Settings,
    paths: &Paths,
    tenant: Option<&TenantId>,
    region: Option<&Region>,
    zone: Option<&TimeZone>,
    policy: &Policy,
    kept_days: u64,
) -> Option<Audit> {
    if settings.take_empty_table(PATH) {
        settings.warnings.push("`[audit]` is empty, so the audit trail is not read".to_owned());
    }
    if !settings.has_table(PATH) {
        return None;
    }
    let path = |name: &str| format!("{PATH}.{name}");
    let clear_names = settings.flag(&path("clear_names")).unwrap_or(false);
    if policy.action(OBSERVED) == Action::Drop {
        let message = "is the time by which events are kept and removed: `day` can stand there";
        settings.problem(&format!("privacy.columns.{OBSERVED}"), message);
    }
    let own_zone = settings.text(&path("time_zone"));
    let own_zone = own_zone.map(|name| settings.checked(&path("time_zone"), TimeZone::get(&name)));
    let time_zone = own_zone.unwrap_or_else(|| zone.cloned());
    let mut windows = WindowSettings::default();
    let source = match settings.text(&path("source")).as_deref() {
        None | Some("rest") => {
            read_windows(settings, &mut windows, kept_days);
            read_classic(settings, paths, tenant, region).map(AuditSource::Trails)
        }
        Some("nql") => {
            let table = read_table(settings);
            let hours = table.as_ref().map_or(TABLE_HOURS, |it| it.hours);
            // What the query does not give any more is lost.
            windows.source_retention_ms = hours_ms(hours - TABLE_MARGIN_HOURS);
            windows.since_ms = windows.source_retention_ms.min(hours_ms(24 * kept_days));
            table.map(AuditSource::Table)
        }
        Some(_) => {
            settings.problem(&path("source"), "must be rest or nql");
            None
        }
    };
    Some(Audit { source: source?, time_zone: time_zone?, clear_names, windows })
}

fn hours_ms(hours: u64) -> i64 {
    i64::try_from(hours).unwrap_or(i64::MAX / HOUR_MS) * HOUR_MS
}

fn read_windows(settings: &mut Settings, windows: &mut WindowSettings, kept_days: u64) {
    let since_days = settings.integer("audit.since_days", 1..=SOURCE_DAYS);
    let overlap_hours = settings.integer("audit.overlap_hours", 1..=11);
    windows.overlap_ms = overlap_hours.map_or(windows.overlap_ms, hours_ms);
    // What would be removed at once is not asked for.
    let since_days = since_days.unwrap_or(SOURCE_DAYS).min(kept_days);
    windows.since_ms = hours_ms(24 * since_days);
}

fn read_classic(
    settings: &mut Settings,
    paths: &Paths,
    tenant: Option<&TenantId>,
    region: Option<&Region>,
) -> Option<AuditTrails> {
    let path = |name: &str| format!("{PATH}.{name}");
    let auth = settings.text(&path("auth")).unwrap_or_else(|| "basic".to_owned());
    if !["basic", "oauth"].contains(&auth.as_str()) {
        settings.problem(&path("auth"), "must be basic or oauth");
    }
    let is_oauth = auth == "oauth";
    let account = settings.required_text(&path("account"));
    let password = secret::read(settings, paths, &path("password"));
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
    Some(AuditTrails { host: host?, is_oauth, account: account?, password: password?, trails })
}

fn read_table(settings: &mut Settings) -> Option<AuditTable> {
    let query = settings.text("audit.query").unwrap_or_else(|| TABLE_QUERY.to_owned());
    let query = settings.checked("audit.query", query.parse());
    let [time, account, code, message] = ["time", "account", "code", "message"]
        .map(|name| settings.required_text(&format!("audit.columns.{name}")));
    // Less than the margin would count as nothing read; the table keeps 180 days.
    let hours = settings.integer("audit.hours", 2 * TABLE_MARGIN_HOURS..=24 * SOURCE_DAYS);
    Some(AuditTable {
        query: query?,
        time: time?,
        account: account?,
        code: code?,
        message: message?,
        hours: hours.unwrap_or(TABLE_HOURS),
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
