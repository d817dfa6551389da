//! The changes of a delivery at JupiterOne, by comparing the rows of the generation with those of the one that was
//! delivered last.

use core_destination::{DeliveryPlan, TypeChanges};
use core_store::{Table, TableKind};

use crate::contents::Contents;
use crate::error::JupiterOneError;

/// Compares what is to be delivered with what was delivered last; with nothing, everything is
/// created. Reads both generations and blocks; holds 16 bytes for each row of the largest table, once for each
/// of the two generations.
///
/// Types that are partial may have more objects at JupiterOne than the last generation had; nothing
/// is known of those here.
///
/// # Errors
///
/// [`JupiterOneError::Store`] and [`JupiterOneError::Column`].
pub fn plan_between(
    previous: Option<&Contents>,
    next: &Contents,
) -> Result<DeliveryPlan, JupiterOneError> {
    let mut types = Vec::new();
    for kind in [TableKind::Entity, TableKind::Relationship] {
        for table in next.tables(kind) {
            types.push(compare(previous, next, table)?);
        }
        let before = previous.into_iter().flat_map(|contents| contents.tables(kind));
        let is_gone = |table: &&Table| !next.tables(kind).any(|now| now.name == table.name);
        for table in before.filter(is_gone) {
            let contents = previous.filter(|contents| contents.is_of_persons(table));
            let counted = contents.map(|contents| rows(contents, table)).transpose()?;
            let rows = counted.map_or(table.rows, |rows| rows.len() as u64);
            types.push(gone(next, &table.name, rows));
        }
    }
    go_with_their_ends(&mut types, next);
    let was_partial = previous.into_iter().flat_map(Contents::partial_datasets);
    let completed = was_partial.filter(|name| !next.partial_datasets().contains(*name));
    Ok(DeliveryPlan { types, completed: completed.cloned().collect() })
}

fn compare(
    previous: Option<&Contents>,
    next: &Contents,
    table: &Table,
) -> Result<TypeChanges, JupiterOneError> {
    let before = previous.and_then(|contents| {
        let table = contents.tables(table.kind).find(|before| before.name == table.name);
        table.map(|table| (contents, table))
    });
    if let Some((contents, before)) = before
        && before.files == table.files
        && before.class == table.class
        && contents.extras() == next.extras()
        && !next.is_of_persons(table)
    {
        let type_name = table.name.clone();
        return Ok(TypeChanges { type_name, unchanged: table.rows, ..TypeChanges::default() });
    }
    let known = before.map_or(Ok(Vec::new()), |(contents, table)| rows(contents, table))?;
    let is_partial = next.partial_datasets().contains(&table.name);
    Ok(TypeChanges::between(&table.name, is_partial, known, rows(next, table)?))
}

/// A relationship goes with either of its ends, also where its type is partial. A generation carries all
/// others of such a type over, so what it misses of them has lost an end.
fn go_with_their_ends(types: &mut [TypeChanges], next: &Contents) {
    let shrinking: Vec<String> = types
        .iter()
        .filter(|changes| changes.deletes > 0)
        .map(|changes| changes.type_name.clone())
        .collect();
    for changes in types {
        let ends = next.ends_of(&changes.type_name).into_iter().flatten();
        if ends.into_iter().any(|end| shrinking.contains(end)) {
            changes.deletes += std::mem::take(&mut changes.kept);
        }
    }
}

/// A type that is delivered no more.
fn gone(next: &Contents, type_name: &str, rows: u64) -> TypeChanges {
    let is_kept = next.partial_datasets().contains(type_name);
    let (kept, deletes) = if is_kept { (rows, 0) } else { (0, rows) };
    TypeChanges { type_name: type_name.to_owned(), kept, deletes, ..TypeChanges::default() }
}

/// The fingerprints of a table's rows, each a key and a content.
fn rows(contents: &Contents, table: &Table) -> Result<Vec<(u64, u64)>, JupiterOneError> {
    let mut rows = Vec::with_capacity(usize::try_from(table.rows).unwrap_or_default());
    contents.for_each_row(table, &mut |row| rows.push((row.key, row.content)))?;
    Ok(rows)
}
