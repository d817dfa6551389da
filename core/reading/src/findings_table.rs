//! The table `nexthink_finding`, so that findings can be asked for beside what they are about.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{Field, Schema};
use core_engine::Failure;
use core_query::AddedTable;
use core_rules::book::Book;

/// The `_type` of findings.
pub(crate) const TYPE: &str = "nexthink_finding";
/// Their `_class`.
const CLASS: &str = "Finding";
/// The columns that tell nothing about a person, whatever a rule finds.
pub(crate) const PLAIN_COLUMNS: [&str; 9] = [
    "rule",
    "ruleTitle",
    "severity",
    "state",
    "open",
    "unknown",
    "createdOn",
    "openedOn",
    "resolvedOn",
];

/// The findings as a table.
pub(crate) fn table(book: &Book) -> Result<AddedTable, Failure> {
    let findings: Vec<_> = book.findings().iter().collect();
    let texts = |text: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
        Arc::new((0..findings.len()).map(text).collect::<StringArray>())
    };
    let flags = |flag: &dyn Fn(usize) -> bool| -> ArrayRef {
        Arc::new((0..findings.len()).map(|row| Some(flag(row))).collect::<BooleanArray>())
    };
    let times = |time: &dyn Fn(usize) -> Option<u64>| -> ArrayRef {
        let times = (0..findings.len()).map(|row| i64::try_from(time(row)?).ok());
        Arc::new(times.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
    };
    let finding = |row: usize| findings[row].1;
    let title = |row: usize| book.rule(&finding(row).rule).map(|rule| rule.title.clone());
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_key", texts(&|row| Some(format!("{TYPE}:{}", findings[row].0)))),
        ("name", texts(&|row| Some(finding(row).text.clone()))),
        ("displayName", texts(&|row| Some(finding(row).text.clone()))),
        ("rule", texts(&|row| Some(finding(row).rule.clone()))),
        ("ruleTitle", texts(&title)),
        ("severity", texts(&|row| Some(book.severity(finding(row)).name().to_owned()))),
        ("state", texts(&|row| Some(finding(row).state().name().to_owned()))),
        ("open", flags(&|row| finding(row).life.is_active())),
        ("unknown", flags(&|row| finding(row).life.is_unknown)),
        ("entityKey", texts(&|row| finding(row).entity.clone())),
        ("acknowledgedBy", texts(&|row| Some(finding(row).acknowledged.as_ref()?.by.clone()))),
        ("createdOn", times(&|row| Some(finding(row).first_seen))),
        ("openedOn", times(&|row| finding(row).opened)),
        ("resolvedOn", times(&|row| finding(row).resolved)),
    ];
    let fields = columns.iter().map(|(name, column)| {
        let data_type = column.data_type().clone();
        Field::new(*name, data_type, *name != "_key")
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(anyhow::Error::new)?;
    let (name, class) = (TYPE.to_owned(), CLASS.to_owned());
    Ok(AddedTable { name, class, schema, batches: vec![batch], partial: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_findings_the_table_is_empty_and_has_all_columns() {
        let table = table(&Book::default()).map_err(|failure| failure.error).expect("it is made");
        assert_eq!((table.name.as_str(), table.class.as_str()), ("nexthink_finding", "Finding"));
        assert_eq!(table.batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
        assert!(!table.partial, "findings are never partial");
        let key = table.schema.field_with_name("_key").expect("every table has a key");
        assert!(!key.is_nullable());
    }

    #[test]
    fn every_column_that_is_shown_to_all_is_one_of_the_table_and_none_shows_a_row() {
        let table = table(&Book::default()).map_err(|failure| failure.error).expect("it is made");
        for column in PLAIN_COLUMNS {
            assert!(table.schema.field_with_name(column).is_ok(), "{column}");
        }
        for personal in ["name", "displayName", "entityKey", "acknowledgedBy"] {
            assert!(table.schema.field_with_name(personal).is_ok(), "{personal}");
            assert!(!PLAIN_COLUMNS.contains(&personal), "{personal} may show a person");
        }
    }
}
