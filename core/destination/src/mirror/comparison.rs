//! The changes of a delivery at a mirror, by comparing the rows of two generations.

use core_store::{Table, TableKind};

use super::{MirrorScope, MirroredTypes, TableMark};
use crate::destination::DeliveryError;
use crate::plan::{DeliveryPlan, TypeChanges};
use crate::rows::for_each_fingerprint;

/// The columns that identify a row.
pub(super) fn keys_of(kind: TableKind) -> &'static [&'static str] {
    match kind {
        TableKind::Entity => &["_key"],
        TableKind::Relationship => &["_fromEntityKey", "_toEntityKey"],
    }
}

/// Compares what is to be delivered with what was delivered last; with nothing, everything is created. Holds 16
/// bytes for each row of the largest table, once for each of the two generations.
pub(super) fn plan_between(
    base: Option<&MirrorScope>,
    held: Option<&MirroredTypes>,
    next: &MirrorScope,
) -> Result<DeliveryPlan, DeliveryError> {
    let mut types = Vec::new();
    for table in next.tables() {
        types.push(compare(base, next, table)?);
    }
    let before = base.into_iter().flat_map(MirrorScope::tables);
    for table in before.filter(|table| !next.tables().any(|now| now.name == table.name)) {
        let is_removed = next.is_withheld(&table.name);
        let (kept, deletes) = if is_removed { (0, table.rows) } else { (table.rows, 0) };
        let type_name = table.name.clone();
        types.push(TypeChanges { type_name, deletes, kept, ..TypeChanges::default() });
    }
    let was_partial = held.into_iter().flatten().filter(|(_, held)| held.is_partial);
    let is_complete =
        |name: &String| !next.is_partial(name) && next.tables().any(|table| table.name == *name);
    let completed = was_partial.map(|(name, _)| name.clone()).filter(is_complete).collect();
    Ok(DeliveryPlan { types, completed })
}

fn compare(
    base: Option<&MirrorScope>,
    next: &MirrorScope,
    table: &Table,
) -> Result<TypeChanges, DeliveryError> {
    let before = base.and_then(|base| {
        let table = base.tables().find(|before| before.name == table.name)?;
        Some((base, table))
    });
    if before.is_some_and(|(_, before)| TableMark::new(before) == TableMark::new(table)) {
        let (type_name, unchanged) = (table.name.clone(), table.rows);
        return Ok(TypeChanges { type_name, unchanged, ..TypeChanges::default() });
    }
    let known = before.map_or(Ok(Vec::new()), |(base, before)| rows(base, before))?;
    // What a relationship type of the same store lost has lost an end.
    let keeps =
        next.is_partial(&table.name) && !next.after_erasure && table.kind == TableKind::Entity;
    Ok(TypeChanges::between(&table.name, keeps, known, rows(next, table)?))
}

/// The fingerprints of a table's rows, each a key and a content.
fn rows(scope: &MirrorScope, table: &Table) -> Result<Vec<(u64, u64)>, DeliveryError> {
    let mut rows = Vec::with_capacity(usize::try_from(table.rows).unwrap_or_default());
    for batch in scope.generation.batches(table.kind, &table.name)? {
        for_each_fingerprint(&batch?, keys_of(table.kind), &|_| true, b"", &mut |row| {
            rows.push((row.key, row.content));
        })
        .map_err(|(column, found)| {
            DeliveryError::Local(anyhow::anyhow!(
                "column {column} of {} has the type {found}, which no generation has",
                table.name
            ))
        })?;
    }
    Ok(rows)
}
