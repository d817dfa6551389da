//! The parts of `docs/personal-data.md` about columns and profiles, and about the rights of people.

use std::fmt::Write as _;

use core_model::column::Column;
use core_model::step::Step;

use crate::profile::Profile;

/// Erasure and retrieval, retention, the ledger, the keys.
const RIGHTS: &str = include_str!("rights.md");

/// Returns the table of the linked steps' columns with their classes and the actions of each
/// profile, followed by the rights of people.
pub fn columns_and_rights() -> String {
    let keys: Vec<&str> = Step::all().iter().flat_map(|step| step.key_columns()).collect();
    let mut page = String::from(
        "\n## Columns\n\nThe action of each `[privacy] profile` on each column, before anything of it is \
         stored. `[privacy.columns]` overrides single columns.\n\n| Column | Class | `full` | `pseudonymous` | \
         `minimal` |\n| --- | --- | --- | --- | --- |\n",
    );
    for column in Column::all() {
        let is_key = keys.contains(&column.name);
        let [full, pseudonymous, minimal] =
            Profile::ALL.map(|profile| profile.action(column, is_key));
        let _ = writeln!(
            page,
            "| `{}` | {} | {full} | {pseudonymous} | {minimal} |",
            column.name,
            column.class.name()
        );
    }
    page + RIGHTS
}
