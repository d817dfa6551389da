//! A comparison as one HTML file: no scripts, nothing loaded from elsewhere, every value escaped.

use std::io::Write;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, RecordBatch};
use core_query::{DiffDetail, DiffReport, QueryError};

use super::summary;
use crate::commands::privacy::page::escaped;

const STYLE: &str = "body{font:16px/1.5 sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}\
table{border-collapse:collapse;margin:0 0 1.5rem;width:100%}\
th,td{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;vertical-align:top;\
overflow-wrap:anywhere}th{background:#f2f2f2}td.number{text-align:right}";

/// Begins the page, and the table of changes if there is one.
pub(super) fn begin(out: &mut impl Write, detail: DiffDetail) -> Result<(), QueryError> {
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>Changes</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Changes</h1>\n"
    )?;
    let schema = detail.schema();
    if schema.fields().is_empty() {
        return Ok(());
    }
    write!(out, "<table>\n<tr>")?;
    for field in schema.fields() {
        write!(out, "<th>{}</th>", escaped(field.name()))?;
    }
    writeln!(out, "</tr>")?;
    Ok(())
}

/// Writes changes.
pub(super) fn rows(out: &mut impl Write, batch: &RecordBatch) -> Result<(), QueryError> {
    for row in 0..batch.num_rows() {
        write!(out, "<tr>")?;
        for column in batch.columns() {
            let texts = column.as_string::<i32>();
            let text = if texts.is_null(row) { "" } else { texts.value(row) };
            write!(out, "<td>{}</td>", escaped(text))?;
        }
        writeln!(out, "</tr>")?;
    }
    Ok(())
}

/// Ends the page with the counts.
pub(super) fn end(
    out: &mut impl Write,
    report: &DiffReport,
    has_rows: bool,
) -> Result<(), QueryError> {
    let (before, after) = (&report.before, &report.after);
    writeln!(
        out,
        "{}<p>Generation {} of {} compared with {} of {}.</p>",
        if has_rows { "</table>\n" } else { "" },
        escaped(&after.0),
        escaped(&after.1),
        escaped(&before.0),
        escaped(&before.1)
    )?;
    writeln!(
        out,
        "<table>\n<tr><th>type</th><th>before</th><th>after</th><th>added</th><th>removed</th>\
         <th>changed</th><th>unknown</th><th>carried over</th></tr>"
    )?;
    for diff in &report.types {
        write!(out, "<tr><td>{}</td>", escaped(&diff.name))?;
        for number in [
            diff.before,
            diff.after,
            diff.added,
            diff.removed,
            diff.changed,
            diff.unknown,
            diff.carried_over,
        ] {
            write!(out, "<td class=\"number\">{number}</td>")?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</table>\n<table>\n<tr><th>type</th><th>property</th><th>changed</th></tr>")?;
    for diff in &report.types {
        for (property, count) in &diff.properties {
            writeln!(
                out,
                "<tr><td>{}</td><td>{}</td><td class=\"number\">{count}</td></tr>",
                escaped(&diff.name),
                escaped(property)
            )?;
        }
    }
    writeln!(out, "</table>\n<ul>")?;
    for remark in summary::remarks(report) {
        writeln!(out, "<li>{}</li>", escaped(&remark))?;
    }
    writeln!(out, "</ul>\n</body>\n</html>")?;
    Ok(())
}
