//! `privacy ledger`: lists and verifies who did what with the data.

use core_store::{LedgerEntry, LedgerHead, Verification};
use core_terminal::count;
use serde_json::{Value, json};

use crate::cli::{Global, ReportFormat, RowFormat};
use crate::exit::{Exit, Failure};
use crate::{commands, output};

/// Lists the entries, the oldest first.
pub(super) fn list(global: &Global, events: &[String], format: RowFormat) -> Result<Exit, Failure> {
    let mut entries = commands::tenant(global)?.ledger().entries()?;
    entries.retain(|entry| events.is_empty() || events.contains(&entry.record.event));
    if format != RowFormat::Table {
        let objects: Vec<_> = entries.iter().map(as_json).collect();
        return commands::show::rows(objects, format);
    }
    let rows = entries.iter().map(|entry| {
        let LedgerEntry { sequence, record, .. } = entry;
        let facts = record.facts.iter().map(|(name, value)| format!("{name}={}", plain(value)));
        let facts = facts.collect::<Vec<_>>().join(" ");
        [sequence.to_string(), record.at.clone(), record.who.clone(), record.event.clone(), facts]
    });
    output::result(&output::table(["entry", "time", "who", "event", "facts"], rows, 5));
    Ok(Exit::Complete)
}

/// Verifies the chain, against the heads that are known too.
pub(super) fn verify(
    global: &Global,
    from: &[String],
    format: ReportFormat,
) -> Result<Exit, Failure> {
    let tenant = commands::tenant(global)?;
    let given = from.iter().map(|text| {
        let hint = "a head is a number, a colon and 64 digits, as `ledger verify` prints it";
        LedgerHead::parse(text)
            .ok_or_else(|| Failure::usage(format!("`{text}` is no head: {hint}")))
    });
    let given: Vec<LedgerHead> = given.collect::<Result<_, _>>()?;
    let mut known = [given, tenant.known_ledger_heads()?].concat();
    known.extend(core_engine::mirrors::known_ledger_heads(&tenant)?);
    let verification = tenant.ledger().verify(&known)?;
    match format {
        ReportFormat::Json => {
            let head = verification.head.as_ref().map(ToString::to_string);
            let report = json!({
                "isWhole": verification.findings.is_empty(),
                "entries": verification.entries,
                "head": head,
                "knownHeads": known.len(),
                "knownHeadsExpired": verification.known_expired,
                "findings": verification.findings,
            });
            output::result(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
        }
        ReportFormat::Table => output::result(&for_people(&verification, known.len())),
    }
    if verification.findings.is_empty() {
        return Ok(Exit::Complete);
    }
    output::error_text("the ledger is not whole: an entry was changed, removed or moved");
    Ok(Exit::DataRefused)
}

fn for_people(verification: &Verification, known: usize) -> String {
    let Verification { entries, head, known_found, known_expired, findings } = verification;
    let mut lines: Vec<String> = findings
        .iter()
        .map(|finding| match finding.line {
            Some(line) => format!("line {line} {}", finding.reason),
            None => finding.reason.clone(),
        })
        .collect();
    lines.push(if findings.is_empty() {
        format!("the ledger is whole: {}", count(*entries, "entry"))
    } else {
        let findings = count(findings.len(), "finding");
        format!("the ledger is NOT whole: {findings} in {}", count(*entries, "entry"))
    });
    if known > 0 {
        lines.push(format!(
            "{known_found} of {known} known heads are in it, {known_expired} are older than it"
        ));
    }
    if let Some(head) = head {
        lines.push(format!("head {head}"));
    }
    lines.join("\n")
}

fn as_json(entry: &LedgerEntry) -> Value {
    let LedgerEntry { sequence, record, hash, .. } = entry;
    json!({
        "sequence": sequence,
        "at": record.at,
        "who": record.who,
        "event": record.event,
        "facts": record.facts,
        "hash": hash,
    })
}

/// A fact without quotation marks around a text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
