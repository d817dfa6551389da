//! The cost of a rule that finds hundreds of thousands of rows: its first evaluation, which opens them all and tells of them
//! in one message, and the next one, which reads and writes them.

use std::fs;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::built::Built;
use super::cost::{Case, Cost, in_turns, measure_command};
use super::store::Store;
use super::{MeasureOptions, table};

const RULE: &str = r#"
id = "many"
title = "Device"
severity = "low"
query = "select _key as key, name, lastSeenOn as seen from nexthink_device"
identity = ["key"]
entity = "key"
first_run = "all"
max_findings = 1000000
message = "{{ name }} was seen on {{ seen | date }}"
"#;

const CHANNEL: &str = r#"
[channels.file]
kind = "exec"
command = ["tee", "-a", "told"]
[[routes]]
to = ["file"]
"#;

/// Measures both evaluations.
///
/// # Errors
///
/// A program does not build, a run is incomplete, or not every row is a finding.
pub(crate) fn run(built: &Built, findings: u32, options: &MeasureOptions) -> anyhow::Result<()> {
    let place = Place::make(built, findings)?;
    let cases = vec![
        Case { name: "first evaluation".to_owned(), run: Box::new(|| place.first()) },
        Case { name: "next evaluation".to_owned(), run: Box::new(|| place.evaluate(0)) },
    ];
    let measured = in_turns(cases, options.runs, 2)?;
    let title = format!("a rule that finds {findings} rows, median of {}", options.runs);
    table::print(&title, &measured, options.output);
    Ok(())
}

/// A store with one generation, and one rule.
struct Place {
    store: Store,
    findings: u32,
}

impl Place {
    fn make(built: &Built, findings: u32) -> anyhow::Result<Self> {
        let store = Store::new(built, "rules")?;
        let rules = store.folder().join("rules");
        fs::create_dir(&rules)?;
        fs::write(rules.join("many.toml"), RULE)?;
        let sizes = [
            ("--devices", findings),
            ("--users", 10),
            ("--alerts", 0),
            ("--packages-per-device", 1),
        ];
        store.publish(&sizes, 1)?;
        fs::write(store.folder().join("notify.toml"), CHANNEL)?;
        Ok(Self { store, findings })
    }

    /// Opens all findings, and tells of them in one message.
    fn first(&self) -> anyhow::Result<Cost> {
        let told = self.store.folder().join("told");
        for path in [told.clone(), self.store.folder().join("simulated-store/demo/findings.json")] {
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        let cost = self.evaluate(self.findings)?;
        let told = fs::read_to_string(told).context("no message was sent")?;
        let message: Value = serde_json::from_str(&told).context("there is not one message")?;
        ensure!(message["data"]["opened"] == self.findings, "the message tells of fewer findings");
        Ok(cost)
    }

    /// Evaluates the rule, which opens this many findings.
    fn evaluate(&self, opens: u32) -> anyhow::Result<Cost> {
        let arguments = ["rules", "run", "--output", "json"];
        let (cost, printed) = measure_command(self.store.command().args(arguments))?;
        let report: Value = serde_json::from_str(&printed)?;
        let rule = &report["rules"][0];
        ensure!(rule["opened"] == opens && rule["open"] == self.findings, "it finds {rule}");
        Ok(cost)
    }
}
