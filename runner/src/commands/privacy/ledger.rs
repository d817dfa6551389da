//! `privacy ledger`: lists and verifies who did what with the data.

use core_cli::{Global, ReportFormat, RowFormat};
use core_engine::ledger::report;
use core_store::LedgerHead;

use crate::exit::{Exit, Failure};
use crate::{commands, output};

/// Lists the entries, the oldest first.
pub(super) fn list(global: &Global, events: &[String], format: RowFormat) -> Result<Exit, Failure> {
    let mut entries = commands::tenant(global)?.ledger().entries()?;
    entries.retain(|entry| events.is_empty() || events.contains(&entry.record.event));
    let (objects, cells) =
        (entries.iter().map(report::entry_json), entries.iter().map(report::cells));
    commands::show::list(format, objects, report::HEADER, cells, 5)
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
            output::json(&report::verification_json(&verification, known.len()))?;
        }
        ReportFormat::Table => {
            output::result(&report::verification_text(&verification, known.len()));
        }
    }
    if verification.findings.is_empty() {
        return Ok(Exit::Complete);
    }
    output::error_text("the ledger is not whole: an entry was changed, removed or moved");
    Ok(Exit::DataRefused)
}
