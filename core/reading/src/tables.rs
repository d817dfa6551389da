//! The tables that can be asked.

use core_query::QuerySession;
use serde_json::{Value, json};

/// The names of columns in one line of the list where no terminal limits its width.
const COLUMNS_A_LINE: usize = 6;

/// Returns the tables of a session as objects.
pub fn table_objects(session: &QuerySession) -> Vec<Value> {
    let tables = session.tables().iter().map(|table| {
        let columns = table.columns.iter();
        json!({
            "name": table.name,
            "rows": table.rows,
            "partial": table.partial,
            "columns": columns
                .map(|column| json!({ "name": column.name, "type": column.data_type }))
                .collect::<Vec<_>>(),
        })
    });
    tables.collect()
}

/// Returns a list of the tables of a session for a terminal of so many columns.
pub fn table_list(session: &QuerySession, columns: Option<usize>) -> String {
    let rows = session.tables().iter().map(|table| {
        let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        // A terminal breaks the line where it ends, and nowhere else.
        let size = if columns.is_some() { names.len().max(1) } else { COLUMNS_A_LINE };
        let lines: Vec<_> = names.chunks(size).map(|names| names.join(", ")).collect();
        let partial = if table.partial { " (partial)" } else { "" };
        [table.rows.to_string(), format!("{}{partial}", table.name), lines.join(",\n")]
    });
    let header = ["rows", "table", "columns"];
    core_terminal::table(header, rows, header.len(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Opening;
    use crate::testing::Fixture;

    #[tokio::test]
    async fn tables_are_listed_with_their_rows_and_columns() {
        let fixture = Fixture::estate();
        let reader = fixture.reader(None);
        let opened = reader.open(Opening::default()).await.map_err(|failure| failure.error);
        let session = opened.expect("there is a generation").1;
        let objects = table_objects(&session);
        let device = objects.iter().find(|table| table["name"] == "nexthink_device");
        let device = device.expect("it is there");
        assert_eq!((&device["rows"], &device["partial"]), (&json!(3), &json!(false)));
        let columns = device["columns"].as_array().expect("it has some");
        assert!(columns.iter().any(|column| column["name"] == "displayName"), "{device}");
        let list = table_list(&session, None);
        let line = list.lines().find(|line| line.contains("nexthink_device ")).unwrap_or_default();
        assert!(line.trim_start().starts_with('3') && line.contains("_key, "), "{list}");

        // On a terminal, a line of columns ends where the next one has no room.
        let width = 50;
        let list = table_list(&session, Some(width));
        let lines: Vec<&str> = list.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0].ends_with(',')) {
            let next = pair[1].trim_start().split(' ').next().unwrap_or_default();
            assert!(pair[0].chars().count() + 1 + next.len() > width, "{list}");
        }
        assert!(lines.iter().any(|line| line.ends_with(',')), "{list}");
    }
}
