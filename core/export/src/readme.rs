//! The page that says what is in an exported folder.

use std::fmt::Write as _;

use crate::{FolderReport, TableFormat};

/// Returns the page: what each part of the folder is, and what is not in it.
pub(crate) fn text(report: &FolderReport, format: TableFormat) -> String {
    let tables = match format {
        TableFormat::Csv => {
            "Tables are comma-separated values with a header (RFC 4180, UTF-8). An empty cell is no value, \
             a list is written as JSON, times are RFC 3339 in UTC. A text that a spreadsheet would run as \
             a formula has a `'` in front: export with `--format parquet` for the exact values."
        }
        TableFormat::Parquet => {
            "A table is a folder of Parquet files, copied byte for byte from the store. DuckDB, Spark, \
             pandas and Polars read them as they are."
        }
    };
    let mut text = format!(
        "# All that is stored of tenant {}\n\n\
         Written by nexthink-graph {}. {tables}\n\n\
         | Folder | Content |\n\
         | --- | --- |\n\
         | `generations/<id>/entities`, `relationships` | the graph as one run published it; the id sorts \
         by time |\n\
         | `generations/<id>/manifest.json` | tables, columns, row counts and checksums of the stored \
         files |\n\
         | `generations/<id>/run.json` | the report of that run |\n\
         | `events` | the events of the audit trail |\n\
         | `ledger/entries.ndjson` | who did what with the data, a line each, chained by hashes |\n\
         | `state` | the small files of the program: quota, retention, the last delivery, suppressions as \
         keyed hashes, certificates of erasures |\n\
         | `quarantine`, `logs`, `other` | what else is stored, if anything |\n\n\
         ## Tables\n\n\
         | Rows | Table |\n\
         | ---: | --- |\n",
        report.tenant,
        env!("CARGO_PKG_VERSION"),
    );
    for (path, rows) in &report.tables {
        let _ = writeln!(text, "| {rows} | `{path}` |");
    }
    if !report.unreadable.is_empty() {
        text.push_str("\n## Generations that could not be exported\n\n");
        for (generation, reason) in &report.unreadable {
            let _ = writeln!(text, "- {generation}: {reason}");
        }
    }
    if !report.unreadable_events.is_empty() {
        text.push_str("\n## Events that could not be exported\n\n");
        for finding in &report.unreadable_events {
            let _ = writeln!(text, "- {finding}");
        }
    }
    text.push_str(
        "\n## Not in this folder\n\n\
         - The key file and the secrets of the configuration: they are not data of the tenant.\n\
         - What was delivered to a destination: it is there.\n",
    );
    if !report.left_out.is_empty() {
        let count = report.left_out.len();
        let _ = writeln!(
            text,
            "- {count} locks and files of a run that has not published yet. The next run uses or removes \
             them.",
        );
    }
    text
}
