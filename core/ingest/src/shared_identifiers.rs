//! Removal of identifiers that many entities share, such as the serial number of a chassis or the
//! SID of an image that machines were cloned from: they identify none of them.

use core_model::entity::EntityType;
use rustc_hash::FxHashMap;

use crate::property_values::PropertyValues;

/// The most entities that may share an identifier. A reinstalled machine is two or three devices
/// until Nexthink forgets the old ones.
const MAX_SHARING: u32 = 3;

/// Sets the shared identifiers of a type to null. Returns the number of values removed, by
/// property.
pub(crate) fn remove(
    entity: &EntityType,
    values: &mut [PropertyValues],
) -> Vec<(&'static str, u64)> {
    let mut removed = Vec::new();
    let properties =
        entity.properties.iter().enumerate().filter(|(_, property)| property.identifying);
    for (place, property) in properties.clone().filter(|(_, property)| property.columns.len() == 1)
    {
        let is_shared = find_shared(&values[place]);
        let count = is_shared.iter().filter(|shared| **shared).count() as u64;
        if count > 0 {
            values[place].remove(|row| is_shared[row]);
            removed.push((property.name, count));
        }
    }
    if removed.is_empty() {
        return removed;
    }
    for (place, property) in properties.filter(|(_, property)| property.columns.len() > 1) {
        let mut combined = std::mem::replace(&mut values[place], PropertyValues::new(property));
        let columns =
            property.columns.iter().filter_map(|column| entity.identifying_of_column(column));
        let single: Vec<&PropertyValues> = columns.map(|place| &values[place]).collect();
        combined.take_first_of(&single);
        values[place] = combined;
    }
    removed
}

/// Returns true for each entity whose identifier, ignoring case, more than a few entities have.
fn find_shared(values: &PropertyValues) -> Vec<bool> {
    let compared = values.compared();
    let identifier = |row: usize| compared.text(row).map(<[u8]>::to_ascii_lowercase);
    let mut sharing: FxHashMap<Vec<u8>, u32> = FxHashMap::default();
    for identifier in (0..compared.len()).filter_map(identifier) {
        *sharing.entry(identifier).or_default() += 1;
    }
    let is_shared = |row| identifier(row).is_some_and(|text| sharing[&text] > MAX_SHARING);
    (0..compared.len()).map(is_shared).collect()
}
