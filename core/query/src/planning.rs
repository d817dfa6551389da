//! Plans a query on a separate thread with a large stack: the planner recurses for each level of an expression, and
//! an ordinary stack is enough for a few hundred levels only.

use std::thread;

use datafusion::error::DataFusionError;
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use datafusion::prelude::DataFrame;
use tokio::runtime::Handle;

use crate::error::QueryError;

/// The stack for the deepest query that [`crate::complexity`] accepts. Only the used part takes memory.
const STACK_BYTES: usize = 128 * 1024 * 1024;

/// The memory for the plan of a usual query. Bytes.
const PLAN_BYTES: usize = 32 * 1024 * 1024;

/// Returns whether this process has memory left for planning a query. What an earlier query has freed may still be with
/// the allocator, and a system that limits the memory of a process counts it.
#[must_use]
pub fn has_room() -> bool {
    let probe = thread::Builder::new().stack_size(STACK_BYTES + PLAN_BYTES).spawn(|| {});
    probe.is_ok_and(|thread| thread.join().is_ok())
}

/// Runs a closure on a deep stack, and waits for it. Its futures run on the caller's runtime.
///
/// # Errors
/// Returns the answer of the closure, and [`QueryError::Execution`] when the thread cannot be started or panics.
pub(crate) fn on_deep_stack<T: Send, F: Future<Output = Result<T, QueryError>>>(
    plan: impl FnOnce() -> F + Send,
) -> Result<T, QueryError> {
    let runtime = Handle::current();
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("planning".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || runtime.block_on(plan()))
            .map_err(|_| QueryError::Execution { reason: "no thread can be started for it" })?;
        thread.join().unwrap_or(Err(QueryError::PANICKED))
    })
}

/// Starts a query.
///
/// DataFusion 55 sorts the parts of a union by themselves and merges them, even where it then no longer knows
/// that a part is in order: if two columns of a part are the same one, it rejects its own plan. Such a query
/// is planned again with one sort over all rows.
pub(crate) async fn stream(
    answer: DataFrame,
) -> Result<SendableRecordBatchStream, DataFusionError> {
    let (mut state, plan) = answer.into_parts();
    let mut planned = state.create_physical_plan(&plan).await;
    if planned.is_err() {
        state.config_mut().options_mut().optimizer.repartition_sorts = false;
        planned = state.create_physical_plan(&plan).await;
    }
    execute_stream(planned?, state.task_ctx())
}
