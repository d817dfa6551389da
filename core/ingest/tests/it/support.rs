//! Helpers of the tests: exports to a graph, and a graph to text.

use core_ingest::graph::Graph;
use core_ingest::listing;
use core_ingest::step::{IngestError, RowAccount, StepIngest, StepTables};
use core_model::step::Step;

/// Reads the tables of an export of one file.
pub(crate) fn tables(
    graph: &Graph,
    step: &'static Step,
    export: &[u8],
) -> Result<StepTables, IngestError> {
    let mut ingest = StepIngest::new(step, graph);
    ingest.push(export)?;
    ingest.finish()
}

/// Adds an export of one file to a graph.
pub(crate) fn ingest(graph: &mut Graph, step: &'static Step, export: &str) -> RowAccount {
    let tables = tables(graph, step, export.as_bytes()).expect("the export is accepted");
    let account = tables.account.clone();
    graph.add(tables);
    account
}

/// Returns the error of a rejected export.
pub(crate) fn rejected(step: &'static Step, export: &[u8]) -> IngestError {
    let found = tables(&Graph::default(), step, export).map(|tables| tables.account);
    found.expect_err("the export is refused")
}

/// Lists the entities and edges that a step makes of an export, without the counts.
pub(crate) fn listed(step: &'static Step, export: &str) -> String {
    let mut graph = Graph::default();
    ingest(&mut graph, step, export);
    listed_graph(graph, step)
}

/// Lists the entities and edges of a step in a graph, without the counts.
pub(crate) fn listed_graph(graph: Graph, step: &'static Step) -> String {
    let listing = listing::list(graph, step).expect("the schema fits");
    let (_counts, listed) = listing.split_once("\n\n").unwrap_or((&listing, ""));
    listed.to_owned()
}
