//! The parts of `docs/personal-data.md` that are about columns, with what the profiles do to each, and
//! about what can be done for the people in them.

use std::fmt::Write as _;

use core_model::column::Column;
use core_model::step::Step;

use crate::profile::Profile;

/// How people are erased and looked up, how long things are kept, the ledger, the keys.
const RIGHTS: &str = include_str!("rights.md");

/// The columns of the linked steps with their classes and what each profile does to them, and after it
/// what can be done for the people in them.
pub fn columns_and_rights() -> String {
    let keys: Vec<&str> = Step::all().iter().flat_map(|it| it.key_columns()).collect();
    let mut page = String::from(
        "\n## Columns\n\nWhat `[privacy] profile` does to each column before anything is kept of it; \
         `[privacy.columns]` changes single ones.\n\n| Column | Class | `full` | `pseudonymous` | \
         `minimal` |\n| --- | --- | --- | --- | --- |\n",
    );
    for column in Column::all() {
        let is_key = keys.contains(&column.name);
        let [full, pseudonymous, minimal] = Profile::ALL.map(|it| it.action(column, is_key));
        let _ = writeln!(
            page,
            "| `{}` | {} | {full} | {pseudonymous} | {minimal} |",
            column.name,
            column.class.name()
        );
    }
    page + RIGHTS
}
