//! Earlier values of entities, in place of those that an export cannot have because it lacks a column.
//!
//! A value of the export always counts, from whichever of the property's columns it is. If no column gives one, the
//! earlier value stays, since the missing column may still have it.

use std::ops::Range;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use core_model::entity::EntityType;
use core_model::property::{Conversion, Kind, Property};

use crate::keys::Keys;
use crate::values::{CellCounts, Values};

/// The quality of the values that an export has of one property.
#[derive(Debug, Default, Clone)]
pub(crate) struct ValueQuality {
    /// The entities of files that lack a column of the property, by number, in ascending order.
    lacking: Vec<Range<usize>>,
    /// The counts of its cells.
    pub(crate) cells: CellCounts,
    /// Rows with readable cells, empty ones included.
    pub(crate) readable: u64,
    /// The number of entities that keep an earlier value.
    kept: u64,
}

/// A property of a table, as it is read from the export.
pub(crate) struct ReadProperty<'a> {
    pub(crate) entity: &'static EntityType,
    pub(crate) property: &'static Property,
    pub(crate) keys: &'a Keys,
}

impl ValueQuality {
    /// Notes that a file which gave these entities lacks a column.
    pub(crate) fn add_lacking(&mut self, entities: Range<usize>) {
        match self.lacking.last_mut() {
            Some(last) if last.end == entities.start => last.end = entities.end,
            _ => self.lacking.push(entities),
        }
    }

    /// Returns true if earlier values may be kept.
    pub(crate) fn may_keep(&self) -> bool {
        self.is_unreadable() || !self.lacking.is_empty()
    }

    /// Returns true if an earlier value was kept, or would be if there were one: no entity has a value in the export.
    pub(crate) fn is_doubtful(&self, read: &ReadProperty<'_>, values: &Values) -> bool {
        let is_fresh = |place: usize| read.has_value(values, place);
        let lacks_all = || {
            let mut places = self.lacking.iter().cloned().flatten().peekable();
            places.peek().is_some() && !places.any(is_fresh)
        };
        self.kept > 0 || self.is_unreadable() || lacks_all()
    }

    /// Returns true if no row has a readable value, as after a change of the format.
    fn is_unreadable(&self) -> bool {
        self.cells.lost > 0 && self.readable == 0
    }

    /// Replaces what the export has no value of by earlier values, of which `rows` has the row of each entity.
    pub(crate) fn keep(
        &mut self,
        read: &ReadProperty<'_>,
        values: &mut Values,
        rows: &[Option<(&RecordBatch, usize)>],
    ) {
        let value_type = read.property.value_type();
        let now = std::mem::replace(values, Values::new(value_type));
        let mut kept: Vec<Option<&ArrayRef>> = vec![None; now.len()];
        let places: Vec<usize> = if self.is_unreadable() {
            (0..now.len()).collect()
        } else {
            self.lacking.iter().cloned().flatten().collect()
        };
        for place in places {
            let Some((batch, row)) = rows[place] else { continue };
            let earlier = batch.column_by_name(read.property.name);
            kept[place] = earlier.filter(|column| {
                now.holds(column.data_type())
                    && column.is_valid(row)
                    && (!read.has_value(&now, place) || read.completes(&now, place, column, row))
            });
        }
        self.kept = kept.iter().flatten().count() as u64;
        let now = now.finish();
        for (place, earlier) in kept.into_iter().enumerate() {
            match (earlier, rows[place]) {
                (Some(column), Some((_, row))) => values.extend_from(Some(column), &[row]),
                _ => values.extend_from(Some(&now), &[place]),
            }
        }
    }
}

impl ReadProperty<'_> {
    /// Returns true if a value is from a column other than the key, and no default.
    fn has_value(&self, values: &Values, place: usize) -> bool {
        let reads_key = self.property.columns.contains(&self.entity.key_column);
        let uid = reads_key.then(|| self.keys.key_at(place));
        values.is_valid(place)
            && !values.is_default(self.property, uid, place)
            && !uid.is_some_and(|uid| self.is_version_of(uid, values, place))
    }

    /// Returns true if a value is a version after the key in place of a name.
    fn is_version_of(&self, uid: &str, values: &Values, place: usize) -> bool {
        let Kind::Convert(Conversion::NameAndVersionElse(separator)) = self.property.kind else {
            return false;
        };
        let rest = values.text(place).and_then(|text| text.strip_prefix(uid.as_bytes()));
        rest.is_some_and(|rest| rest.starts_with(separator.as_bytes()))
    }

    /// Returns true if a value is one half of the earlier one: a name without its version, or a version without its name.
    fn completes(&self, values: &Values, place: usize, earlier: &ArrayRef, row: usize) -> bool {
        let Kind::Convert(
            Conversion::NameAndVersion(separator) | Conversion::NameAndVersionElse(separator),
        ) = self.property.kind
        else {
            return false;
        };
        let Some(half) = values.text(place) else { return false };
        let whole = earlier.as_string::<i32>().value(row).as_bytes();
        let separator = separator.as_bytes();
        whole.strip_prefix(half).is_some_and(|rest| rest.starts_with(separator))
            || whole.strip_suffix(half).is_some_and(|rest| rest.ends_with(separator))
    }
}
