//! What a delivery would change at JupiterOne, by comparing the generation with the one that was
//! delivered last, object by object.

use serde::Serialize;

use core_store::{Table, TableKind};

use crate::contents::Contents;
use crate::error::JupiterOneError;
use crate::findings::Findings;

/// What would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryPlan {
    /// The types in the order in which they would be uploaded, then those that are gone.
    pub types: Vec<TypeChanges>,
    /// Types that were partial and are complete now: only now JupiterOne may delete what it has of them
    /// and this program does not know.
    pub completed: Vec<String>,
}

/// What would change of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeChanges {
    /// The `_type`.
    pub type_name: String,
    /// Objects that JupiterOne does not have.
    pub creates: u64,
    /// Objects that it has with other properties.
    pub updates: u64,
    /// Objects that it would delete, relationships that go with one of their ends included.
    pub deletes: u64,
    /// Objects that it keeps although they are not delivered, because the type is partial.
    pub kept: u64,
    /// Objects that stay as they are.
    pub unchanged: u64,
}

impl DeliveryPlan {
    /// Compares what is to be delivered with what was delivered last; with nothing, everything is
    /// created. Reads both generations and blocks; holds 16 bytes for each object of the largest table.
    ///
    /// Types that are partial may have more objects at JupiterOne than the last generation had; nothing
    /// is known of those here.
    ///
    /// # Errors
    /// [`JupiterOneError::Store`] and [`JupiterOneError::Column`].
    pub fn between(previous: Option<&Contents>, next: &Contents) -> Result<Self, JupiterOneError> {
        let mut types = Vec::new();
        for kind in [TableKind::Entity, TableKind::Relationship] {
            for table in next.tables(kind) {
                types.push(compare(previous, next, table)?);
            }
            let before = previous.into_iter().flat_map(|it| it.tables(kind));
            for table in before.filter(|table| !next.tables(kind).any(|it| it.name == table.name)) {
                let contents = previous.filter(|it| it.is_of_persons(table));
                let counted = contents.map(|it| prints(it, table)).transpose()?;
                let rows = counted.map_or(table.rows, |it| it.len() as u64);
                types.push(gone(next, &table.name, rows));
            }
        }
        go_with_their_ends(&mut types, next);
        let was_partial = previous.into_iter().flat_map(Contents::partial_datasets);
        let completed = was_partial.filter(|name| !next.partial_datasets().contains(*name));
        Ok(Self { types, completed: completed.cloned().collect() })
    }

    /// Returns whether nothing would change, so that no job is needed.
    pub fn is_empty(&self) -> bool {
        self.completed.is_empty()
            && self.types.iter().all(|it| it.creates + it.updates + it.deletes == 0)
    }
}

fn compare(
    previous: Option<&Contents>,
    next: &Contents,
    table: &Table,
) -> Result<TypeChanges, JupiterOneError> {
    let mut changes = TypeChanges { type_name: table.name.clone(), ..TypeChanges::default() };
    let before = previous.and_then(|it| {
        let table = it.tables(table.kind).find(|before| before.name == table.name);
        table.map(|table| (it, table))
    });
    if let Some((contents, before)) = before
        && before.files == table.files
        && before.class == table.class
        && contents.extras() == next.extras()
        && !next.is_of_persons(table)
    {
        changes.unchanged = table.rows;
        return Ok(changes);
    }
    let mut known = before.map_or(Ok(Vec::new()), |(contents, table)| prints(contents, table))?;
    known.sort_unstable();
    let mut missing = known.len() as u64;
    next.for_each_object(table, &mut Findings::default(), |object| {
        let (key, content) = print(object.key, object.json);
        match known.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => {
                missing = missing.saturating_sub(1);
                if known[at].1 == content { changes.unchanged += 1 } else { changes.updates += 1 }
            }
            Err(_) => changes.creates += 1,
        }
        Ok::<_, JupiterOneError>(())
    })?;
    if next.partial_datasets().contains(&table.name) {
        changes.kept = missing;
    } else {
        changes.deletes = missing;
    }
    Ok(changes)
}

/// A relationship goes with either of its ends, also where its type is partial. A generation carries all
/// others of such a type over, so what it misses of them has lost an end.
fn go_with_their_ends(types: &mut [TypeChanges], next: &Contents) {
    let shrinking: Vec<String> =
        types.iter().filter(|it| it.deletes > 0).map(|it| it.type_name.clone()).collect();
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

/// The hashes of the keys and contents of a table's objects.
fn prints(contents: &Contents, table: &Table) -> Result<Vec<(u64, u64)>, JupiterOneError> {
    let mut prints = Vec::with_capacity(usize::try_from(table.rows).unwrap_or_default());
    contents.for_each_object(table, &mut Findings::default(), |object| {
        prints.push(print(object.key, object.json));
        Ok::<_, JupiterOneError>(())
    })?;
    Ok(prints)
}

/// 64 bits of a hash each: among ten million objects two share one with a chance of 3 in a million.
fn print(key: &str, content: &[u8]) -> (u64, u64) {
    let short = |bytes: &[u8]| {
        let hash = blake3::hash(bytes);
        let first = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        u64::from_le_bytes(*first)
    };
    (short(key.as_bytes()), short(content))
}
