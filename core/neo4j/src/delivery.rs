//! One delivery: nodes are written, then relationships are written and removed, and last nodes are removed. Each
//! statement is a transaction of its own, and each can be repeated: a delivery that ended early is made up for by one
//! that compares with what is there.

use std::collections::{BTreeMap, HashMap};

use core_destination::mirror::{Action, MirrorReport, MirrorScope, TableMark};
use core_destination::{DeliveryError, TypeChanges};
use core_store::{Table, TableKind};

use crate::catalog::Catalog;
use crate::error::Neo4jError;
use crate::rows::Row;
use crate::session::Session;
use crate::source::{KeySet, Source};
use crate::statement::{KEYS_AT_ONCE, REMOVED_AT_ONCE, Shape, Statement, TypeEntry};

/// A delivery that has begun.
pub(crate) struct Delivery<'a, S> {
    pub(crate) session: &'a mut S,
    pub(crate) scope: &'a MirrorScope,
    pub(crate) actions: &'a BTreeMap<String, Action>,
    pub(crate) catalog: &'a Catalog,
    pub(crate) database: &'a str,
    /// True if every row is written, whatever its hash says.
    pub(crate) is_full: bool,
    /// The number that lets this delivery write.
    pub(crate) writer: i64,
    pub(crate) tell: &'a dyn Fn(&str),
}

/// A type whose rows are written.
struct Written {
    entry: TypeEntry,
    changes: TypeChanges,
    /// The number of rows of the generation.
    rows: u64,
    /// True if objects that the generation does not have are removed.
    removes: bool,
    /// The number of objects that are there beside those of the generation, before any node is removed.
    surplus: u64,
}

impl<S: Session> Delivery<'_, S> {
    /// Writes everything.
    pub(crate) async fn write(&mut self) -> Result<MirrorReport, DeliveryError> {
        let mut report = MirrorReport {
            generation: self.scope.generation.id().to_string(),
            partial_datasets: self.scope.partial_datasets(),
            ..MirrorReport::default()
        };
        self.drop_types(TableKind::Relationship, &mut report).await?;
        let mut types = Vec::new();
        for table in self.scope.tables() {
            match self.actions.get(&table.name) {
                Some(Action::Create) => {
                    types.push(self.write_type(table, true, true, &mut report).await?);
                }
                Some(Action::Merge { removes }) => {
                    types.push(self.write_type(table, false, *removes, &mut report).await?);
                }
                _ => self.write_completeness(table).await?,
            }
        }
        let nodes = types.iter_mut().filter(|of| of.entry.shape.kind() == TableKind::Entity);
        for written in nodes.filter(|written| written.removes) {
            self.remove_missing(written).await?;
        }
        self.drop_types(TableKind::Entity, &mut report).await?;
        for written in types {
            report.types.push(self.finish_type(written).await?);
        }
        self.count_lost(&mut report).await?;
        self.end().await?;
        Ok(report)
    }

    /// Writes the rows of a type; of a relationship type, also removes those that are gone. `is_new` says that nothing
    /// of it is there.
    async fn write_type(
        &mut self,
        table: &Table,
        is_new: bool,
        removes: bool,
        report: &mut MirrorReport,
    ) -> Result<Written, DeliveryError> {
        let shape = Shape::new(table);
        let entry = TypeEntry {
            mark: TableMark::new(table).to_string(),
            // Until all of it is there, so that the next delivery looks at every row.
            is_exact: false,
            is_partial: self.scope.is_partial(&table.name),
            rows: table.rows,
            shape,
        };
        let changes = TypeChanges { type_name: table.name.clone(), ..TypeChanges::default() };
        let mut written = Written { entry, changes, rows: table.rows, removes, surplus: 0 };
        self.set_type(&written.entry).await?;
        self.session.run(Statement::Prepare(&written.entry.shape)).await?;
        report.changed_values += self.write_rows(&mut written, is_new).await?;
        if written.entry.shape.kind() == TableKind::Relationship {
            if removes {
                self.remove_missing(&mut written).await?;
            }
            let there = self.session.number(Statement::Count(&written.entry.shape)).await?;
            written.surplus = there.saturating_sub(written.rows);
        }
        (self.tell)(&format!("{} is written", table.name));
        Ok(written)
    }

    /// Writes the rows that are not there as they are to be; returns the number of values that were changed.
    async fn write_rows(
        &mut self,
        written: &mut Written,
        is_new: bool,
    ) -> Result<u64, DeliveryError> {
        let shape = &written.entry.shape;
        let before = self.catalog.types.get(&shape.name);
        let old_classes = before.map(|entry| entry.shape.classes.clone()).unwrap_or_default();
        let mut source = Source::open(&self.scope.generation, shape);
        while let Some(rows) = source.next().await {
            let known = if is_new { HashMap::new() } else { self.look_up(shape, &rows).await? };
            let changes = &mut written.changes;
            let is_to_write = |row: &Row| match known.get(&row.key) {
                None => {
                    changes.creates += 1;
                    true
                }
                Some(hash) if *hash != Some(row.hash) || self.is_full => {
                    changes.updates += 1;
                    true
                }
                Some(_) => {
                    changes.unchanged += 1;
                    false
                }
            };
            let rows: Vec<Row> = rows.into_iter().filter(is_to_write).collect();
            if rows.is_empty() {
                continue;
            }
            let (writer, old_classes) = (self.writer, old_classes.as_slice());
            let write = Statement::Write { shape, old_classes, rows: &rows, writer };
            let (action, found) = (write.action(), self.session.number(write).await?);
            let expected = rows.len() as u64;
            if found != expected {
                return Err(self.lacking(action, found, expected).await.into());
            }
        }
        source.finish().await
    }

    /// Finds which of these rows are there, each with the hash of its content.
    async fn look_up(
        &mut self,
        shape: &Shape,
        rows: &[Row],
    ) -> Result<HashMap<String, Option<i64>>, Neo4jError> {
        let keys = rows.iter().map(|row| row.key.as_str()).collect();
        let found = self.session.run(Statement::LookUp { shape, keys }).await?;
        let known = found.into_iter().filter_map(|row| {
            let [key, hash] = row.as_slice() else { return None };
            Some((key.as_text()?.to_owned(), hash.as_integer()))
        });
        Ok(known.collect())
    }

    /// Removes what the generation does not have. The keys are compared only if there are more objects than rows, once
    /// every row is there.
    async fn remove_missing(&mut self, written: &mut Written) -> Result<(), DeliveryError> {
        let shape = &written.entry.shape;
        let there = self.session.number(Statement::Count(shape)).await?;
        if there <= written.rows {
            return Ok(());
        }
        let ours = KeySet::read(&self.scope.generation, shape).await?;
        let mut after = String::new();
        loop {
            let listed = self.session.run(Statement::Keys { shape, after: &after }).await?;
            let keys: Vec<&str> = listed.iter().filter_map(|row| row.first()?.as_text()).collect();
            let missing = keys.iter().filter(|key| !ours.contains(key));
            let missing: Vec<String> = missing.map(|key| (*key).to_owned()).collect();
            for keys in missing.chunks(REMOVED_AT_ONCE) {
                let remove = Statement::Remove { shape, keys, writer: self.writer };
                written.changes.deletes += self.session.number(remove).await?;
            }
            match keys.last() {
                Some(last) if keys.len() == KEYS_AT_ONCE => after = (*last).to_owned(),
                _ => return Ok(()),
            }
        }
    }

    /// Notes what a type has, now that everything is written and removed.
    async fn finish_type(&mut self, mut written: Written) -> Result<TypeChanges, DeliveryError> {
        let count = Statement::Count(&written.entry.shape);
        let (action, there) = (count.action(), self.session.number(count).await?);
        if there < written.rows || (written.removes && there > written.rows) {
            return Err(self.lacking(action, there, written.rows).await.into());
        }
        let kept = there - written.rows;
        // Relationships that are kept go with a node that lost its own.
        written.changes.deletes += written.surplus.saturating_sub(kept);
        written.changes.kept = kept;
        written.entry.rows = there;
        written.entry.is_exact = kept == 0;
        self.set_type(&written.entry).await?;
        Ok(written.changes)
    }

    /// Notes whether a type that has its rows already may lack some.
    async fn write_completeness(&mut self, table: &Table) -> Result<(), DeliveryError> {
        let Some(entry) = self.catalog.types.get(&table.name) else { return Ok(()) };
        let is_partial = self.scope.is_partial(&table.name);
        if entry.is_partial != is_partial {
            let entry = TypeEntry { is_partial, ..entry.clone() };
            self.set_type(&entry).await?;
        }
        Ok(())
    }

    /// Removes the types of one kind that are to go, with all their objects.
    async fn drop_types(
        &mut self,
        kind: TableKind,
        report: &mut MirrorReport,
    ) -> Result<(), DeliveryError> {
        let dropped = self.actions.iter().filter(|(_, action)| **action == Action::Drop);
        let entries = dropped.filter_map(|(name, _)| self.catalog.types.get(name));
        for entry in entries.filter(|entry| entry.shape.kind() == kind) {
            let (shape, writer) = (&entry.shape, self.writer);
            while self.session.number(Statement::RemoveSome { shape, writer }).await? > 0 {}
            let there = self.session.number(Statement::Count(shape)).await?;
            if there > 0 {
                let action = Statement::Count(shape).action();
                return Err(self.lacking(action, there, 0).await.into());
            }
            self.session.run(Statement::ForgetType { shape, writer }).await?;
            report.removed_types.push(shape.name.clone());
        }
        Ok(())
    }

    /// Counts the relationships of types that the generation does not have which went with a node.
    async fn count_lost(&mut self, report: &mut MirrorReport) -> Result<(), DeliveryError> {
        let kept = self.actions.iter().filter(|(_, action)| **action == Action::Keep);
        let entries = kept.filter_map(|(name, _)| self.catalog.types.get(name));
        for entry in entries.filter(|entry| entry.shape.kind() == TableKind::Relationship) {
            let there = self.session.number(Statement::Count(&entry.shape)).await?;
            let deletes = entry.rows.saturating_sub(there);
            if deletes > 0 {
                self.set_type(&TypeEntry { rows: there, is_exact: false, ..entry.clone() }).await?;
                let type_name = entry.shape.name.clone();
                report.types.push(TypeChanges { type_name, deletes, ..TypeChanges::default() });
            }
        }
        Ok(())
    }

    async fn set_type(&mut self, entry: &TypeEntry) -> Result<(), Neo4jError> {
        let rows = self.session.run(Statement::SetType { entry, writer: self.writer }).await?;
        self.refuse_silence(&rows)
    }

    /// Notes that the delivery is complete.
    pub(crate) async fn end(&mut self) -> Result<(), Neo4jError> {
        let manifest = self.scope.generation.manifest();
        let end = Statement::End {
            generation: self.scope.generation.id().as_str(),
            created_at: &manifest.created_at,
            erasures: manifest.erasures.iter().map(String::as_str).collect(),
            writer: self.writer,
        };
        let rows = self.session.run(end).await?;
        self.refuse_silence(&rows)
    }

    /// A statement about the state answers nothing if another delivery has begun since.
    fn refuse_silence(&self, rows: &[Vec<crate::value::Value>]) -> Result<(), Neo4jError> {
        if rows.is_empty() { Err(self.taken_over()) } else { Ok(()) }
    }

    fn taken_over(&self) -> Neo4jError {
        Neo4jError::TakenOver { database: self.database.to_owned() }
    }

    /// The reason why a number is another one than it should be.
    async fn lacking(&mut self, action: String, found: u64, expected: u64) -> Neo4jError {
        match self.session.run(Statement::ReadDelivery).await {
            Err(error) => error,
            Ok(rows) => {
                let writer = rows.first().and_then(|row| row.last()?.as_integer());
                if writer == Some(self.writer) {
                    Neo4jError::Rows { action, found, expected }
                } else {
                    self.taken_over()
                }
            }
        }
    }
}
