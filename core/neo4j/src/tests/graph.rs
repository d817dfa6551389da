//! A database in memory that does what each statement says. Where the text of a statement and this differ, the tests
//! with a real server tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::bolt::Rows;
use crate::error::Neo4jError;
use crate::rows::Row;
use crate::session::Session;
use crate::statement::{HASH, KEYS_AT_ONCE, REMOVED_AT_ONCE, Shape, Statement, TypeEntry};
use crate::value::{Value, texts};

/// A node or a relationship.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    /// The keys of both ends of a relationship.
    pub(super) ends: Option<(String, String)>,
    pub(super) properties: Value,
    pub(super) classes: BTreeSet<String>,
}

/// The node that says whose graph it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct State {
    pub(super) format: i64,
    pub(super) tenant: String,
    pub(super) generation: Option<String>,
    pub(super) delivering: Option<String>,
    pub(super) erasures: Vec<String>,
    pub(super) writer: i64,
    pub(super) is_whole: bool,
}

/// The content of the database.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Graph {
    pub(super) state: Option<State>,
    pub(super) entries: BTreeMap<String, TypeEntry>,
    pub(super) objects: BTreeMap<String, BTreeMap<String, Object>>,
}

/// The moment at which a statement fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Before it does anything.
    Before,
    /// After it has done everything: the answer is lost.
    After,
}

/// A session with the database.
#[derive(Debug, Default)]
pub(super) struct Simulated {
    pub(super) graph: Graph,
    /// The number of the statement that fails, and when.
    pub(super) fault: Option<(usize, Fault)>,
    /// The number of the statement before which another delivery begins.
    pub(super) takeover: Option<usize>,
    /// The purposes of the statements that were run.
    pub(super) actions: Vec<String>,
    /// The number of rows that were sent.
    pub(super) sent: usize,
}

impl Session for Simulated {
    async fn run(&mut self, statement: Statement<'_>) -> Result<Rows, Neo4jError> {
        let number = self.actions.len();
        self.actions.push(statement.action());
        if let (true, Some(state)) = (self.takeover == Some(number), &mut self.graph.state) {
            state.writer += 1;
            state.is_whole = false;
        }
        let failed = || Neo4jError::broken("a statement", "a database", "the connection broke");
        if self.fault == Some((number, Fault::Before)) {
            return Err(failed());
        }
        let rows = self.carry_out(&statement);
        if self.fault == Some((number, Fault::After)) {
            return Err(failed());
        }
        Ok(rows)
    }
}

fn number(number: usize) -> Rows {
    vec![vec![Value::Integer(i64::try_from(number).expect("few"))]]
}

impl Simulated {
    fn carry_out(&mut self, statement: &Statement<'_>) -> Rows {
        match statement {
            Statement::ReadDelivery => self.graph.state.iter().map(State::row).collect(),
            Statement::ReadTypes => self.graph.entries.values().map(entry_row).collect(),
            Statement::Count(shape) => number(self.graph.of(shape).len()),
            Statement::PrepareState(_) | Statement::Prepare(_) => Vec::new(),
            Statement::Begin { format, tenant, generation, erasures } => {
                let state = self.graph.state.get_or_insert_with(|| State {
                    format: *format,
                    tenant: (*tenant).to_owned(),
                    erasures: erasures.iter().map(|id| (*id).to_owned()).collect(),
                    ..State::default()
                });
                state.writer += 1;
                state.delivering = Some((*generation).to_owned());
                state.is_whole = false;
                vec![vec![Value::Integer(state.writer)]]
            }
            Statement::LookUp { shape, keys } => {
                let objects = self.graph.of(shape);
                let found = keys.iter().filter_map(|key| Some((key, objects.get(*key)?)));
                let hash = |object: &Object| object.properties.field(HASH).cloned();
                found
                    .map(|(key, object)| vec![(*key).into(), hash(object).unwrap_or(Value::Null)])
                    .collect()
            }
            Statement::Keys { shape, after } => {
                let keys = self.graph.of(shape).keys().filter(|key| key.as_str() > *after);
                keys.take(KEYS_AT_ONCE).map(|key| vec![key.as_str().into()]).collect()
            }
            statement => self.change(statement),
        }
    }

    /// Carries out a statement that writes, unless another delivery has begun since.
    fn change(&mut self, statement: &Statement<'_>) -> Rows {
        let may_write =
            |writer: i64| self.graph.state.as_ref().is_some_and(|state| state.writer == writer);
        match statement {
            Statement::Write { shape, old_classes, rows, writer } => {
                self.sent += rows.len();
                let is_fenced = !may_write(*writer);
                let rows = rows
                    .iter()
                    .filter(|row| !is_fenced && self.graph.write(shape, old_classes, row));
                number(rows.count())
            }
            Statement::Remove { shape, keys, writer } => {
                let is_fenced = !may_write(*writer);
                let removed = keys.iter().filter(|key| !is_fenced && self.graph.remove(shape, key));
                number(removed.count())
            }
            Statement::RemoveSome { shape, writer } => {
                let is_fenced = !may_write(*writer);
                let keys: Vec<String> =
                    self.graph.of(shape).keys().take(REMOVED_AT_ONCE).cloned().collect();
                let removed = keys.iter().filter(|key| !is_fenced && self.graph.remove(shape, key));
                number(removed.count())
            }
            Statement::SetType { entry, writer } if may_write(*writer) => {
                let name = entry.shape.name.clone();
                self.graph.entries.insert(name.clone(), (*entry).clone());
                vec![vec![Value::Text(name)]]
            }
            Statement::ForgetType { shape, writer } if may_write(*writer) => {
                number(usize::from(self.graph.entries.remove(&shape.name).is_some()))
            }
            Statement::End { generation, erasures, writer, .. } if may_write(*writer) => {
                let state = self.graph.state.as_mut().expect("it has a writer");
                state.generation = Some((*generation).to_owned());
                state.delivering = None;
                state.erasures = erasures.iter().map(|id| (*id).to_owned()).collect();
                state.is_whole = true;
                vec![vec![Value::Integer(state.writer)]]
            }
            _ => Vec::new(),
        }
    }
}

impl Graph {
    fn of(&self, shape: &Shape) -> &BTreeMap<String, Object> {
        static NONE: BTreeMap<String, Object> = BTreeMap::new();
        self.objects.get(&shape.type_name()).unwrap_or(&NONE)
    }

    /// The keys of the objects of a type.
    pub(super) fn keys(&self, type_name: &str) -> Vec<&str> {
        self.objects.get(type_name).into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }

    fn write(&mut self, shape: &Shape, old_classes: &[String], row: &Row) -> bool {
        if let (Some((from, to)), Some((from_key, to_key))) = (&shape.ends, &row.ends) {
            let is_there = |name: &String, key: &String| {
                self.objects.get(name).is_some_and(|nodes| nodes.contains_key(key))
            };
            if !is_there(from, from_key) || !is_there(to, to_key) {
                return false;
            }
        }
        let objects = self.objects.entry(shape.type_name()).or_default();
        let before = objects.get(&row.key).map(|object| object.classes.clone());
        let mut classes = before.unwrap_or_default();
        classes.extend(shape.classes.iter().cloned());
        classes.retain(|class| shape.classes.contains(class) || !old_classes.contains(class));
        let (ends, properties) = (row.ends.clone(), row.properties.clone());
        objects.insert(row.key.clone(), Object { ends, properties, classes });
        true
    }

    /// Removes an object; a node with all its relationships.
    fn remove(&mut self, shape: &Shape, key: &str) -> bool {
        let objects = self.objects.entry(shape.type_name()).or_default();
        let is_there = objects.remove(key).is_some();
        if shape.ends.is_none() {
            for objects in self.objects.values_mut() {
                let touches = |ends: &(String, String)| ends.0 == key || ends.1 == key;
                objects.retain(|_, object| !object.ends.as_ref().is_some_and(touches));
            }
        }
        is_there
    }
}

impl State {
    fn row(&self) -> Vec<Value> {
        vec![
            self.format.into(),
            self.tenant.as_str().into(),
            self.generation.as_deref().into(),
            self.delivering.as_deref().into(),
            texts(self.erasures.iter().map(String::as_str)),
            self.writer.into(),
        ]
    }
}

fn entry_row(entry: &TypeEntry) -> Vec<Value> {
    let (from, to) =
        entry.shape.ends.as_ref().map(|(from, to)| (from.as_str(), to.as_str())).unzip();
    vec![
        entry.shape.name.as_str().into(),
        texts(entry.shape.classes.iter().map(String::as_str)),
        from.into(),
        to.into(),
        entry.mark.as_str().into(),
        entry.is_exact.into(),
        entry.is_partial.into(),
        i64::try_from(entry.rows).expect("few").into(),
    ]
}
