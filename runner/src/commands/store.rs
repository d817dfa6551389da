//! `store verify`: compares what is stored with its checksums. `copy` has `store copy`.

mod copy;

use core_engine::audit::LOG;
use core_store::{StoreError, TenantStore};
use serde_json::{Value, json};

pub(super) use self::copy::copy;
use crate::cli::{Global, RowFormat};
use crate::exit::{Exit, Failure};
use crate::output;

/// A generation or event log, and what is wrong with it.
struct Part {
    name: String,
    findings: Vec<String>,
}

/// Compares every file of every generation and of the events with its checksum.
pub(super) fn verify(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let parts = parts(&tenant)?;
    if parts.is_empty() {
        output::note(&format!("nothing is stored of tenant {}", tenant.name()));
        return Ok(Exit::Complete);
    }
    if format == RowFormat::Table {
        let rows = parts.iter().map(|part| {
            let result = match part.findings.as_slice() {
                [] => "whole".to_owned(),
                findings => findings.join("\n"),
            };
            [part.name.clone(), result]
        });
        output::result(&output::table(["part", "result"], rows, 2));
    } else {
        let rows: Vec<Value> = parts.iter().map(Part::to_json).collect();
        super::show::rows(rows, format)?;
    }
    match parts.iter().filter(|part| !part.findings.is_empty()).count() {
        0 => Ok(Exit::Complete),
        damaged => Err(Failure {
            exit: Exit::DataRefused,
            error: anyhow::anyhow!(
                "{damaged} of {} parts of the store are damaged: restore their files from a backup",
                parts.len()
            ),
        }),
    }
}

fn parts(tenant: &TenantStore) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::new();
    for entry in tenant.history()? {
        let mark = if entry.is_current { " (published)" } else { "" };
        let verified = tenant.verify(&entry.id);
        parts.push(Part::new(format!("generation {}{mark}", entry.id), verified));
    }
    let log = tenant.events(LOG);
    if log.as_ref().map_or(true, |log| !log.files().is_empty()) {
        let verified = log.and_then(|log| log.verify());
        parts.push(Part::new(format!("event log {LOG}"), verified));
    }
    Ok(parts)
}

impl Part {
    fn new(name: String, verified: Result<(), StoreError>) -> Self {
        let findings = match verified {
            Ok(()) => Vec::new(),
            Err(StoreError::Damaged { findings, .. }) => findings,
            Err(error) => vec![format!("{:#}", anyhow::Error::new(error))],
        };
        Self { name, findings }
    }

    fn to_json(&self) -> Value {
        json!({ "part": self.name, "isDamaged": !self.findings.is_empty(), "findings": self.findings })
    }
}
