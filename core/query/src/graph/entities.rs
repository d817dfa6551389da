//! Reads entities by their keys.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::{Array, AsArray as _, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Expr, lit};
use serde_json::Value;

use super::GraphReader;
use super::answers::{Entity, EntityRef, Properties};
use crate::error::QueryError;
use crate::format::rows_as_json;

/// The columns that an [`EntityRef`] is made of.
const REFERENCE: [&str; 5] = ["_key", "_type", "_class", "name", "displayName"];

impl GraphReader<'_> {
    /// Returns the entity with this key.
    ///
    /// # Errors
    /// Those of [`QuerySession::sql`](crate::QuerySession::sql) for files that cannot be read.
    pub async fn entity(self, key: &str) -> Result<Option<Entity>, QueryError> {
        let Some(type_name) = self.type_of(key).await? else { return Ok(None) };
        Ok(self.entities(&type_name, &[key.to_owned()]).await?.into_iter().next())
    }

    /// Returns the entities of a type with these keys, in the order of the table.
    ///
    /// # Errors
    /// Those of [`QuerySession::sql`](crate::QuerySession::sql) for files that cannot be read.
    pub async fn entities(
        self,
        type_name: &str,
        keys: &[String],
    ) -> Result<Vec<Entity>, QueryError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (classes, partial) = (self.classes(type_name), self.is_partial(type_name));
        let mut entities = Vec::new();
        for batch in self.select(type_name, None, is_one_of(keys)).await? {
            let references = references(&batch, type_name, &classes)?;
            for (reference, mut properties) in
                references.into_iter().zip(rows_as_properties(&batch)?)
            {
                properties.0.retain(|(name, _)| !REFERENCE.contains(&name.as_str()));
                entities.push(Entity { reference, properties, partial });
            }
        }
        Ok(entities)
    }

    /// Returns the type of the entity with this key, if there is one.
    pub(super) async fn type_of(self, key: &str) -> Result<Option<String>, QueryError> {
        // A key begins with its type, so the table that it names is looked at first.
        let named = key.split_once(':').map(|(type_name, _)| type_name);
        let mut types: Vec<&str> =
            self.session.graph().entities.iter().map(|table| table.name.as_str()).collect();
        types.sort_by_key(|name| Some(*name) != named);
        for type_name in types {
            let found = self.select(type_name, Some(&["_key"]), is_key(key)).await?;
            if found.iter().any(|batch| batch.num_rows() > 0) {
                return Ok(Some(type_name.to_owned()));
            }
        }
        Ok(None)
    }

    /// Returns the entities of a type with these keys, by key. A key without an entity is left out.
    pub(super) async fn references(
        self,
        type_name: &str,
        keys: &[String],
    ) -> Result<HashMap<String, EntityRef>, QueryError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let columns: Vec<&str> = REFERENCE
            .into_iter()
            .filter(|name| *name != "_class" && self.has_column(type_name, name))
            .collect();
        let batches = self.select(type_name, Some(&columns), is_one_of(keys)).await?;
        let classes = self.classes(type_name);
        let mut found = HashMap::new();
        for batch in &batches {
            for reference in references(batch, type_name, &classes)? {
                found.insert(reference.key.clone(), reference);
            }
        }
        Ok(found)
    }

    /// The same for keys of several types, in the order of the keys.
    pub(super) async fn ordered_references(
        self,
        keys: &[(String, String)],
    ) -> Result<Vec<EntityRef>, QueryError> {
        let mut by_type: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (type_name, key) in keys {
            by_type.entry(type_name).or_default().push(key.clone());
        }
        let mut found = HashMap::new();
        for (type_name, keys) in by_type {
            found.extend(self.references(type_name, &keys).await?);
        }
        let bare = |(type_name, key): &(String, String)| EntityRef {
            key: key.clone(),
            type_name: type_name.clone(),
            class: self.classes(type_name),
            name: None,
            display_name: None,
        };
        Ok(keys.iter().map(|key| found.remove(&key.1).unwrap_or_else(|| bare(key))).collect())
    }

    fn has_column(self, type_name: &str, column: &str) -> bool {
        let table = self.session.graph().entities.iter().find(|table| table.name == type_name);
        table.is_some_and(|table| table.properties.iter().any(|known| known.name == column))
    }

    pub(super) fn classes(self, type_name: &str) -> Vec<String> {
        let table = self.session.graph().entities.iter().find(|table| table.name == type_name);
        table.map(|table| table.classes.clone()).unwrap_or_default()
    }

    /// Reads the rows of a table that a condition holds for.
    pub(super) async fn select(
        self,
        table: &str,
        columns: Option<&[&str]>,
        condition: Expr,
    ) -> Result<Vec<RecordBatch>, QueryError> {
        let engine = |error| self.session.error(&error);
        let rows = self.session.context.table(TableReference::bare(table)).await.map_err(engine)?;
        let mut rows = rows.filter(condition).map_err(engine)?;
        if let Some(columns) = columns {
            rows = rows.select_columns(columns).map_err(engine)?;
        }
        self.session.run_plan(rows.into_unoptimized_plan())?.collect().await
    }
}

fn is_key(key: &str) -> Expr {
    Expr::Column(Column::from_name("_key")).eq(lit(key))
}

fn is_one_of(keys: &[String]) -> Expr {
    let keys = keys.iter().map(|key| lit(key.as_str())).collect();
    Expr::Column(Column::from_name("_key")).in_list(keys, false)
}

/// The rows of a batch as properties; those without a value are left out.
pub(super) fn rows_as_properties(batch: &RecordBatch) -> Result<Vec<Properties>, QueryError> {
    let rows = rows_as_json(batch)?;
    let properties = rows.into_iter().map(|mut row| {
        let fields = batch.schema_ref().fields().iter();
        let values = fields.filter_map(|field| {
            let value = row.remove(field.name()).filter(|value| !value.is_null())?;
            Some((field.name().clone(), value))
        });
        Properties(values.collect::<Vec<(String, Value)>>())
    });
    Ok(properties.collect())
}

/// The rows of a table of entities as references.
fn references(
    batch: &RecordBatch,
    type_name: &str,
    classes: &[String],
) -> Result<Vec<EntityRef>, QueryError> {
    let keys = texts(batch, "_key")?;
    let (names, display_names) = (texts(batch, "name")?, texts(batch, "displayName")?);
    let rows = keys.into_iter().zip(names).zip(display_names);
    let rows = rows.map(|((key, name), display_name)| EntityRef {
        key: key.unwrap_or_default(),
        type_name: type_name.to_owned(),
        class: classes.to_vec(),
        name,
        display_name,
    });
    Ok(rows.collect())
}

/// The texts of a column; all null if there is no such column.
pub(super) fn texts(batch: &RecordBatch, name: &str) -> Result<Vec<Option<String>>, QueryError> {
    let Some(column) = batch.column_by_name(name) else {
        return Ok(vec![None; batch.num_rows()]);
    };
    let column = cast(column, &DataType::Utf8).map_err(|error| QueryError::from_arrow(&error))?;
    let texts = column.as_string::<i32>();
    Ok((0..texts.len())
        .map(|row| texts.is_valid(row).then(|| texts.value(row).to_owned()))
        .collect())
}
