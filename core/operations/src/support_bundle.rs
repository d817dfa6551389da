//! The support bundle: the facts that a stranger needs to understand a problem, and nothing that identifies anyone.
//!
//! It is made by an allowlist: numbers, words that this program declares, and the reasons of steps, from which every
//! configured text is removed (`redaction.rs`). No cell of a table is read.

mod redaction;

use core_config::{Config, ConfigurationError};
use core_engine::run::RunState;
use core_engine::{Ending, Engine, Failure, Host};
use core_settings::{Effective, Kind, Place, Problem, settings};
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
            let redaction = Redaction::new(config, name);
            document["settings"] = config.effective.iter().map(setting).collect();
            document["warnings"] = json!(config.warnings.settings.len());
            let stored = stored(config, &redaction, host, codes);
            let problem = |failure| problem(&failure, &redaction, host);
            document["stored"] = stored.unwrap_or_else(problem);
        }
        Err(failure) => document["configuration"] = unusable(failure, host),
    }
    document
}

fn problem(failure: &Failure, redaction: &Redaction, host: &Host) -> Value {
    let text = redaction.apply(&format!("{:#}", failure.error));
    json!({ "exitCode": (host.exit_code)(Ending::Failed(failure.kind)), "problem": text })
}

/// The reason why a configuration cannot be used. Without one there is no list of texts to remove from messages, so
/// nothing of a message is shown: of a mistake only the declared path of the setting and its place.
fn unusable(failure: &Failure, host: &Host) -> Value {
    let error = failure.error.chain().find_map(|cause| cause.downcast_ref());
    let mut reason = match error {
        Some(ConfigurationError::Invalid { problems, .. }) => {
            json!({ "reason": "invalid", "problems": problems.iter().map(mistake).collect::<Vec<_>>() })
        }
        Some(ConfigurationError::Unreadable { kind, .. }) => {
            json!({ "reason": "unreadable", "error": kind.to_string() })
        }
        None => json!({ "reason": "other" }),
    };
    reason["exitCode"] = json!((host.exit_code)(Ending::Failed(failure.kind)));
    reason
}

fn mistake(problem: &Problem) -> Value {
    let mut mistake = json!({ "setting": problem.setting(), "from": origin(problem.place()) });
    if let Place::File { line, column } | Place::Defaults { line, column, .. } = problem.place() {
        (mistake["line"], mistake["column"]) = (json!(line), json!(column));
    }
    mistake
}

/// Returns the word for the place of a value, without the name of a file or a variable.
fn origin(place: &Place) -> &'static str {
    match place {
        Place::File { .. } => "file",
        Place::Defaults { .. } => "fleet",
        Place::Variable(_) => "variable",
        Place::Nowhere => "default",
    }
}

/// A setting: its value only if it is a number, a flag, one of several words, or plain by declaration.
fn setting(setting: &Effective) -> Value {
    let is_set = setting.place != Place::Nowhere;
    let value = match (is_set, is_plain(&setting.path)) {
        (true, false) => json!("(set)"),
        _ => setting.json(),
    };
    json!({ "setting": shown_path(&setting.path), "value": value, "from": origin(&setting.place) })
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
    let runs = core_engine::ledger::runs::of_tenant(&tenant)?;
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
    use std::collections::BTreeMap;

    use core_config::{ChosenTenant, Environment, Source};

    use super::*;
    use crate::testing::{CODES, ENVIRONMENT, World};

    /// A valid configuration of one tenant.
    const VALID: &str = "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\nclient_id = \"0a1b\"\n\
                         client_secret = { env = \"SECRET\" }\n[queries]\ndevices = \"#devices\"\n";

    /// The part of a bundle about a configuration that cannot be used, in which no canary is.
    fn unusable_part(world: &World, source: &Source, environment: Environment) -> Value {
        let failure = Config::load(source, environment).expect_err("it cannot be used");
        let text = format!("{:#}", failure.error).to_lowercase();
        assert!(text.contains("canary"), "the owner is told: {text}");
        let document = document(Err(&failure), source.chosen_name(), &world.host, CODES);
        let text = document.to_string();
        assert!(!text.to_lowercase().contains("canary"), "{text}");
        let mut part = document["configuration"].clone();
        assert_eq!(part["exitCode"].take(), 2);
        part.as_object_mut().expect("it is an object").remove("exitCode");
        part
    }

    #[test]
    fn a_mistake_in_a_configuration_is_shown_by_declared_path_and_place_only() {
        let world = World::fleet(&[]);
        let at = |setting: &str, line: u32, column: u32| json!([{ "setting": setting, "from": "file", "line": line, "column": column }]);
        let table = [
            (VALID.replace("acme", "Canary Corp"), at("nexthink.tenant", 2, 1)),
            (VALID.replace("\"eu\"", "\"canary region\""), at("nexthink.region", 3, 1)),
            (VALID.replace("#devices", "canary query"), at("queries.devices", 7, 1)),
            (
                VALID.replace("client_id", "ca_file = \"/srv/canary/ca.pem\"\nclient_id"),
                at("nexthink.ca_file", 4, 1),
            ),
            (
                format!("{VALID}[privacy.columns]\n\"canary.name\" = \"shred\"\n"),
                at("privacy.columns.**", 9, 1),
            ),
            (
                format!("{VALID}canary = \"x\"\n"),
                json!([{ "setting": null, "from": "file", "line": 8, "column": 1 }]),
            ),
            (
                format!("{VALID}[canary.table]\n"),
                json!([{ "setting": null, "from": "file", "line": 8, "column": 9 }]),
            ),
        ];
        for name in ["canary.toml", "canary.conf", "canary"] {
            for (text, problems) in &table {
                world.write(name, text);
                let source = Source::File(world.path(name));
                let part = unusable_part(&world, &source, ENVIRONMENT);
                assert_eq!(part, json!({ "reason": "invalid", "problems": problems }), "{text}");
            }
        }
    }

    #[test]
    fn a_mistake_in_a_variable_is_shown_without_its_name() {
        let world = World::fleet(&[]);
        world.write("graph.toml", VALID);
        let environment = Environment {
            variables: |_| {
                let names = ["PRIVACY__COLUMNS__CANARY", "CANARY"];
                let variable = |name| (format!("NEXTHINK_GRAPH__{name}"), "canary".to_owned());
                BTreeMap::from(names.map(variable))
            },
            ..ENVIRONMENT
        };
        let part = unusable_part(&world, &Source::File(world.path("graph.toml")), environment);
        let settings: Vec<&Value> =
            part["problems"].as_array().expect("a list").iter().map(|p| &p["setting"]).collect();
        assert_eq!(settings, [&json!("privacy.columns.**"), &Value::Null], "{part}");
        assert!(part["problems"][0]["from"] == "variable" && part["problems"][0]["line"].is_null());
    }

    #[test]
    fn a_file_that_cannot_be_read_and_a_tenant_that_is_not_there_are_shown_without_names() {
        let world = World::fleet(&["acme"]);
        let missing = Source::File(world.path("canary.conf"));
        let expected = json!({ "reason": "unreadable", "error": "entity not found" });
        assert_eq!(unusable_part(&world, &missing, ENVIRONMENT), expected);
        let chosen = ChosenTenant { name: "canary".to_owned(), may_differ: false };
        let source = Source::Tenant(world.path("fleet.toml"), chosen);
        let other = json!({ "reason": "other" });
        assert_eq!(unusable_part(&world, &source, ENVIRONMENT), other);
        world.write_tenant("canary", "[queries.users]\nid = \"canary\"\n");
        let part = unusable_part(&world, &source, ENVIRONMENT);
        assert_eq!(part["reason"], "invalid", "{part}");
        // The defaults of a fleet are in its own file.
        world.write_tenant("canary", "");
        world.write("fleet.toml", "[fleet]\ntenants = \"tenants.d\"\n[defaults.canary]\nx = 1\n");
        let part = unusable_part(&world, &source, ENVIRONMENT);
        assert_eq!((&part["reason"], &part["problems"][0]["line"]), (&json!("invalid"), &json!(4)));
    }

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
