//! Conflict resolution: rows that contradict the first row of their entity, until the best one
//! replaces it.
//!
//! The winner depends on what the rows say and never on their order: the newest row by the times
//! that the type names wins, else the one with the greater values. Rows without a conflict cost
//! nothing here.

use std::cmp::Ordering;

use core_model::entity::EntityType;
use rustc_hash::FxHashMap;

use crate::property_values::PropertyValues;
use crate::values::MAX_PROPERTY_BYTES;

/// The fewest conflicting rows that are applied at once.
const MIN_APPLIED_AT_ONCE: usize = 4096;

/// The conflicting rows of the entities of one type.
pub(crate) struct Conflicts {
    /// The values of the conflicting rows, one row after the other.
    pub(crate) values: Vec<PropertyValues>,
    /// The number of conflicting rows.
    count: u32,
    /// The conflicting row that beats the entity's row in the table, by entity number.
    winners: FxHashMap<u32, u32>,
    /// The fingerprint of the row that beat an entity's first row.
    fingerprints: FxHashMap<u32, u64>,
    /// The properties by which rows are compared, as positions.
    compared: Vec<usize>,
}

impl Conflicts {
    pub(crate) fn new(entity: &EntityType) -> Self {
        let position =
            |name: &&str| entity.properties.iter().position(|property| property.name == *name);
        let mut compared: Vec<usize> = entity.newest_by.iter().filter_map(position).collect();
        compared.extend(0..entity.properties.len());
        Self {
            values: empty(entity),
            count: 0,
            winners: FxHashMap::default(),
            fingerprints: FxHashMap::default(),
            compared,
        }
    }

    /// Returns true if a row only repeats the one that beat the first row of its entity.
    pub(crate) fn is_winner(&self, number: u32, fingerprint: u64) -> bool {
        self.fingerprints.get(&number) == Some(&fingerprint)
    }

    /// Compares the next conflicting row, whose values were appended, with the row that describes
    /// its entity so far.
    pub(crate) fn add(&mut self, number: u32, fingerprint: u64, table: &[PropertyValues]) {
        let row = self.count;
        self.count += 1;
        let (known, place) = match self.winners.get(&number) {
            Some(&winner) => (&self.values[..], winner),
            None => (table, number),
        };
        let mut orders = self
            .compared
            .iter()
            .map(|&property| self.values[property].compare(row, &known[property], place));
        let wins = orders.find(|order| order.is_ne()) == Some(Ordering::Greater);
        if wins {
            self.winners.insert(number, row);
            self.fingerprints.insert(number, fingerprint);
        }
    }

    /// Returns true if there are so many conflicting rows for this many entities that they should
    /// be applied.
    pub(crate) fn should_apply(&self, n_entities: usize) -> bool {
        self.count as usize >= MIN_APPLIED_AT_ONCE.max(n_entities / 2)
            || self.values.iter().any(|values| values.text_bytes() > MAX_PROPERTY_BYTES / 4)
    }

    /// Writes the winners to the table and drops all conflicting rows.
    pub(crate) fn apply(&mut self, entity: &EntityType, table: &mut [PropertyValues]) {
        if self.count == 0 {
            return;
        }
        self.count = 0;
        let values = std::mem::replace(&mut self.values, empty(entity));
        let mut winners: Vec<(u32, u32)> = self.winners.drain().collect();
        if winners.is_empty() {
            return;
        }
        winners.sort_unstable();
        for (known, values) in table.iter_mut().zip(values) {
            known.replace(values, &winners);
        }
    }
}

fn empty(entity: &EntityType) -> Vec<PropertyValues> {
    entity.properties.iter().map(PropertyValues::new).collect()
}
