//! The support bundle: the facts that a stranger needs to understand a problem, and nothing that identifies anyone.
//!
//! It is made by an allowlist: numbers, words that this program declares, and the reasons of steps, from which every
//! configured text is removed (`redaction.rs`). No cell of a table is read.

mod redaction;

use core_config::Config;
use core_engine::run::RunState;
use core_engine::{Ending, Engine, Failure, Host};
use core_settings::{Effective, Kind, Place, settings};
use core_store::{Generation, HistoryEntry, StoreError, TenantStore};
use serde_json::{Map, Value, json};

use self::redaction::Redaction;
use crate::exit_codes::ExitCodes;
use crate::health::Health;

/// The largest number of runs to list; the newest ones.
const RUNS: usize = 100;

/// The largest number of generations to list; the newest ones.
const GENERATIONS: usize = 50;

/// The report of a run in its generation.
const REPORT: &str = "run.json";

/// Texts in reports that this program declares: names of steps, types and outcomes.
const DECLARED_TEXTS: [&str; 3] = ["id", "outcome", "type"];

/// The settings whose texts do not reveal whose configuration it is.
const PLAIN_TEXTS: [&str; 5] = [
    "nexthink.region",
    "nexthink.time_zone",
    "schedule.interval",
    "schedule.cron",
    "schedule.time_zone",
];

/// Makes the bundle of a tenant, or of a configuration that cannot be used. `name` is the tenant that the command
/// line chooses.
pub fn document(
    config: Result<&Config, &Failure>,
    name: Option<&str>,
    host: &Host,
    codes: ExitCodes,
) -> Value {
    let mut document = json!({
        "format": 1,
        "program": env!("CARGO_PKG_VERSION"),
        "madeAt": host.now().to_rfc3339(),
        "system": {
            "os": std::env::consts::OS,
            "architecture": std::env::consts::ARCH,
            "processors": host.processors,
        },
    });
    match config {
        Ok(config) => {
            let redaction = Redaction::new(Some(config), name);
            document["settings"] = config.effective.iter().map(setting).collect();
            document["warnings"] = json!(config.warnings.len());
            let stored = stored(config, &redaction, host, codes);
            let problem = |failure| problem(&failure, &redaction, host);
            document["stored"] = stored.unwrap_or_else(problem);
        }
        // Mistakes in a file are reported without its values.
        Err(failure) => {
            document["configuration"] = problem(failure, &Redaction::new(None, name), host);
        }
    }
    document
}

fn problem(failure: &Failure, redaction: &Redaction, host: &Host) -> Value {
    let text = redaction.apply(&format!("{:#}", failure.error));
    json!({ "exitCode": (host.exit_code)(Ending::Failed(failure.kind)), "problem": text })
}

/// A setting: its value only if it is a number, a flag, one of several words, or plain by declaration.
fn setting(setting: &Effective) -> Value {
    let is_set = setting.place != Place::Nowhere;
    let origin = match setting.place {
        Place::File { .. } => "file",
        Place::Defaults { .. } => "fleet",
        Place::Variable(_) => "variable",
        Place::Nowhere => "default",
    };
    let value = match (is_set, is_plain(&setting.path)) {
        (true, false) => json!("(set)"),
        _ => setting.json(),
    };
    json!({ "setting": shown_path(&setting.path), "value": value, "from": origin })
}

fn is_plain(path: &str) -> bool {
    let declared = settings().find(|setting| setting.path == path);
    let kind = declared.map(|setting| setting.kind);
    let is_bounded = matches!(kind, Some(Kind::Flag | Kind::Integer { .. } | Kind::Choice(_)));
    is_bounded || PLAIN_TEXTS.contains(&path)
}

/// The path of a setting. Below a table that takes any name, the names are the user's own and are hidden.
fn shown_path(path: &str) -> &str {
    let open = settings().filter_map(|setting| setting.path.strip_suffix("**"));
    open.into_iter().find(|start| path.starts_with(start)).unwrap_or(path)
}

fn stored(
    config: &Config,
    redaction: &Redaction,
    host: &Host,
    codes: ExitCodes,
) -> Result<Value, Failure> {
    let tenant = Engine { settings: config, host }.tenant()?;
    let history = tenant.history()?;
    let runs = core_engine::ledger::runs::runs(&tenant.ledger().entries()?);
    let newest = runs.len().saturating_sub(RUNS);
    let current = tenant.current()?;
    Ok(json!({
        "status": Health::read(config, host, codes)?,
        "runs": runs[newest..],
        "files": tenant.inventory()?,
        "generations": generations(&tenant, &history, redaction)?,
        "tables": current.as_ref().map(tables),
        "steps": current.as_ref().map(|generation| steps(generation, redaction)),
        "report": current.as_ref().and_then(report),
    }))
}

fn generations(
    tenant: &TenantStore,
    history: &[HistoryEntry],
    redaction: &Redaction,
) -> Result<Vec<Value>, StoreError> {
    let mut generations = Vec::new();
    for entry in history.iter().take(GENERATIONS) {
        let id = entry.id.to_string();
        generations.push(match &entry.manifest {
            Ok(manifest) => {
                let damage = match tenant.generation(&entry.id) {
                    Ok(generation) => generation.find_damage()?.len(),
                    Err(_) => manifest.files().count(),
                };
                let profile = manifest.privacy.as_ref().map(|mark| &mark.profile);
                json!({
                    "id": id,
                    "createdAt": manifest.created_at,
                    "outcome": manifest.outcome,
                    "damagedFiles": damage,
                    "erasures": manifest.erasures.len(),
                    "privacyProfile": profile,
                })
            }
            Err(error) => json!({ "id": id, "problem": redaction.apply(&error.to_string()) }),
        });
    }
    Ok(generations)
}

fn tables(generation: &Generation) -> Value {
    let tables = generation.manifest().tables.iter().map(|table| {
        json!({
            "type": table.name,
            "rows": table.rows,
            "partial": table.partial,
            "files": table.files.len(),
            "bytes": table.files.iter().map(|file| file.file.bytes).sum::<u64>(),
        })
    });
    tables.collect()
}

fn steps(generation: &Generation, redaction: &Redaction) -> Value {
    let steps = RunState::read(generation).steps.into_iter().map(|step| {
        let reason = step.reason.map(|reason| redaction.apply(&reason));
        json!({ "id": step.id, "outcome": step.outcome, "reason": reason })
    });
    steps.collect()
}

/// The report of the run, without its texts.
fn report(generation: &Generation) -> Option<Value> {
    let bytes = generation.attachment(REPORT).ok()??;
    let report = serde_json::from_slice(&bytes).ok()?;
    Some(figures(report))
}

/// Keeps the numbers, the flags and the declared texts of a value.
fn figures(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_kept =
                |name: &str, value: &Value| !value.is_string() || DECLARED_TEXTS.contains(&name);
            let kept = fields.into_iter().filter(|(name, value)| is_kept(name, value));
            let kept = kept.map(|(name, value)| (name, figures(value)));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            items.into_iter().filter(|item| !item.is_string()).map(figures).collect()
        }
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_report_only_numbers_flags_and_declared_texts_are_kept() {
        let report = json!({
            "tenant": "canary",
            "exitCode": 7,
            "steps": [{ "id": "fetch-users", "reason": "canary", "rows": { "read": 3 } }],
            "partialDatasets": ["canary"],
            "held": false,
        });
        let expected = json!({
            "exitCode": 7,
            "steps": [{ "id": "fetch-users", "rows": { "read": 3 } }],
            "partialDatasets": [],
            "held": false,
        });
        assert_eq!(figures(report), expected);
    }

    #[test]
    fn only_bounded_settings_and_a_few_texts_are_shown() {
        for (path, expected) in [
            ("nexthink.daily_exports", true),
            ("account.tag_entities", true),
            ("privacy.profile", true),
            ("schedule.cron", true),
            ("nexthink.tenant", false),
            ("nexthink.client_id", false),
            ("nexthink.client_secret", false),
            ("nexthink.proxy", false),
            ("store.location", false),
            ("queries.devices", false),
            ("privacy.record.controller", false),
            ("privacy.columns.device.name", false),
        ] {
            assert_eq!(is_plain(path), expected, "{path}");
        }
        assert_eq!(shown_path("privacy.columns.canary"), "privacy.columns.");
    }
}
