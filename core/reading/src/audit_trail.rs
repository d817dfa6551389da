//! Questions to the events of the audit trail: the latest ones, those that come, and ready reports.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use core_audit::HOUR_MS;
use core_engine::Failure;
use core_model::declared;
use core_query::{QueryError, QuerySession};

use crate::failure::internal;

/// The time for which late events are noticed while events are followed, in milliseconds.
const FOLLOWED_MS: i64 = 48 * HOUR_MS;

/// The columns of an event that are asked for: the first and the last only order them.
const COLUMNS: &str =
    "_key, \"occurredOn\", code, action, account, source, message, \"observedOn\"";

/// A ready report.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// The question, in SQL. Its first line is a comment of one sentence that says what it is about.
    pub sql: &'static str,
}

/// The ready reports.
pub const REPORTS: [Report; 4] = [
    Report { name: "failed-logins", sql: include_str!("audit/failed-logins.sql") },
    Report { name: "new-power", sql: include_str!("audit/new-power.sql") },
    Report { name: "support-access", sql: include_str!("audit/support-access.sql") },
    Report { name: "outside-hours", sql: include_str!("audit/outside-hours.sql") },
];

impl Report {
    /// Says in a sentence what the report is about.
    pub fn about(&self) -> &'static str {
        self.sql.lines().next().unwrap_or("").trim_start_matches("-- ")
    }
}

/// The events that are wanted; each list that is empty allows all.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    /// The codes of the trail.
    pub codes: &'a [u32],
    /// The accounts that did it.
    pub accounts: &'a [String],
    /// The actions.
    pub actions: &'a [String],
}

impl Filter<'_> {
    /// Returns the question for the latest events that match, the oldest of them first.
    pub fn latest(&self, lines: u32) -> String {
        format!(
            "select * from (select {COLUMNS} from {} where {} order by \"observedOn\" desc, _key limit {lines}) \
             order by \"observedOn\", _key",
            declared::event_type().type_name,
            self.condition()
        )
    }

    /// Returns the question for the events of the last days that match, at a time in milliseconds since 1970-01-01 UTC.
    pub fn recent(&self, now_ms: i64) -> String {
        let from = jiff::Timestamp::from_millisecond(now_ms - FOLLOWED_MS);
        let from = from.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        format!(
            "select {COLUMNS} from {} where {} and \"observedOn\" >= timestamp '{from:.0}' \
             order by \"observedOn\", _key",
            declared::event_type().type_name,
            self.condition()
        )
    }

    fn condition(&self) -> String {
        let quoted = |text: &String| format!("'{}'", text.replace('\'', "''"));
        let list = |texts: &[String]| texts.iter().map(quoted).collect::<Vec<_>>().join(", ");
        let mut conditions = vec!["true".to_owned()];
        if !self.codes.is_empty() {
            let codes: Vec<String> = self.codes.iter().map(u32::to_string).collect();
            conditions.push(format!("code in ({})", codes.join(", ")));
        }
        if !self.accounts.is_empty() {
            conditions.push(format!("account in ({})", list(self.accounts)));
        }
        if !self.actions.is_empty() {
            conditions.push(format!("action in ({})", list(self.actions)));
        }
        conditions.join(" and ")
    }
}

/// Asks the events.
///
/// # Errors
///
/// They cannot be read.
pub async fn rows(session: &QuerySession, sql: &str) -> Result<Vec<RecordBatch>, Failure> {
    let answer = async { session.sql(sql)?.collect().await };
    answer.await.map_err(|error: QueryError| internal(error))
}

/// Returns the columns of events that a reader sees.
pub fn shown_columns(batch: &RecordBatch) -> Vec<usize> {
    (1..batch.num_columns().saturating_sub(1)).collect()
}

/// The events that a reader who follows them has seen.
#[derive(Debug, Default)]
pub struct Seen(HashSet<String>);

impl Seen {
    /// The events of some rows.
    pub fn new(batches: &[RecordBatch]) -> Self {
        Self(batches.iter().flat_map(keys).collect())
    }

    /// Returns the rows whose events were not seen. What was seen are these rows from now on: others of before are out
    /// of the period that is looked at, so that the keys do not become more and more.
    pub fn unseen(&mut self, batches: &[RecordBatch]) -> Vec<RecordBatch> {
        let mut new = Vec::new();
        let mut now = HashSet::new();
        for batch in batches {
            for (row, key) in keys(batch).into_iter().enumerate() {
                if now.insert(key.clone()) && !self.0.contains(&key) {
                    new.push(batch.slice(row, 1));
                }
            }
        }
        self.0 = now;
        new
    }
}

fn keys(batch: &RecordBatch) -> Vec<String> {
    let column = batch.column(0);
    match column.as_string_view_opt() {
        Some(keys) => keys.iter().flatten().map(str::to_owned).collect(),
        None => column.as_string::<i32>().iter().flatten().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn each_event_is_followed_once_and_keys_of_past_periods_are_let_go_of() {
        let mut seen = Seen::default();
        for (window, expected) in [
            (vec!["a", "b"], vec!["a", "b"]),
            (vec!["a", "b", "c"], vec!["c"]),
            (vec!["b", "c", "d", "d"], vec!["d"]),
            (vec!["d"], vec![]),
        ] {
            let column: ArrayRef = Arc::new(StringArray::from(window.clone()));
            let batch = RecordBatch::try_from_iter([("_key", column)]).expect("one column");
            let new: Vec<String> = seen.unseen(&[batch]).iter().flat_map(keys).collect();
            assert_eq!(new, expected);
            assert_eq!(seen.0, window.into_iter().map(str::to_owned).collect());
        }
    }

    #[test]
    fn a_text_of_a_filter_stays_a_text() {
        let accounts = ["o'neill".to_owned(), "x') or true --".to_owned()];
        let filter = Filter { codes: &[1, 22], accounts: &accounts, actions: &[] };
        let expected = "true and code in (1, 22) and account in ('o''neill', 'x'') or true --')";
        assert_eq!(filter.condition(), expected);
        assert_eq!(Filter::default().condition(), "true");
    }

    #[test]
    fn each_report_says_in_a_whole_sentence_what_it_is_about() {
        for report in REPORTS {
            let about = report.about();
            let is_sentence = about.starts_with(char::is_uppercase) && about.ends_with('.');
            assert!(report.sql.starts_with("-- ") && is_sentence, "{}: {about}", report.name);
        }
    }
}
