//! The values of one property, as rows are judged by and as a privacy policy lets them be published.

use std::cmp::Ordering;

use arrow_array::{Array as _, ArrayRef};
use arrow_buffer::bit_util::get_bit;
use core_model::property::{Property, ValueType};
use jiff::tz::TimeZone;

use crate::batch::Column;
use crate::values::{CellCounts, Values, between, text_of};

/// The values of one property.
///
/// Which row wins, what is counted and which values are null follows from what the export says, never from
/// what a policy leaves of it: under every profile the same. So where a policy changes columns, both are kept
/// until all rows are here.
pub(crate) struct PropertyValues {
    value_type: ValueType,
    /// The values to publish.
    published: Values,
    /// The values as the export has them, if a policy changes any. They never leave this process.
    full: Option<Values>,
}

/// The columns of a batch that a property reads.
pub(crate) struct Sources<'a> {
    /// As they stand in the export.
    pub(crate) full: Vec<Column<'a>>,
    /// As a policy leaves them.
    pub(crate) published: Vec<Column<'a>>,
    /// Whether a policy changes any of them.
    pub(crate) are_changed: bool,
}

impl PropertyValues {
    pub(crate) fn new(property: &Property) -> Self {
        let value_type = property.value_type();
        Self { value_type, published: Values::new(value_type), full: None }
    }

    /// Whether the values of the export are kept apart from those to publish.
    pub(crate) fn has_full(&self) -> bool {
        self.full.is_some()
    }

    /// Appends the values of these rows, and counts the cells that hold something else.
    pub(crate) fn extend(
        &mut self,
        property: &Property,
        sources: &Sources<'_>,
        rows: &[usize],
        zone: &TimeZone,
    ) -> CellCounts {
        let counts = self.published.extend(property, &sources.published, rows, zone);
        if !sources.are_changed {
            return counts;
        }
        let (value_type, known) = (self.value_type, self.published.len() - rows.len());
        let full = self.full.get_or_insert_with(|| {
            // No policy has changed the rows of an earlier file, which lacks the column.
            let mut full = Values::new(value_type);
            let earlier: Vec<usize> = (0..known).collect();
            full.extend_from(Some(&self.published.to_array()), &earlier);
            full
        });
        full.extend(property, &sources.full, rows, zone)
    }

    /// The values to publish, to be changed after all rows were judged.
    pub(crate) fn published_mut(&mut self) -> &mut Values {
        &mut self.published
    }

    /// The values that rows are judged by.
    pub(crate) fn judged(&self) -> &Values {
        self.full.as_ref().unwrap_or(&self.published)
    }

    /// The most bytes that texts of either kind take.
    pub(crate) fn text_bytes(&self) -> usize {
        let full = self.full.as_ref().map_or(0, Values::text_bytes);
        full.max(self.published.text_bytes())
    }

    /// Compares a value with one of the same property.
    pub(crate) fn compare(&self, place: u32, other: &Self, other_place: u32) -> Ordering {
        Comparable::of(self.judged(), place).cmp(&Comparable::of(other.judged(), other_place))
    }

    /// Puts values in the place of others: pairs of the place of the one replaced and of the one that
    /// replaces it, in ascending order.
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
        if let (Some(known), Some(others)) = (&mut self.full, others.full) {
            merge(known, others);
        }
    }

    /// Makes values null.
    pub(crate) fn remove(&mut self, is_removed: impl Fn(usize) -> bool) {
        self.remake(|arrays, row| (!is_removed(row)).then_some(&arrays[0]), &[]);
    }

    /// Takes each value from the first of these properties that has one.
    pub(crate) fn take_first_of(&mut self, others: &[&Self]) {
        self.remake(|arrays, row| arrays.iter().skip(1).find(|it| it.is_valid(row)), others);
    }

    /// Makes all values anew, each from an array that `choose` picks: the first is this property's own, the
    /// next ones are those of `others`.
    fn remake(
        &mut self,
        choose: impl Fn(&[ArrayRef], usize) -> Option<&ArrayRef>,
        others: &[&Self],
    ) {
        let value_type = self.value_type;
        let remake = |values: &mut Values, of: &dyn Fn(&Self) -> ArrayRef| {
            let own = std::mem::replace(values, Values::new(value_type)).finish();
            let rows = own.len();
            let mut arrays = vec![own];
            arrays.extend(others.iter().map(|it| of(it)));
            for row in 0..rows {
                values.extend_from(choose(&arrays, row), &[row]);
            }
        };
        remake(&mut self.published, &|it| it.published.to_array());
        if let Some(full) = &mut self.full {
            remake(full, &|it| it.judged().to_array());
        }
    }

    /// Ends the judging: what the export does not have is null in what is published, though a policy put
    /// something in its place. Of the values of the export only times are kept, to be counted.
    pub(crate) fn end_judging(&mut self) {
        let Some(full) = self.full.take() else { return };
        let is_made_up = |row: usize| self.published.is_valid(row) && !full.is_valid(row);
        if (0..full.len()).any(is_made_up) {
            self.remove(|row| !full.is_valid(row));
        }
        self.full = Some(full).filter(|_| self.value_type == ValueType::Timestamp);
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
    fn of(values: &Values, place: u32) -> Comparable<'_> {
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
                Comparable::Items(items.map(|it| text_of(builder.values_ref(), it)).collect())
            }
        }
    }
}
