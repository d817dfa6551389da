//! Rows that contradict what is known of an entity, until the best of them replaces it.
//!
//! Which row wins depends on what the rows say and never on their order: the newest by the times that
//! the type names, else the one with the greater values. Only such rows cost anything.

use std::cmp::Ordering;

use core_model::entity::EntityType;
use rustc_hash::FxHashMap;

use crate::property_values::PropertyValues;
use crate::values::MAX_PROPERTY_BYTES;

/// The fewest rivals that are settled at once.
const SETTLED_AT_ONCE: usize = 4096;

/// The rivals of the entities of one type.
pub(crate) struct Rivals {
    /// The values of each rival, one after the other.
    pub(crate) values: Vec<PropertyValues>,
    /// How many rivals there are.
    count: u32,
    /// The rival that describes an entity better than its table does, by the entity's number.
    winners: FxHashMap<u32, u32>,
    /// What the row said that has won over an entity's first row.
    fingerprints: FxHashMap<u32, u64>,
    /// The properties by which rows are compared, as positions.
    compared: Vec<usize>,
}

impl Rivals {
    pub(crate) fn new(entity: &EntityType) -> Self {
        let position = |name: &&str| entity.properties.iter().position(|it| it.name == *name);
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

    /// Whether a row only repeats the one that has won over the first row of its entity.
    pub(crate) fn has_won(&self, number: u32, fingerprint: u64) -> bool {
        self.fingerprints.get(&number) == Some(&fingerprint)
    }

    /// Compares the next rival, whose values are here, with what describes its entity so far.
    pub(crate) fn challenge(&mut self, number: u32, fingerprint: u64, table: &[PropertyValues]) {
        let rival = self.count;
        self.count += 1;
        let (known, place) = match self.winners.get(&number) {
            Some(&winner) => (&self.values[..], winner),
            None => (table, number),
        };
        let mut orders = self
            .compared
            .iter()
            .map(|&property| self.values[property].compare(rival, &known[property], place));
        let wins = orders.find(|it| it.is_ne()) == Some(Ordering::Greater);
        if wins {
            self.winners.insert(number, rival);
            self.fingerprints.insert(number, fingerprint);
        }
    }

    /// Whether there are so many rivals beside this many entities that they are to be settled.
    pub(crate) fn are_many(&self, n_entities: usize) -> bool {
        self.count as usize >= SETTLED_AT_ONCE.max(n_entities / 2)
            || self.values.iter().any(|it| it.text_bytes() > MAX_PROPERTY_BYTES / 4)
    }

    /// Puts the winners into the table and forgets all rivals.
    pub(crate) fn settle(&mut self, entity: &EntityType, table: &mut [PropertyValues]) {
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
        for (known, rivals) in table.iter_mut().zip(values) {
            known.replace(rivals, &winners);
        }
    }
}

fn empty(entity: &EntityType) -> Vec<PropertyValues> {
    entity.properties.iter().map(PropertyValues::new).collect()
}
