//! The columns that `--without-personal`, viewers and assistants are not shown.

use core_engine::reader::{ReaderView, ReaderViews};
use core_query::{ColumnView, Withholding};

use crate::commands::findings_table::{PLAIN_COLUMNS, TYPE as FINDING};
use crate::commands::software_tables::{ADVISORIES, EOL};

/// The properties that a run gives to every entity begin with this.
const TAG: &str = "tag.";

/// What a user of the command line has to do to see withheld columns.
pub(crate) const REMEDY: &str = "leave out --without-personal";

/// Withholds personal columns. `remedy` says what the user has to do to see them.
pub(crate) fn personal_columns(remedy: &str) -> Withholding {
    let views = ReaderViews::from_declarations();
    let rule = move |type_name: &str, column: &str| match views.get(type_name, column) {
        Some(ReaderView::Stored) => ColumnView::Stored,
        Some(ReaderView::Day) => ColumnView::Day,
        None if column.starts_with(TAG) => ColumnView::Stored,
        // Packages and systems, and what the user's files say about them.
        None if [EOL, ADVISORIES].contains(&type_name) => ColumnView::Stored,
        // The texts of findings show rows.
        None if type_name == FINDING && PLAIN_COLUMNS.contains(&column) => ColumnView::Stored,
        // What no step declares may be anything.
        Some(ReaderView::Withheld) | None => ColumnView::Withheld,
    };
    Withholding::new(rule, remedy)
}
