//! Identifiers that many entities share, such as the serial number of a chassis or the SID of an image that
//! machines were cloned from: they identify none of them.

use core_model::entity::EntityType;
use rustc_hash::FxHashMap;

use crate::property_values::PropertyValues;

/// The most entities that may share an identifier. A machine that was set up anew is two or three devices
/// until Nexthink forgets the old ones.
const MAX_SHARING: u32 = 3;

/// Makes the shared identifiers of a type null. Returns how many values there were, by property.
pub(crate) fn remove(
    entity: &EntityType,
    values: &mut [PropertyValues],
) -> Vec<(&'static str, u64)> {
    let mut removed = Vec::new();
    let properties = entity.properties.iter().enumerate().filter(|(_, it)| it.identifying);
    for (place, property) in properties.clone().filter(|(_, it)| it.columns.len() == 1) {
        let is_shared = find_shared(&values[place]);
        let count = is_shared.iter().filter(|it| **it).count() as u64;
        if count > 0 {
            values[place].remove(|row| is_shared[row]);
            removed.push((property.name, count));
        }
    }
    if removed.is_empty() {
        return removed;
    }
    for (place, property) in properties.filter(|(_, it)| it.columns.len() > 1) {
        let mut combined = std::mem::replace(&mut values[place], PropertyValues::new(property));
        let columns = property.columns.iter().filter_map(|it| entity.identifying_of_column(it));
        let single: Vec<&PropertyValues> = columns.map(|it| &values[it]).collect();
        combined.take_first_of(&single);
        values[place] = combined;
    }
    removed
}

/// For each entity, whether more than a few have its identifier, in upper or lower case.
fn find_shared(values: &PropertyValues) -> Vec<bool> {
    let judged = values.judged();
    let identifier = |row: usize| judged.text(row).map(<[u8]>::to_ascii_lowercase);
    let mut sharing: FxHashMap<Vec<u8>, u32> = FxHashMap::default();
    for identifier in (0..judged.len()).filter_map(identifier) {
        *sharing.entry(identifier).or_default() += 1;
    }
    let is_shared = |row| identifier(row).is_some_and(|it| sharing[&it] > MAX_SHARING);
    (0..judged.len()).map(is_shared).collect()
}
