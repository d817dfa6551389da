//! The changes of findings, the newest first.

use std::cmp::Reverse;

use core_engine::Failure;
use core_engine::ledger::Event;
use core_rules::finding::{Finding, HistoryEntry};
use core_rules::fingerprint::FindingId;
use core_rules::view::{HappeningView, time};
use serde_json::{Value, json};

use super::{Findings, reason, short, word};

/// The changes of findings, the newest first.
pub struct History<'a> {
    entries: Vec<(FindingId, &'a Finding, &'a HistoryEntry)>,
    /// The number of all changes, those that are not listed included.
    of: usize,
}

impl Findings<'_> {
    /// Returns so many of the last changes, or all, of all findings or of the one whose ID begins with a text. The ledger
    /// gets an entry.
    ///
    /// # Errors
    ///
    /// As [`Findings::named`].
    pub fn history(
        &self,
        only: Option<&str>,
        lines: Option<usize>,
    ) -> Result<History<'_>, Failure> {
        let only = only.map(|text| self.named(text)).transpose()?;
        self.reader.record(&Event::FindingsRead { what: "history" });
        let mut entries = Vec::new();
        for (id, finding) in self.book.findings() {
            if only.is_none_or(|only| only == *id) {
                entries.extend(finding.history.iter().map(|entry| (*id, finding, entry)));
            }
        }
        entries.sort_by_key(|(id, _, entry)| (Reverse(entry.at), *id));
        let of = entries.len();
        entries.truncate(lines.unwrap_or(of));
        Ok(History { entries, of })
    }
}

impl History<'_> {
    /// Returns the changes as objects.
    pub fn objects(&self) -> impl Iterator<Item = Value> {
        self.entries.iter().map(|(id, finding, entry)| {
            let mut object = json!(HappeningView::new(entry));
            object["finding"] = json!(id);
            object["rule"] = json!(finding.rule);
            object["text"] = json!(finding.text);
            object
        })
    }

    /// Returns a remark if changes are left out.
    pub fn remark(&self) -> Option<String> {
        let listed = self.entries.len();
        (listed < self.of).then(|| {
            format!("the last {listed} of {} changes are shown: `--lines` shows more", self.of)
        })
    }

    /// Returns a table for a terminal of so many columns.
    pub fn table(&self, columns: Option<usize>) -> String {
        let rows = self.entries.iter().map(|(id, finding, entry)| {
            [
                time(entry.at),
                short(*id),
                format!("{}{}", word(entry), reason(entry)),
                finding.rule.clone(),
                finding.text.clone(),
            ]
        });
        let header = ["when", "finding", "what happened", "rule", "text"];
        core_terminal::table(header, rows, header.len(), columns)
    }
}
