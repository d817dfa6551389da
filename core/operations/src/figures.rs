//! Metrics about tenants for monitoring systems, in Prometheus' text format.
//!
//! They are computed from the present state each time, so none outlives its tenant. No label names a device or a
//! person: labels are tenants, types of objects, severities and exit codes.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use core_engine::Failure;
use core_files::{ensure_writable, link_target, replace_public_file};
use core_fleet::{TenantState, TenantStatus};
use core_store::Outcome;
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::health::Health;

/// The prefix of all metrics.
const PREFIX: &str = "nexthink_graph";

type Labels = Vec<(&'static str, String)>;

/// The health of the tenants.
#[derive(Debug, Default)]
pub struct Figures<'a> {
    /// The health of each tenant; none if its file or its store cannot be read.
    pub tenants: Vec<(&'a str, Option<&'a Health>)>,
    /// The activity of `schedule`; none for other commands.
    pub states: Vec<TenantStatus>,
    /// The number of runs of a tenant that `schedule` has seen end, by exit code.
    pub runs: Option<&'a BTreeMap<(String, u8), u64>>,
}

impl Figures<'_> {
    /// Returns the metrics as text.
    pub fn to_text(&self) -> String {
        let mut registry = Registry::with_prefix(PREFIX);
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        let build = gauge(&mut registry, "build_info", "The version of the program");
        build.get_or_create(&version).set(1);
        self.add_generations(&mut registry);
        self.add_runs(&mut registry);
        self.add_findings(&mut registry);
        self.add_schedule(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).expect("a text has room");
        prometheus_format(&text)
    }

    fn add_generations(&self, registry: &mut Registry) {
        let created = seconds(
            registry,
            "generation_created_timestamp",
            "When the published generation was made",
        );
        let complete =
            gauge(registry, "generation_complete", "1 if the published generation is complete");
        let partial = gauge(registry, "partial_types", "Types of which objects may be missing");
        let objects = gauge(registry, "objects", "Objects of a type in the published generation");
        for (tenant, health) in &self.tenants {
            let Some(generation) = health.and_then(|health| health.generation.as_ref()) else {
                continue;
            };
            set(&created, tenant, unix_seconds(&generation.created_at));
            set(&complete, tenant, i64::from(generation.outcome == Outcome::Complete));
            set(&partial, tenant, number(generation.partial_types.len()));
            for (name, count) in &generation.objects {
                let labels = vec![("tenant", (*tenant).to_owned()), ("type", name.clone())];
                objects.get_or_create(&labels).set(number(*count));
            }
        }
    }

    fn add_runs(&self, registry: &mut Registry) {
        let readable = gauge(
            registry,
            "tenant_readable",
            "1 if the configuration and the store of the tenant can be read",
        );
        let started = seconds(registry, "last_run_start_timestamp", "When the last run started");
        let ended = seconds(registry, "last_run_end_timestamp", "When the last run ended");
        let code = gauge(registry, "last_run_exit_code", "The exit code of the last run");
        let failed = gauge(registry, "failed_runs", "Runs in a row that published nothing");
        let left = gauge(registry, "exports_left", "Exports that the quota allows now");
        let limit = gauge(registry, "exports_daily_limit", "Exports of a day");
        for (tenant, health) in &self.tenants {
            set(&readable, tenant, i64::from(health.is_some()));
            let Some(health) = health else { continue };
            set(&failed, tenant, health.failed_runs.into());
            set(&left, tenant, health.exports_left.into());
            set(&limit, tenant, health.daily_exports.into());
            let Some(run) = &health.last_run else { continue };
            set(&started, tenant, unix_seconds(&run.started_at));
            if let (Some(at), Some(exit_code)) = (&run.ended_at, run.exit_code) {
                set(&ended, tenant, unix_seconds(at));
                set(&code, tenant, exit_code.into());
            }
        }
    }

    fn add_findings(&self, registry: &mut Registry) {
        let findings = gauge(registry, "findings", "Findings of rules that hold, by severity");
        for (tenant, health) in &self.tenants {
            let counts = health.and_then(|health| health.findings.as_ref());
            for (severity, count) in counts.into_iter().flatten() {
                let severity = ("severity", severity.name().to_owned());
                let labels = vec![("tenant", (*tenant).to_owned()), severity];
                findings.get_or_create(&labels).set(number(*count));
            }
        }
    }

    fn add_schedule(&self, registry: &mut Registry) {
        if let Some(runs) = self.runs {
            let counter: Family<Labels, Counter> = Family::default();
            registry.register("runs", "Runs that have ended", counter.clone());
            for ((tenant, exit_code), count) in runs {
                let exit_code = exit_code.to_string();
                let labels = vec![("tenant", tenant.clone()), ("exit_code", exit_code)];
                counter.get_or_create(&labels).inc_by(*count);
            }
        }
        if self.states.is_empty() {
            return;
        }
        let running = gauge(registry, "running", "1 while a run goes on");
        let paused = gauge(registry, "paused", "1 if no run is started until someone mends it");
        let next = seconds(registry, "next_run_timestamp", "When the next run is due");
        for status in &self.states {
            let TenantStatus { name, state, .. } = status;
            set(&running, name, i64::from(matches!(state, TenantState::Running { .. })));
            set(&paused, name, i64::from(matches!(state, TenantState::Paused(_))));
            if let TenantState::Waiting { due, .. } = state {
                set(&next, name, due.as_second());
            }
        }
    }
}

/// Writes the metrics for a textfile collector. Replaces only a file that this program has written.
///
/// # Errors
///
/// The file has other content, or cannot be written.
pub fn write(path: &Path, figures: &Figures<'_>) -> Result<(), Failure> {
    check_file(path)?;
    replace_public_file(path, figures.to_text().as_bytes())
        .map_err(|error| anyhow::Error::new(error).into())
}

/// Writes the metrics of tenants after their runs. Returns a remark if they were not written: a run that has ended must
/// not fail for it.
pub fn write_after_runs(path: &Path, tenants: &[(String, Option<Health>)]) -> Option<String> {
    let tenants = tenants.iter().map(|(name, health)| (name.as_str(), health.as_ref()));
    let figures = Figures { tenants: tenants.collect(), ..Figures::default() };
    let failure = write(path, &figures).err()?;
    Some(format!("the metrics were not written: {:#}", failure.error))
}

/// Checks, before a run, that its metrics can be written to a file.
///
/// # Errors
///
/// There is no such folder, or the file has other content.
pub fn check_file(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let path = &link_target(path).map_err(|error| {
        Failure::configuration(format!("cannot write the metrics to {shown}: {error}"))
    })?;
    match is_of_metrics(path) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::configuration(format!(
            "{shown} is not a file of metrics, so it is not replaced: name another file"
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            ensure_writable(folder.unwrap_or(Path::new("."))).map_err(|error| {
                Failure::configuration(format!("cannot write the metrics to {shown}: {error}"))
            })
        }
        Err(error) => Err(Failure::configuration(format!("cannot read {shown}: {error}"))),
    }
}

/// Returns true for an empty file and for one that begins as the metrics do. Opens nothing but a regular file: a named
/// pipe would wait for a writer.
fn is_of_metrics(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let (expected, mut start) = (format!("# HELP {PREFIX}_"), Vec::new());
    fs::File::open(path)?.take(expected.len() as u64).read_to_end(&mut start)?;
    Ok(start.is_empty() || start == expected.as_bytes())
}

/// Converts a text from the `OpenMetrics` format, which the library writes, to Prometheus' older format, which every
/// collector reads: the textfile collector of `node_exporter` refuses a file with unknown types. The formats differ
/// in the names of counters, which here have their suffix in comments too.
fn prometheus_format(open_metrics: &str) -> String {
    let types = open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let counters: Vec<&str> = types.filter_map(|named| named.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let comment = line.strip_prefix("# ").and_then(|comment| comment.split_once(' '));
        match comment {
            Some((word @ ("HELP" | "TYPE"), rest)) => {
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let suffix = if counters.contains(&name) { "_total" } else { "" };
                text.extend(["# ", word, " ", name, suffix, " ", rest, "\n"]);
            }
            // The unit is in the name; the older format does not know the end marker.
            Some(_) => {}
            None if line == "# EOF" => {}
            None => text.extend([line, "\n"]),
        }
    }
    text
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Gauge> {
    let gauge: Family<Labels, Gauge> = Family::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn seconds(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Gauge> {
    let gauge: Family<Labels, Gauge> = Family::default();
    registry.register_with_unit(name, help, Unit::Seconds, gauge.clone());
    gauge
}

fn set(family: &Family<Labels, Gauge>, tenant: &str, value: i64) {
    family.get_or_create(&vec![("tenant", tenant.to_owned())]).set(value);
}

fn unix_seconds(rfc3339: &str) -> i64 {
    rfc3339.parse::<Timestamp>().map_or(0, Timestamp::as_second)
}

fn number(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
