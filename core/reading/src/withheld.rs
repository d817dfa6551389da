//! The columns that readers without personal data are not shown.

use core_engine::reader::{ReaderView, ReaderViews};
use core_query::{ColumnView, Withholding};

use crate::findings_table::{PLAIN_COLUMNS, TYPE as FINDING};
use crate::software_tables::{ADVISORIES, EOL};

/// The properties that a run gives to every entity begin with this.
const TAG: &str = "tag.";

/// Withholds personal columns. `remedy` says what the user has to do to see them.
pub fn personal_columns(remedy: &str) -> Withholding {
    let views = ReaderViews::from_declarations();
    Withholding::new(move |type_name, column| view(&views, type_name, column), remedy)
}

fn view(views: &ReaderViews, type_name: &str, column: &str) -> ColumnView {
    match views.get(type_name, column) {
        Some(ReaderView::Stored) => ColumnView::Stored,
        Some(ReaderView::Day) => ColumnView::Day,
        None if column.starts_with(TAG) => ColumnView::Stored,
        // Packages and systems, and what the user's files say about them.
        None if [EOL, ADVISORIES].contains(&type_name) => ColumnView::Stored,
        // The texts of findings show rows.
        None if type_name == FINDING && PLAIN_COLUMNS.contains(&column) => ColumnView::Stored,
        // A column that no step declares may hold anything.
        Some(ReaderView::Withheld) | None => ColumnView::Withheld,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_declared_as_plain_are_shown_and_undeclared_ones_are_not() {
        let views = ReaderViews::from_declarations();
        let table = [
            ("nexthink_package", "version", ColumnView::Stored),
            ("nexthink_user", "displayName", ColumnView::Withheld),
            ("nexthink_device", "tag.AccountName", ColumnView::Stored),
            ("nexthink_device", "columnOfAnotherVersion", ColumnView::Withheld),
            (EOL, "product", ColumnView::Stored),
            (ADVISORIES, "advisory", ColumnView::Stored),
            (FINDING, "severity", ColumnView::Stored),
            (FINDING, "name", ColumnView::Withheld),
            (FINDING, "acknowledgedBy", ColumnView::Withheld),
            ("program_status", "subject", ColumnView::Withheld),
        ];
        for (type_name, column, expected) in table {
            assert_eq!(view(&views, type_name, column), expected, "{type_name} {column}");
        }
    }
}
