//! A retrieval as one HTML file for the person whom it is about: no scripts, nothing loaded from
//! elsewhere, every value escaped.

use std::fmt::Write as _;

use core_erasure::retrieval::Retrieval;
use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1,h2,h3{line-height:1.2}table{border-collapse:collapse;margin:0 0 1.5rem;width:100%}\
th,td{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;vertical-align:top;\
overflow-wrap:anywhere}th{width:14rem;background:#f2f2f2}";

/// The page.
pub(crate) fn html(retrieval: &Retrieval) -> String {
    let mut page =
        String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str("<title>Personal data</title>\n");
    let _ = writeln!(page, "<style>{STYLE}</style>\n</head>\n<body>");
    let _ = writeln!(
        page,
        "<h1>Personal data of a {}</h1>\n<p>Tenant {} ({}), {}. Others who turn up beside are not \
         named.</p>",
        retrieval.kind,
        escaped(&retrieval.tenant),
        escaped(&retrieval.region),
        escaped(&retrieval.at)
    );
    page.push_str("<h2>Known by</h2>\n<ul>\n");
    for text in &retrieval.identifiers {
        let _ = writeln!(page, "<li>{}</li>", escaped(text));
    }
    page.push_str("</ul>\n");
    for (title, tables) in
        [("Objects", &retrieval.entities), ("Relationships", &retrieval.relationships)]
    {
        let _ = writeln!(page, "<h2>{title}</h2>");
        // What it is about comes before what goes with it.
        let is_other = |name: &str| !name.ends_with(retrieval.kind);
        let mut tables: Vec<_> = tables.iter().collect();
        tables.sort_by_key(|(name, _)| is_other(name));
        for (name, rows) in tables {
            let name = name.strip_prefix("nexthink_").unwrap_or(name).replace('_', " ");
            section(&mut page, &name, rows);
        }
    }
    page.push_str("<h2>Audit trail</h2>\n");
    section(&mut page, "Events", &retrieval.audit_events);
    section(&mut page, "Findings", &retrieval.findings);
    page.push_str("<h2>History</h2>\n");
    let held = retrieval.history.iter().map(|it| serde_json::to_value(it).unwrap_or_default());
    section(&mut page, "Kept generations", &held.collect::<Vec<_>>());
    section(&mut page, "Given to", &retrieval.deliveries);
    section(&mut page, "How long it is kept", std::slice::from_ref(&retrieval.retention));
    page.push_str("</body>\n</html>\n");
    page
}

fn section(page: &mut String, name: &str, rows: &[Value]) {
    let _ = writeln!(page, "<h3>{} ({})</h3>", escaped(name), rows.len());
    for row in rows {
        page.push_str("<table>\n");
        for (name, value) in row.as_object().into_iter().flatten().filter(|(_, it)| !it.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ =
                writeln!(page, "<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(&value));
        }
        page.push_str("</table>\n");
    }
}

/// A text as HTML shows it, whatever it holds.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for it in core_query::escape_for_terminal(text).chars() {
        match it {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            it => escaped.push(it),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_is_markup() {
        let text = escaped("<script>alert('x')</script> & \"y\"\u{202e}");
        assert!(!text.contains(['<', '>', '"', '\'', '\u{202e}']), "{text}");
    }
}
