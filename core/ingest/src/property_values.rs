//! The values of one property, before and after redaction.

use std::cmp::Ordering;

use arrow_array::{Array as _, ArrayRef};
use arrow_buffer::bit_util::get_bit;
use core_model::property::{Property, ValueType};
use jiff::tz::TimeZone;

use crate::batch::Column;
use crate::values::{CellCounts, Values, between, text_of};

/// The values of one property.
///
/// The winning row, the counts and the nulls follow from the unredacted values, so that they are
/// the same under every profile. If a policy changes a column, both forms are therefore kept until
/// all rows are read.
pub(crate) struct PropertyValues {
    value_type: ValueType,
    /// The values to publish.
    published: Values,
    /// The values of the export, if a policy changes any. They never leave this process.
    unredacted: Option<Values>,
}

/// The columns of a batch that a property reads.
pub(crate) struct SourceColumns<'a> {
    /// The columns before redaction.
    pub(crate) unredacted: Vec<Column<'a>>,
    /// The columns after redaction.
    pub(crate) published: Vec<Column<'a>>,
    /// True if redaction changes any of them.
    pub(crate) is_redacted: bool,
}

impl PropertyValues {
    pub(crate) fn new(property: &Property) -> Self {
        let value_type = property.value_type();
        Self { value_type, published: Values::new(value_type), unredacted: None }
    }

    /// Returns true if the unredacted values are kept separately.
    pub(crate) fn has_unredacted(&self) -> bool {
        self.unredacted.is_some()
    }

    /// Appends the values of these rows, and counts the unreadable cells.
    pub(crate) fn extend(
        &mut self,
        property: &Property,
        columns: &SourceColumns<'_>,
        rows: &[usize],
        zone: &TimeZone,
    ) -> CellCounts {
        let counts = self.published.extend(property, &columns.published, rows, zone);
        if !columns.is_redacted {
            return counts;
        }
        let (value_type, known) = (self.value_type, self.published.len() - rows.len());
        let unredacted = self.unredacted.get_or_insert_with(|| {
            // Earlier rows come from a file that lacks the column, so redaction has not changed
            // them.
            let mut unredacted = Values::new(value_type);
            let earlier: Vec<usize> = (0..known).collect();
            unredacted.extend_from(Some(&self.published.to_array()), &earlier);
            unredacted
        });
        unredacted.extend(property, &columns.unredacted, rows, zone)
    }

    /// The values to publish.
    pub(crate) fn published(&self) -> &Values {
        &self.published
    }

    /// The values to publish, for changes after all rows are compared.
    pub(crate) fn published_mut(&mut self) -> &mut Values {
        &mut self.published
    }

    /// The values by which rows are compared.
    pub(crate) fn compared(&self) -> &Values {
        self.unredacted.as_ref().unwrap_or(&self.published)
    }

    /// The size in bytes of the larger form of the texts.
    pub(crate) fn text_bytes(&self) -> usize {
        let unredacted = self.unredacted.as_ref().map_or(0, Values::text_bytes);
        unredacted.max(self.published.text_bytes())
    }

    /// Compares a value with one of the same property.
    pub(crate) fn compare(&self, place: u32, other: &Self, other_place: u32) -> Ordering {
        Comparable::new(self.compared(), place).cmp(&Comparable::new(other.compared(), other_place))
    }

    /// Replaces values. `pairs` has the positions of the replaced and of the replacing value, in
    /// ascending order.
    pub(crate) fn replace(&mut self, others: Self, pairs: &[(u32, u32)]) {
        let value_type = self.value_type;
        let merge = |known: &mut Values, others: Values| {
            let known_values = std::mem::replace(known, Values::new(value_type)).finish();
            let others: ArrayRef = others.finish();
            let numbers: Vec<usize> = (0..known_values.len()).collect();
            let mut next = 0;
            for &(number, other) in pairs {
                let number = number as usize;
                known.extend_from(Some(&known_values), &numbers[next..number]);
                known.extend_from(Some(&others), &[other as usize]);
                next = number + 1;
            }
            known.extend_from(Some(&known_values), &numbers[next..]);
        };
        merge(&mut self.published, others.published);
        if let (Some(known), Some(others)) = (&mut self.unredacted, others.unredacted) {
            merge(known, others);
        }
    }

    /// Sets values to null.
    pub(crate) fn remove(&mut self, is_removed: impl Fn(usize) -> bool) {
        self.rebuild(|arrays, row| (!is_removed(row)).then_some(&arrays[0]), &[]);
    }

    /// Replaces each value by the first one that the given properties have in its row.
    pub(crate) fn take_first_of(&mut self, others: &[&Self]) {
        self.rebuild(|arrays, row| arrays.iter().skip(1).find(|array| array.is_valid(row)), others);
    }

    /// Rebuilds all values, each from an array that `choose` picks: the first is this property's
    /// own, the next ones are those of `others`.
    fn rebuild(
        &mut self,
        choose: impl Fn(&[ArrayRef], usize) -> Option<&ArrayRef>,
        others: &[&Self],
    ) {
        let value_type = self.value_type;
        let rebuild = |values: &mut Values, array_of: &dyn Fn(&Self) -> ArrayRef| {
            let own = std::mem::replace(values, Values::new(value_type)).finish();
            let rows = own.len();
            let mut arrays = vec![own];
            arrays.extend(others.iter().map(|other| array_of(other)));
            for row in 0..rows {
                values.extend_from(choose(&arrays, row), &[row]);
            }
        };
        rebuild(&mut self.published, &|other| other.published.to_array());
        if let Some(unredacted) = &mut self.unredacted {
            rebuild(unredacted, &|other| other.compared().to_array());
        }
    }

    /// Ends the comparisons: a value that the export lacks becomes null in the published values,
    /// even if redaction put something in its place. Of the unredacted values only times are kept,
    /// to be counted.
    pub(crate) fn finish_comparisons(&mut self) {
        let Some(unredacted) = self.unredacted.take() else { return };
        let is_missing_in_export =
            |row: usize| self.published.is_valid(row) && !unredacted.is_valid(row);
        if (0..unredacted.len()).any(is_missing_in_export) {
            self.remove(|row| !unredacted.is_valid(row));
        }
        self.unredacted = Some(unredacted).filter(|_| self.value_type == ValueType::Timestamp);
    }

    /// The values to publish, and nothing else.
    pub(crate) fn into_published(self) -> Values {
        self.published
    }
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
    fn new(values: &Values, place: u32) -> Comparable<'_> {
        let place = place as usize;
        if !values.is_valid(place) {
            return Comparable::Null;
        }
        match values {
            Values::Text(builder) => Comparable::Text(text_of(builder, place)),
            Values::Integer(builder) => Comparable::Number(builder.values_slice()[place]),
            Values::Boolean(builder) => {
                Comparable::Number(i64::from(get_bit(builder.values_slice(), place)))
            }
            Values::Timestamp(builder) => Comparable::Number(builder.values_slice()[place]),
            Values::TextList(builder) => {
                let items = between(builder.offsets_slice(), place);
                Comparable::Items(items.map(|item| text_of(builder.values_ref(), item)).collect())
            }
        }
    }
}
