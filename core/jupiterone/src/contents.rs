//! The contents of a delivery, and the types of which JupiterOne must not delete what it does not see.
//!
//! In a synchronization with `DIFF` whatever is not uploaded is deleted, unless its type is named as a
//! partial dataset. So a type is complete only if the generation says so, and a relationship type only if
//! both its end types are complete too.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use core_destination::{RowFingerprint, for_each_fingerprint};
use core_model::entity::KEY;
use core_model::relationship::{FROM_KEY, TO_KEY};
use core_model::step::Step;
use core_store::{Generation, Table, TableKind};

use crate::class_rules::is_legal_name;
use crate::error::JupiterOneError;
use crate::events::Events;
use crate::extras::Extras;
use crate::persons;
use crate::schema_violations::SchemaViolations;
use crate::shape::{Object, Shape};
use crate::sync::Delivered;

/// A generation as it is delivered.
#[derive(Debug, Clone)]
pub struct Contents {
    generation: Generation,
    /// The end types of every relationship type that is known, delivered or not.
    ends: BTreeMap<String, [String; 2]>,
    partial: BTreeSet<String>,
    purged: BTreeSet<String>,
    extras: Extras,
    /// The relationships to Persons, which no table of the generation holds.
    persons: Option<Table>,
    events: Option<Events>,
}

impl Contents {
    /// The whole of a generation.
    ///
    /// `steps` are all steps of the program: a type that one of them makes and the generation does not
    /// have is partial, since its step was skipped; but for extras, which are off unless they are asked for.
    /// So is a type that only `delivered` has, the last delivery to the same destination.
    ///
    /// Without a last delivery every type is partial: what the destination holds already is not known to
    /// come from here, so a first delivery deletes nothing.
    pub fn new(
        generation: Generation,
        steps: &[&Step],
        delivered: Option<&Delivered>,
        extras: Extras,
    ) -> Self {
        let mut contents = Self::known(generation, steps, delivered, extras);
        if delivered.is_none() {
            contents.partial = contents.known_types();
        }
        contents
    }

    /// The whole of a generation for a folder: which types are complete is what the generation says, and
    /// nothing is known of who reads it.
    pub fn for_folder(generation: Generation, steps: &[&Step], extras: Extras) -> Self {
        Self::known(generation, steps, None, extras)
    }

    fn known(
        generation: Generation,
        steps: &[&Step],
        delivered: Option<&Delivered>,
        extras: Extras,
    ) -> Self {
        let persons = extras.persons.then(|| persons::table(&generation)).flatten();
        let mut known = BTreeSet::new();
        let mut ends = BTreeMap::new();
        for step in steps.iter().filter(|step| !step.is_extra()) {
            known.extend(step.entities.iter().map(|entity| entity.type_name.to_owned()));
            for it in step.relationships {
                known.insert(it.type_name.to_owned());
                let both = [it.from.entity.type_name, it.to.entity.type_name];
                ends.insert(it.type_name.to_owned(), both.map(ToOwned::to_owned));
            }
        }
        let tables = &generation.manifest().tables;
        let tables = || tables.iter().chain(&persons);
        let here = tables().map(|table| (table.name.clone(), ends_of(table)));
        let there = delivered.into_iter().flat_map(|previous| previous.types.clone());
        let purged = delivered.into_iter().flat_map(|previous| previous.purged.clone());
        for (name, both) in there.chain(purged.map(|name| (name, None))).chain(here) {
            if let Some((from, to)) = both {
                ends.insert(name.clone(), [from, to]);
            }
            known.insert(name);
        }
        let mut partial = known;
        for table in tables().filter(|table| !table.partial) {
            partial.remove(&table.name);
        }
        let purged = BTreeSet::new();
        let mut contents =
            Self { generation, ends, partial, purged, extras, persons, events: None };
        contents.partial = contents.with_touching(contents.partial.clone());
        contents
    }

    /// The same with events, whose types are partial whatever else is.
    #[must_use]
    pub fn with_events(mut self, events: Events) -> Self {
        for table in events.tables() {
            self.partial.insert(table.name.clone());
            if let Some((from, to)) = ends_of(table) {
                self.ends.insert(table.name.clone(), [from, to]);
            }
        }
        self.events = Some(events);
        self
    }

    /// The same without these types and the relationships that touch them, so that JupiterOne deletes
    /// them: the one way to remove a type.
    ///
    /// # Errors
    /// [`JupiterOneError::UnknownType`] for a name that no step makes, the generation does not have and
    /// was never delivered.
    pub fn purge(mut self, types: &[&str]) -> Result<Self, JupiterOneError> {
        let known = self.known_types();
        for name in types {
            if !known.contains(*name) {
                let known = known.into_iter().collect();
                return Err(JupiterOneError::UnknownType { name: (*name).to_owned(), known });
            }
            self.purged.insert((*name).to_owned());
        }
        self.purged = self.with_touching(self.purged.clone());
        self.partial.retain(|name| !self.purged.contains(name));
        Ok(self)
    }

    /// The same with these types complete although the generation calls them partial, so that JupiterOne
    /// deletes what is not uploaded of them. Only for types of which the caller knows that everything
    /// JupiterOne has is uploaded, but for who was erased.
    #[must_use]
    pub fn with_complete(mut self, types: &BTreeSet<String>) -> Self {
        let is_of_events = |name: &str| self.event_tables().any(|table| table.name == name);
        let complete: Vec<_> = types.iter().filter(|name| !is_of_events(name)).collect();
        self.partial.retain(|name| !complete.contains(&name));
        self
    }

    /// The generation.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// The objects besides its tables.
    pub fn extras(&self) -> Extras {
        self.extras
    }

    /// The types that JupiterOne must not delete anything of.
    pub fn partial_datasets(&self) -> &BTreeSet<String> {
        &self.partial
    }

    /// The types that are removed with all they have.
    pub fn purged_types(&self) -> &BTreeSet<String> {
        &self.purged
    }

    /// The partial datasets if objects of these types could not be delivered.
    pub fn partial_datasets_with<'a>(
        &self,
        lost: impl IntoIterator<Item = &'a str>,
    ) -> BTreeSet<String> {
        let mut partial = self.partial.clone();
        partial.extend(lost.into_iter().map(ToOwned::to_owned));
        let mut partial = self.with_touching(partial);
        // One that touches a partial type is to go nevertheless.
        partial.retain(|name| !self.purged.contains(name));
        partial
    }

    /// The tables of one kind that are delivered, in the order of the manifest; then the relationships to
    /// Persons, of which the table says how many users there are, and last those of events.
    pub fn tables(&self, kind: TableKind) -> impl Iterator<Item = &Table> {
        let tables = self.generation.manifest().tables.iter().chain(&self.persons);
        let tables = tables.chain(self.event_tables());
        tables.filter(move |table| table.kind == kind && !self.purged.contains(&table.name))
    }

    /// The types at both ends of a relationship type; none of an entity type.
    pub(crate) fn ends_of(&self, type_name: &str) -> Option<&[String; 2]> {
        self.ends.get(type_name)
    }

    /// The types that are delivered, of relationship types with the types of both ends.
    pub(crate) fn delivered_types(&self) -> BTreeMap<String, Option<(String, String)>> {
        let tables = [TableKind::Entity, TableKind::Relationship].map(|kind| self.tables(kind));
        tables.into_iter().flatten().map(|table| (table.name.clone(), ends_of(table))).collect()
    }

    /// Hands out every object of a table, in its stored order.
    ///
    /// # Errors
    /// [`JupiterOneError::Store`] and [`JupiterOneError::Column`]; what `each` answers.
    pub fn for_each_object<E: From<JupiterOneError>>(
        &self,
        table: &Table,
        findings: &mut SchemaViolations,
        mut each: impl FnMut(Object<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_of_persons(table) {
            return self.for_each_person(each);
        }
        let shape = Shape::new(table);
        let shape = if self.extras.raw_data { shape.with_raw_data() } else { shape };
        shape.note_illegal_names(findings);
        if let Some(events) = self.events.as_ref().filter(|events| events.tables().contains(&table))
        {
            return events.for_each_object(table, &shape, findings, each);
        }
        let batches = self.generation.batches(table.kind, &table.name);
        for batch in batches.map_err(JupiterOneError::Store)? {
            let batch: RecordBatch = batch.map_err(JupiterOneError::Store)?;
            shape.write_rows(&batch, findings, &mut each)?;
        }
        Ok(())
    }

    /// Hands out the fingerprint of each row of a table, by its typed values and by what decides beside them how
    /// JupiterOne shows it.
    ///
    /// # Errors
    ///
    /// [`JupiterOneError::Store`] and [`JupiterOneError::Column`].
    pub(crate) fn for_each_row(
        &self,
        table: &Table,
        each: &mut dyn FnMut(RowFingerprint),
    ) -> Result<(), JupiterOneError> {
        if self.is_of_persons(table) {
            return self.for_each_row_of_persons(each);
        }
        let keys: &[&str] = match table.kind {
            TableKind::Entity => &[KEY],
            TableKind::Relationship => &[FROM_KEY, TO_KEY],
        };
        let has_raw_data = self.extras.raw_data && table.kind == TableKind::Entity;
        let form = format!("{}|{has_raw_data}", table.class.join(","));
        let is_compared = |name: &str| has_raw_data || is_legal_name(name);
        let mut look = |batch: &RecordBatch| {
            for_each_fingerprint(batch, keys, &is_compared, form.as_bytes(), each).map_err(
                |(column, found)| JupiterOneError::Column {
                    type_name: table.name.clone(),
                    column,
                    found,
                },
            )
        };
        if let Some(events) = self.events.as_ref().filter(|events| events.tables().contains(&table))
        {
            return events.for_each_batch(table, &mut look);
        }
        for batch in self.generation.batches(table.kind, &table.name)? {
            look(&batch?)?;
        }
        Ok(())
    }

    /// The relationships to Persons are made of users: their key says all of them.
    fn for_each_row_of_persons(
        &self,
        each: &mut dyn FnMut(RowFingerprint),
    ) -> Result<(), JupiterOneError> {
        self.for_each_person(|object| {
            let key = blake3::hash(object.key.as_bytes());
            let first = key.as_bytes().first_chunk().expect("a hash has 32 bytes");
            each(RowFingerprint { key: u64::from_le_bytes(*first), content: 0 });
            Ok(())
        })
    }

    fn for_each_person<E: From<JupiterOneError>>(
        &self,
        mut each: impl FnMut(Object<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let users = self.generation.batches(TableKind::Entity, persons::USER);
        for batch in users.map_err(JupiterOneError::Store)? {
            let batch: RecordBatch = batch.map_err(JupiterOneError::Store)?;
            persons::write_rows(&batch, &mut each)?;
        }
        Ok(())
    }

    /// The type of events that are delivered, and from which number on the next delivery has to deliver.
    pub(crate) fn events_through(&self) -> Option<(&str, u64)> {
        self.events.as_ref().map(Events::through)
    }

    fn event_tables(&self) -> impl Iterator<Item = &Table> {
        self.events.iter().flat_map(Events::tables)
    }

    /// Returns whether this is the table of the relationships to Persons, which has fewer objects than rows.
    pub(crate) fn is_of_persons(&self, table: &Table) -> bool {
        self.persons.as_ref().is_some_and(|persons| persons.name == table.name)
    }

    /// These types and the relationship types that touch one of them.
    fn with_touching(&self, mut types: BTreeSet<String>) -> BTreeSet<String> {
        let touching =
            self.ends.iter().filter(|(_, ends)| ends.iter().any(|end| types.contains(end)));
        let touching: Vec<_> = touching.map(|(name, _)| name.clone()).collect();
        types.extend(touching);
        types
    }

    fn known_types(&self) -> BTreeSet<String> {
        let tables = self.generation.manifest().tables.iter().map(|table| table.name.clone());
        tables.chain(self.ends.keys().cloned()).chain(self.partial.iter().cloned()).collect()
    }
}

/// The types of both ends of a relationship type.
fn ends_of(table: &Table) -> Option<(String, String)> {
    table.from_type.clone().zip(table.to_type.clone())
}
