//! An event, read from a row of the table `platform.audit_logs`. Nexthink documents the table but not
//! its columns, so the caller says which cell is what.

use serde_json::json;

use crate::event::{AuditEvent, without_duration};
use crate::lines::{RECORD_CAP, Record};
use crate::pairs::pairs;
use crate::time::TimeReader;

/// The cells of one row. An empty one says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableRow<'a> {
    /// When it was done.
    pub time: &'a str,
    /// Who did it.
    pub account: &'a str,
    /// The code, a number.
    pub code: &'a str,
    /// The action.
    pub message: &'a str,
}

impl TableRow<'_> {
    /// The row as a record: its cells as a JSON object, cut at the cap of a record. Two rows of the same
    /// cells are the same record.
    pub fn to_text(&self) -> RowText {
        let TableRow { time, account, code, message } = self;
        let cells = json!({ "time": time, "account": account, "code": code, "message": message });
        let mut text = cells.to_string();
        let length = text.len() as u64;
        text.truncate(text.floor_char_boundary(RECORD_CAP));
        RowText { text, length }
    }

    /// Reads the row. One whose code is no number is an event of another form, as is a line without a
    /// header.
    pub fn parse(&self, text: &RowText, times: &TimeReader) -> AuditEvent {
        let filled =
            |cell: &str| Some(cell.trim()).filter(|trimmed| !trimmed.is_empty()).map(str::to_owned);
        let code = self.code.trim().parse().ok();
        let (message, duration_ms) = without_duration(self.message.trim());
        let message = &message[..message.floor_char_boundary(RECORD_CAP)];
        AuditEvent {
            occurred_ms: times.read(self.time.as_bytes()),
            source: None,
            category: None,
            code,
            account: filled(self.account),
            message: message.to_owned(),
            details: pairs(message).1,
            duration_ms,
            raw: text.text.clone(),
            raw_length: text.length,
        }
    }
}

/// A row as a record holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowText {
    text: String,
    length: u64,
}

impl RowText {
    /// The identity of the row.
    pub fn record(&self) -> Record<'_> {
        Record { bytes: self.text.as_bytes(), length: self.length }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn event(row: TableRow<'_>) -> AuditEvent {
        row.parse(&row.to_text(), &TimeReader::new(TimeZone::UTC, 1_772_366_400_000))
    }

    const ROW: TableRow<'_> = TableRow {
        time: "2026-03-01T10:00:00Z",
        account: "anna@corp.example",
        code: "91012",
        message: "User created, name=ben, roles=\"Administrator, Viewer\"",
    };

    #[test]
    fn the_cells_are_the_parts_of_an_event() {
        let it = event(ROW);
        assert_eq!(it.occurred_ms, Some(1_772_359_200_000));
        assert_eq!(it.account.as_deref(), Some("anna@corp.example"));
        assert_eq!(it.code, Some(91012));
        assert_eq!(it.message, ROW.message);
        assert_eq!(it.details[1], ("roles".to_owned(), "Administrator, Viewer".to_owned()));
        assert!(it.is_parsed());
    }

    #[test]
    fn l5_a_row_that_cannot_be_read_is_kept_as_it_is() {
        let it = event(TableRow { time: "soon", account: "", code: "none", message: "?" });
        assert!(!it.is_parsed());
        assert_eq!((it.occurred_ms, it.account), (None, None));
        assert_eq!(it.raw, r#"{"account":"","code":"none","message":"?","time":"soon"}"#);
    }

    #[test]
    fn a_long_row_is_cut_and_says_how_long_it_was() {
        let message = "é".repeat(RECORD_CAP);
        let it = event(TableRow { message: &message, ..ROW });
        assert!(it.raw.len() <= RECORD_CAP && it.message.len() <= RECORD_CAP);
        assert!(it.raw_length > 2 * RECORD_CAP as u64);
    }
}
