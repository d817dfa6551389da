//! Rows that contradict what is known of an entity, until the best of them replaces it.
//!
//! Which row wins depends on what the rows say and never on their order: the newest by the times that
//! the type names, else the one with the greater values. Only such rows cost anything.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_array::builder::StringBuilder;
use arrow_buffer::bit_util::get_bit;
use core_model::entity::EntityType;
use rustc_hash::FxHashMap;

use crate::values::{MAX_PROPERTY_BYTES, Values};

/// The fewest rivals that are settled at once.
const SETTLED_AT_ONCE: usize = 4096;

/// The rivals of the entities of one type.
pub(crate) struct Rivals {
    /// The values of each rival, one after the other.
    pub(crate) values: Vec<Values>,
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
    pub(crate) fn new(entity: &EntityType) -> Rivals {
        let position = |name: &&str| entity.properties.iter().position(|it| it.name == *name);
        let mut compared: Vec<usize> = entity.newest_by.iter().filter_map(position).collect();
        compared.extend(0..entity.properties.len());
        Rivals {
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
    pub(crate) fn challenge(&mut self, number: u32, fingerprint: u64, table: &[Values]) {
        let rival = self.count;
        self.count += 1;
        let (known, place) = match self.winners.get(&number) {
            Some(&winner) => (&self.values[..], winner),
            None => (table, number),
        };
        let mut orders = self.compared.iter().map(|&property| {
            let rival = Comparable::of(&self.values[property], rival);
            rival.cmp(&Comparable::of(&known[property], place))
        });
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
    pub(crate) fn settle(&mut self, entity: &EntityType, table: &mut [Values], n_entities: usize) {
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
        let numbers: Vec<usize> = (0..n_entities).collect();
        for ((known, rivals), property) in table.iter_mut().zip(values).zip(entity.properties) {
            let mut settled = Values::new(property.value_type());
            let known_values =
                std::mem::replace(known, Values::new(property.value_type())).finish();
            let rivals: ArrayRef = rivals.finish();
            let mut next = 0;
            for &(number, rival) in &winners {
                let number = number as usize;
                settled.extend_from(Some(&known_values), &numbers[next..number]);
                settled.extend_from(Some(&rivals), &[rival as usize]);
                next = number + 1;
            }
            settled.extend_from(Some(&known_values), &numbers[next..]);
            *known = settled;
        }
    }
}

fn empty(entity: &EntityType) -> Vec<Values> {
    entity.properties.iter().map(|it| Values::new(it.value_type())).collect()
}

/// A value that can be compared with others of its property; null is the least.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Comparable<'a> {
    Null,
    Number(i64),
    Text(&'a [u8]),
    Items(Vec<&'a [u8]>),
}

impl Comparable<'_> {
    fn of(values: &Values, place: u32) -> Comparable<'_> {
        let place = place as usize;
        let valid = match values {
            Values::Text(builder) => builder.validity_slice(),
            Values::Integer(builder) => builder.validity_slice(),
            Values::Boolean(builder) => builder.validity_slice(),
            Values::Timestamp(builder) => builder.validity_slice(),
            Values::TextList(builder) => builder.validity_slice(),
        };
        // A builder that has met no null keeps no bits for them.
        if valid.is_some_and(|bits| !get_bit(bits, place)) {
            return Comparable::Null;
        }
        match values {
            Values::Text(builder) => Comparable::Text(text(builder, place)),
            Values::Integer(builder) => Comparable::Number(builder.values_slice()[place]),
            Values::Boolean(builder) => {
                Comparable::Number(i64::from(get_bit(builder.values_slice(), place)))
            }
            Values::Timestamp(builder) => Comparable::Number(builder.values_slice()[place]),
            Values::TextList(builder) => {
                let items = between(builder.offsets_slice(), place);
                Comparable::Items(items.map(|it| text(builder.values_ref(), it)).collect())
            }
        }
    }
}

fn text(builder: &StringBuilder, place: usize) -> &[u8] {
    &builder.values_slice()[between(builder.offsets_slice(), place)]
}

fn between(offsets: &[i32], place: usize) -> Range<usize> {
    let offset = |at: usize| usize::try_from(offsets[at]).expect("an offset is never negative");
    offset(place)..offset(place + 1)
}
