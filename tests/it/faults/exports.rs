//! Results files as a test wants them: the rows of the tenant with something changed about them, and
//! what a run must make of that.

use std::fs;

use core_simulator::{Content, Results, ResultsCompression, Row, SavedQuery, Tenant};
use serde_json::Value;

use super::case::{Case, estate};
use crate::kit::{Run, Scene, TENANT};

/// The rows of a query, to be changed and written.
#[derive(Clone)]
pub(crate) struct Export {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Export {
    /// The tenant of the cases.
    pub(crate) fn of(query: SavedQuery) -> Export {
        let tenant = Tenant::new(estate());
        let (mut rows, mut row) = (Vec::new(), Row::new());
        for slot in 0..tenant.slots(query) {
            if tenant.row(query, slot, &mut row) {
                rows.push(row.cells().map(str::to_owned).collect());
            }
        }
        let columns = query.columns().iter().map(|&column| column.to_owned()).collect();
        Export { columns, rows }
    }

    /// Where a column is.
    pub(crate) fn position(&self, column: &str) -> usize {
        let position = self.columns.iter().position(|name| name == column);
        position.unwrap_or_else(|| panic!("there is no column {column}"))
    }

    /// The cell of a row.
    pub(crate) fn cell(&mut self, row: usize, column: &str) -> &mut String {
        let column = self.position(column);
        &mut self.rows[row][column]
    }

    /// The same with another cell.
    pub(crate) fn with(mut self, row: usize, column: &str, cell: &str) -> Export {
        cell.clone_into(self.cell(row, column));
        self
    }

    /// Leaves a column out.
    pub(crate) fn without(mut self, column: &str) -> Export {
        let position = self.position(column);
        self.columns.remove(position);
        for row in &mut self.rows {
            row.remove(position);
        }
        self
    }

    /// Gives a column another name.
    pub(crate) fn renamed(mut self, column: &str, name: &str) -> Export {
        let position = self.position(column);
        name.clone_into(&mut self.columns[position]);
        self
    }

    /// The lines of the file, each with its end.
    pub(crate) fn lines(&self) -> Vec<String> {
        let rows = std::iter::once(&self.columns).chain(&self.rows);
        rows.map(|row| line(row.iter().map(|cell| quoted(cell)), ",")).collect()
    }

    /// As Nexthink writes it.
    pub(crate) fn csv(&self) -> String {
        self.lines().concat()
    }

    /// Lets a tenant give this for a query.
    pub(crate) fn serve(&self, scene: &Scene, query: SavedQuery) {
        serve(scene, query, self.csv());
    }

    /// With something else between the cells.
    pub(crate) fn separated_by(&self, separator: &str) -> String {
        let rows = std::iter::once(&self.columns).chain(&self.rows);
        rows.map(|row| line(row.iter().map(|cell| quoted(cell)), separator)).collect()
    }
}

/// Lets a tenant give a text for a query, compressed as the program asks.
pub(crate) fn serve(scene: &Scene, query: SavedQuery, text: String) {
    let results = Results { content: text.into(), compression: ResultsCompression::Requested };
    scene.update(|behaviour| {
        behaviour.queries.entry(query.id().to_owned()).or_default().results = Some(results);
    });
}

/// The devices of the tenant.
pub(crate) fn devices() -> Export {
    Export::of(SavedQuery::Devices)
}

/// A line of cells that need no quotes any more.
fn line(cells: impl Iterator<Item = String>, separator: &str) -> String {
    cells.collect::<Vec<_>>().join(separator) + "\n"
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

impl Case {
    /// Lets a query give this, compressed as the program asks.
    pub(crate) fn serving(self, query: SavedQuery, content: impl Into<Content>) -> Case {
        self.serving_as(query, ResultsCompression::Requested, content)
    }

    /// The same, compressed in another way.
    pub(crate) fn serving_as(
        self,
        query: SavedQuery,
        compression: ResultsCompression,
        content: impl Into<Content>,
    ) -> Case {
        let results = Results { content: content.into(), compression };
        self.fault(|behaviour| {
            behaviour.queries.entry(query.id().to_owned()).or_default().results = Some(results);
        })
    }
}

/// The tenant with such a devices export.
pub(crate) fn with_devices(content: impl Into<Content>) -> Case {
    Case::new().serving(SavedQuery::Devices, content)
}

/// The devices export is refused with this message, and the rest of the run goes on.
pub(crate) fn assert_refused(case: &Case, telling: &str) -> Run {
    let run = case.run(7);
    let step = run.step("fetch-devices");
    assert_eq!(step["outcome"], "failed", "{telling}: {step}");
    assert!(text(&step["reason"]).contains(telling), "{telling}: {step}");
    assert_eq!(run.step("fetch-users")["outcome"], "complete");
    assert!(run.partial_types().contains(&"nexthink_device"));
    run
}

/// The devices export is used, but not all of it, for this reason.
pub(crate) fn assert_partial(case: &Case, telling: &str) -> Run {
    let run = case.run(7);
    let step = run.step("fetch-devices");
    assert_eq!(step["outcome"], "partial", "{telling}: {step}");
    assert!(text(&step["reason"]).contains(telling), "{telling}: {step}");
    run
}

/// So many rows of the devices export are set aside for this reason, and all others are used.
pub(crate) fn assert_quarantined(case: &Case, rows: u64, reason: &str) -> Run {
    let run = assert_partial(case, "rows were quarantined");
    let step = run.step("fetch-devices");
    assert_eq!(step["rows"]["quarantined"], rows, "{reason}: {step}");
    let listed = step["quarantine"].as_array().into_iter().flatten();
    assert!(listed.clone().all(|row| text(&row["reason"]) == reason), "{reason}: {step}");
    assert_eq!(listed.count() as u64, rows);
    run
}

/// The devices export makes exactly the tables that there were.
pub(crate) fn assert_changes_nothing(case: &Case) -> Run {
    let before = case.scene().tables();
    let run = case.run(0);
    assert!(case.scene().tables() == before, "{}", run.step("fetch-devices"));
    run
}

/// As if hours had passed: an export that would remove too much is kept for the run that accepts it,
/// and is too old then.
pub(crate) fn forget_downloads(case: &Case) {
    let downloads = case.scene().path("store").join(TENANT).join("staging").join("downloads");
    fs::remove_dir_all(downloads).expect("something was kept");
}

/// A text of a report.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}
