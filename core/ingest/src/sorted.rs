//! The entities of one type in their final order, and their table.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow_array::builder::StringBuilder;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_schema::ArrowError;
use core_model::entity::EntityType;

use crate::keys::Keys;
use crate::values::{Tag, Values, entity_schema};

/// The most rows in a batch of a finished table.
const OUTPUT_ROWS: usize = 8192;

/// The entities of one type in their final order, which is that of their keys.
pub struct SortedEntities {
    /// The entity type.
    pub entity: &'static EntityType,
    /// `_key` of each entity.
    pub keys: Arc<StringArray>,
    /// The rank of each entity, by its number.
    pub(crate) rank: Vec<u32>,
    /// The number of each entity, by its rank.
    order: UInt32Array,
    /// The values of each property by entity number, until they are released.
    columns: Mutex<Vec<Option<ArrayRef>>>,
}

/// The entities of one type that no longer change. The first caller that needs the final order
/// computes it, which takes a while for many entities.
pub struct ClosedEntities {
    /// The entity type.
    pub entity: &'static EntityType,
    keys: Arc<Keys>,
    /// The values by entity number, until they are sorted.
    values: Mutex<Vec<Values>>,
    sorted: OnceLock<SortedEntities>,
}

impl ClosedEntities {
    pub(crate) fn new(entity: &'static EntityType, keys: Arc<Keys>, values: Vec<Values>) -> Self {
        Self { entity, keys, values: Mutex::new(values), sorted: OnceLock::new() }
    }

    /// The entities in their final order.
    pub fn sorted(&self) -> &SortedEntities {
        self.sorted.get_or_init(|| {
            let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            SortedEntities::new(self.entity, &self.keys, std::mem::take(&mut values))
        })
    }
}

impl SortedEntities {
    /// Sorts entities by their uids, so that the same estate gives the same table whatever the
    /// order of its rows.
    fn new(entity: &'static EntityType, keys: &Keys, values: Vec<Values>) -> Self {
        let order = keys.in_order();
        let mut rank = vec![0; order.len()];
        for (place, &number) in (0_u32..).zip(&order) {
            rank[number as usize] = place;
        }
        let mut written = StringBuilder::with_capacity(order.len(), keys.text_bytes());
        let mut key = String::new();
        for &number in &order {
            key.clear();
            entity.write_key(keys.key(number), &mut key);
            written.append_value(&key);
        }
        Self {
            entity,
            keys: Arc::new(written.finish()),
            rank,
            order: order.into(),
            columns: Mutex::new(
                values.into_iter().map(|builder| Some(finish_column(builder))).collect(),
            ),
        }
    }

    /// The number of entities.
    pub fn len(&self) -> usize {
        self.rank.len()
    }

    /// Returns true if there are no entities.
    pub fn is_empty(&self) -> bool {
        self.rank.is_empty()
    }

    /// The number of each entity, from the first rank to the last.
    pub(crate) fn numbers(&self) -> &[u32] {
        self.order.values()
    }

    /// Returns the table in batches.
    ///
    /// # Errors
    ///
    /// The values were released.
    pub fn batches(
        &self,
        tags: &[Tag],
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>>, ArrowError> {
        let schema = entity_schema(self.entity, tags);
        let kept = self.entity.properties.iter().map(|property| self.column(property.name));
        let values: Vec<ArrayRef> = kept.collect::<Result<_, _>>()?;
        Ok((0..self.len()).step_by(OUTPUT_ROWS).map(move |start| {
            let rows = OUTPUT_ROWS.min(self.len() - start);
            let numbers = self.order.slice(start, rows);
            let mut columns: Vec<ArrayRef> = vec![Arc::new(self.keys.slice(start, rows))];
            for column in &values {
                columns.push(arrow_select::take::take(column, &numbers, None)?);
            }
            for tag in tags {
                let value = std::iter::repeat_n(Some(tag.value.as_str()), rows);
                columns.push(Arc::new(value.collect::<StringArray>()));
            }
            RecordBatch::try_new(Arc::clone(&schema), columns)
        }))
    }

    /// Releases the values of all properties except the needed ones. Once a table is written, edges
    /// need few of them.
    pub fn keep_only(&self, is_needed: impl Fn(&str) -> bool) {
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        for (column, property) in columns.iter_mut().zip(self.entity.properties) {
            if !is_needed(property.name) {
                *column = None;
            }
        }
    }

    /// The values of one property in the order of the keys.
    pub(crate) fn property(&self, name: &str) -> Result<ArrayRef, ArrowError> {
        arrow_select::take::take(&self.column(name)?, &self.order, None)
    }

    /// The values of one property by entity number.
    fn column(&self, name: &str) -> Result<ArrayRef, ArrowError> {
        let position = self.entity.properties.iter().position(|property| property.name == name);
        let columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let column = position.and_then(|place| columns.get(place)?.clone());
        column.ok_or_else(|| {
            let type_name = self.entity.type_name;
            ArrowError::InvalidArgumentError(format!("no values of {name} of {type_name} are kept"))
        })
    }
}

/// Builds the array and frees its unused capacity.
fn finish_column(values: Values) -> ArrayRef {
    let mut column = values.finish();
    column.shrink_to_fit();
    column
}
