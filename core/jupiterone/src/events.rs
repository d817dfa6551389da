//! Events that are delivered beside a generation: those that the destination does not have yet. Their
//! types only ever grow there, so they are always partial datasets.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use core_model::entity::EntityType;
use core_model::relationship::RelationshipType;
use core_model::step::Step;
use core_store::{Column, EventLog, Table, TableKind};

use crate::error::JupiterOneError;
use crate::schema_violations::SchemaViolations;
use crate::shape::{Object, Shape};

const KEY: &str = "_key";
const FROM_KEY: &str = "_fromEntityKey";
const TO_KEY: &str = "_toEntityKey";

/// Returns true if a step makes this type, or relationships of it, out of events.
pub(crate) fn is_event_type(name: &str) -> bool {
    let makers = Step::all().into_iter().filter(|step| step.makes_events());
    makers.flat_map(Step::type_names).any(|made| made == name)
}

/// The events of a log, and the relationships to them.
#[derive(Debug, Clone)]
pub struct Events {
    log: EventLog,
    since: u64,
    from_key: String,
    tags: Vec<(String, String)>,
    entities: Table,
    relationships: Table,
}

impl Events {
    /// The events that a log has got since a number of [`EventLog::next_part`], each of which one entity
    /// has, that of the key `from_key`. `tags` are properties that every event has alike: the names and
    /// the values.
    pub fn new(
        log: EventLog,
        since: u64,
        entity: &EntityType,
        relationship: &RelationshipType,
        from_key: String,
        tags: Vec<(String, String)>,
    ) -> Self {
        let names = |names: &[&str]| -> Vec<Column> {
            let column = |name: &&str| Column {
                name: (*name).to_owned(),
                data_type: String::new(),
                nullable: true,
            };
            names.iter().map(column).collect()
        };
        let properties = entity.properties.iter().map(|property| property.name);
        let properties: Vec<&str> = std::iter::once(KEY)
            .chain(properties)
            .chain(tags.iter().map(|(name, _)| name.as_str()))
            .collect();
        let entities = Table {
            kind: TableKind::Entity,
            name: entity.type_name.to_owned(),
            class: entity.class.iter().map(|class| class.name().to_owned()).collect(),
            from_type: None,
            to_type: None,
            rows: log.events_since(since).0,
            partial: true,
            columns: names(&properties),
            files: Vec::new(),
        };
        let relationships = Table {
            kind: TableKind::Relationship,
            name: relationship.type_name.to_owned(),
            class: vec![relationship.class.name().to_owned()],
            from_type: Some(relationship.from.entity.type_name.to_owned()),
            to_type: Some(entity.type_name.to_owned()),
            columns: names(&[FROM_KEY, TO_KEY]),
            ..entities.clone()
        };
        Self { log, since, from_key, tags, entities, relationships }
    }

    /// The tables, of which no generation has any file.
    pub(crate) fn tables(&self) -> [&Table; 2] {
        [&self.entities, &self.relationships]
    }

    /// The `_type` of the events, and the number from which on those are new that this delivery lacks.
    pub(crate) fn through(&self) -> (&str, u64) {
        (&self.entities.name, self.log.next_part())
    }

    /// Hands out the batches of one of the tables.
    ///
    /// # Errors
    ///
    /// [`JupiterOneError::Store`]; what `each` answers.
    pub(crate) fn for_each_batch<E: From<JupiterOneError>>(
        &self,
        table: &Table,
        each: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        for batch in self.log.events_since(self.since).1 {
            let batch = batch.map_err(JupiterOneError::Store)?;
            each(&match table.kind {
                TableKind::Entity => self.tagged(&batch),
                TableKind::Relationship => self.relationships(&batch),
            })?;
        }
        Ok(())
    }

    /// Hands out every object of one of the tables.
    ///
    /// # Errors
    /// [`JupiterOneError::Store`] and [`JupiterOneError::Column`]; what `each` answers.
    pub(crate) fn for_each_object<E: From<JupiterOneError>>(
        &self,
        table: &Table,
        shape: &Shape,
        findings: &mut SchemaViolations,
        mut each: impl FnMut(Object<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_batch(table, &mut |batch| shape.write_rows(batch, findings, &mut each))
    }

    /// The events of a batch with the tags.
    fn tagged(&self, events: &RecordBatch) -> RecordBatch {
        let mut fields: Vec<Field> =
            events.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut columns = events.columns().to_vec();
        for (name, value) in &self.tags {
            fields.push(Field::new(name, DataType::Utf8, false));
            let values = vec![value.as_str(); events.num_rows()];
            columns.push(Arc::new(StringArray::from(values)));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .expect("tags are texts, one for each event")
    }

    /// The relationships to the events of a batch.
    fn relationships(&self, events: &RecordBatch) -> RecordBatch {
        let from = StringArray::from(vec![self.from_key.as_str(); events.num_rows()]);
        let to = events.column_by_name(KEY).expect("the store has no event without a key");
        let field = |name| Field::new(name, DataType::Utf8, false);
        let schema = Schema::new(vec![field(FROM_KEY), field(TO_KEY)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(from), Arc::clone(to)])
            .expect("keys are texts, one for each event")
    }
}
