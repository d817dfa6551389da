//! A comparison as one HTML file: no scripts, nothing loaded from elsewhere, every value escaped. Its
//! rows may be many, so that they are written batch by batch between two constant texts.

use std::io::Write;

use core_terminal::escape_for_terminal as text;
use datafusion::arrow::array::cast::AsArray as _;
use datafusion::arrow::array::{Array as _, RecordBatch};
use maud::html;

use super::{DiffDetail, DiffReport, DiffRequest, summary};
use crate::error::QueryError;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<title>Changes</title>\n<style>body{font:16px/1.5 sans-serif;margin:2rem auto;max-width:80rem;\
padding:0 1rem}table{border-collapse:collapse;margin:0 0 1.5rem;width:100%}\
th,td{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;vertical-align:top;\
overflow-wrap:anywhere}th{background:#f2f2f2}td.number{text-align:right}</style>\n</head>\n<body>\n\
<h1>Changes</h1>\n";

/// Compares two generations and writes the page.
///
/// # Errors
///
/// As [`DiffRequest::run`], and the writer fails.
pub fn write(
    request: &DiffRequest,
    detail: DiffDetail,
    out: &mut impl Write,
) -> Result<DiffReport, QueryError> {
    begin(out, detail)?;
    let report = request.run(detail, &mut |batch| rows(out, &batch))?;
    end(out, &report, detail != DiffDetail::Summary)?;
    out.flush()?;
    Ok(report)
}

/// Begins the page, and the table of changes if there is one.
fn begin(out: &mut impl Write, detail: DiffDetail) -> Result<(), QueryError> {
    out.write_all(HEAD.as_bytes())?;
    let schema = detail.schema();
    if !schema.fields().is_empty() {
        let names = schema.fields().iter().map(|field| text(field.name()));
        let head = html! { tr { @for name in names { th { (name) } } } };
        writeln!(out, "<table>\n{}", head.into_string())?;
    }
    Ok(())
}

/// Writes changes.
fn rows(out: &mut impl Write, batch: &RecordBatch) -> Result<(), QueryError> {
    for row in 0..batch.num_rows() {
        let cells = batch.columns().iter().map(|column| {
            let texts = column.as_string::<i32>();
            text(if texts.is_null(row) { "" } else { texts.value(row) })
        });
        let row = html! { tr { @for cell in cells { td { (cell) } } } };
        writeln!(out, "{}", row.into_string())?;
    }
    Ok(())
}

/// Ends the page with the counts.
fn end(out: &mut impl Write, report: &DiffReport, has_rows: bool) -> Result<(), QueryError> {
    let (before, after) = (&report.before, &report.after);
    let headers =
        ["type", "before", "after", "added", "removed", "changed", "unknown", "carried over"];
    let page = html! {
        p {
            "Generation " (text(&after.0)) " of " (text(&after.1)) " compared with "
            (text(&before.0)) " of " (text(&before.1)) "."
        }
        table {
            tr { @for header in headers { th { (header) } } }
            @for diff in &report.types {
                tr {
                    td { (text(&diff.name)) }
                    @for number in [
                        diff.before,
                        diff.after,
                        diff.added,
                        diff.removed,
                        diff.changed,
                        diff.unknown,
                        diff.carried_over,
                    ] {
                        td.number { (number) }
                    }
                }
            }
        }
        table {
            tr { th { "type" } th { "property" } th { "changed" } }
            @for diff in &report.types {
                @for (property, count) in &diff.properties {
                    tr {
                        td { (text(&diff.name)) }
                        td { (text(property)) }
                        td.number { (count) }
                    }
                }
            }
        }
        ul { @for remark in summary::remarks(report) { li { (text(&remark)) } } }
    };
    let rows_end = if has_rows { "</table>\n" } else { "" };
    writeln!(out, "{rows_end}{}\n</body>\n</html>", page.into_string())?;
    Ok(())
}
