//! Writes tables of entities while the rows of later steps are read: once a step has been applied, its entities no
//! longer change. Edges are known only at the end; values that they do not need are freed once they are written.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use core_ingest::sorted::ClosedEntities;
use core_ingest::values::Tag;
use core_model::plan::Plan;
use core_store::{Staging, Table};

use super::publish::write_entities;
use crate::cancellation::Cancellation;
use crate::failure::Failure;

/// Writes tables one after the other on a background thread.
pub(super) struct BackgroundTableWriter {
    // Dropped in this order: the thread ends when the channel is closed.
    jobs: Sender<Arc<ClosedEntities>>,
    writing: Writing,
    staging: Arc<Staging>,
}

/// The thread. When dropped, it ends after the current batch, or after sorting the current type.
struct Writing {
    thread: Option<JoinHandle<Result<Vec<Table>, Failure>>>,
    cancellation: Cancellation,
}

impl BackgroundTableWriter {
    /// Starts the thread for a plan's entities; every entity gets `tags`.
    pub(super) fn start(
        staging: Staging,
        plan: &Plan,
        tags: Vec<Tag>,
        cancellation: &Cancellation,
    ) -> BackgroundTableWriter {
        let (jobs, entities) = mpsc::channel();
        let staging = Arc::new(staging);
        let cancellation = cancellation.child();
        let thread = {
            let (staging, cancellation) = (Arc::clone(&staging), cancellation.clone());
            let needed = needed_by_edges(plan);
            thread::spawn(move || {
                let write = |entities: Arc<ClosedEntities>| {
                    cancellation.check()?;
                    let sorted = entities.sorted();
                    let table = write_entities(sorted, &tags, &staging, &cancellation)?;
                    let type_name = entities.entity.type_name;
                    sorted.keep_only(|property| needed.contains(&(type_name, property)));
                    Ok(table)
                };
                entities.into_iter().map(write).collect()
            })
        };
        BackgroundTableWriter {
            jobs,
            writing: Writing { thread: Some(thread), cancellation },
            staging,
        }
    }

    /// Queues a table for writing. Failures are returned at the end.
    pub(super) fn write(&self, entities: Arc<ClosedEntities>) {
        // Sending fails only if the thread has failed.
        drop(self.jobs.send(entities));
    }

    /// The staging area, in which others can write more tables at the same time.
    pub(super) fn staging(&self) -> &Staging {
        &self.staging
    }

    /// Waits until all tables are written.
    pub(super) fn finish(self) -> Result<(Staging, Vec<Table>), Failure> {
        let BackgroundTableWriter { jobs, mut writing, staging } = self;
        drop(jobs);
        let tables = writing.join()?;
        let staging = Arc::into_inner(staging).expect("the thread that shared it has ended");
        Ok((staging, tables))
    }
}

impl Writing {
    fn join(&mut self) -> Result<Vec<Table>, Failure> {
        let written = self.thread.take().map(JoinHandle::join);
        written
            .map_or(Ok(Vec::new()), |tables| tables.unwrap_or_else(|defect| resume_unwind(defect)))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.cancellation.cancel();
        if let Some(thread) = self.thread.take() {
            // A run that publishes nothing has no use for its result.
            drop(thread.join());
        }
    }
}

/// The properties of entities that edges repeat, with their types.
fn needed_by_edges(plan: &Plan) -> BTreeSet<(&'static str, &'static str)> {
    let relationships = plan.steps().iter().flat_map(|planned| planned.step.relationships);
    let needed = relationships.flat_map(|relationship| {
        let target = relationship.to.entity.type_name;
        relationship.properties.iter().map(move |property| (target, property.name))
    });
    needed.collect()
}
