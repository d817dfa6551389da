//! `show`, `neighbors`, `path` and `search`: single entities of a generation and what they are related to.

use core_engine::FailureKind;
use core_engine::ledger::Event;
use core_query::graph::{
    Entity, GraphReader, Lookup, NeighborhoodLimits, PathOptions, SearchIndex, SearchPage, texts,
};
use core_query::{QueryError, QuerySession, QuerySettings};
use core_reading::past::Past;
use core_reading::{Reader, changes, of_query, personal_columns};
use core_store::Generation;
use core_terminal::count;
use serde::Serialize;

use super::opened::Opened;
use super::query::REMEDY;
use crate::cli::{
    Global, GraphRead, NeighborsArguments, PathArguments, ReportFormat, SearchArguments,
    ShowArguments,
};
use crate::exit::{Exit, Failure};
use crate::output::{self, terminal_columns};

/// The candidates that are named where a name does not say which entity is meant.
const CANDIDATES: usize = 10;
/// The entities of a neighborhood.
const MAX_ENTITIES: usize = 10_000;

/// A generation that is open for reading its graph.
struct Graph<'a> {
    reader: &'a Reader<'a>,
    generation: Generation,
    session: QuerySession,
}

impl<'a> Graph<'a> {
    async fn open(reader: &'a Reader<'a>, read: &GraphRead) -> Result<Self, Failure> {
        let generation = reader.generation(read.as_of.as_deref())?;
        let session = QuerySession::empty(QuerySettings::default()).map_err(failure)?;
        let session = session.with_volatile(changes::volatile());
        let withholding = read.without_personal.then(|| personal_columns(REMEDY));
        let session = reader.open_on(session, withholding, Some(&generation)).await?;
        Ok(Self { reader, generation, session })
    }

    fn graph(&self) -> GraphReader<'_> {
        self.session.graph_reader()
    }

    /// Records a read of the graph in the ledger.
    fn record(&self, verb: &str, text: &str) {
        let text = self.reader.ledger_token(text);
        let generation = self.generation.id().as_str();
        self.reader.record(&Event::GraphRead { verb, generation, text });
    }

    /// The entity that a key or name stands for.
    async fn entity(&self, text: &str, format: ReportFormat) -> Result<Entity, Failure> {
        if let Some(entity) = self.graph().entity(text).await.map_err(failure)? {
            return Ok(entity);
        }
        let index = SearchIndex::load(&self.session).await.map_err(failure)?;
        let lookup = self.graph().find(&index, text, CANDIDATES).await.map_err(failure)?;
        let (page, reason) = match &lookup {
            Lookup::Found(entity) => return Ok(Entity::clone(entity)),
            Lookup::Ambiguous(page) => {
                let count = page.hits.len() as u64 + page.more;
                (page, format!("{count} entities are named {text}: name the one by its key"))
            }
            Lookup::NotFound(page) if page.hits.is_empty() => {
                let reason = format!(
                    "no entity has the key or name {text}: `search` finds entities by a part of a name"
                );
                return Err(Failure::usage(reason));
            }
            Lookup::NotFound(page) => {
                (page, format!("no entity has the key or name {text}; these contain it"))
            }
        };
        match format {
            ReportFormat::Table => output::result(&texts::hits(page, terminal_columns())),
            ReportFormat::Json => print(&lookup)?,
        }
        Err(Failure::usage(reason))
    }
}

/// Shows an entity with its neighbors by type, its alerts and its history.
pub(super) async fn show(global: &Global, arguments: &ShowArguments) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let graph = Graph::open(&reader, &arguments.read).await?;
    graph.record("show", &arguments.entity);
    let format = arguments.read.output;
    let entity = graph.entity(&arguments.entity, format).await?;
    let past = Past::up_to(&opened.tenant, graph.generation.id(), None)?;
    if let Some(remark) = past.remark() {
        reader.remark(&remark);
    }
    let shown = graph.graph().overview(entity, &past.generations).await.map_err(failure)?;
    match format {
        ReportFormat::Table => output::result(&texts::overview(&shown, terminal_columns())),
        ReportFormat::Json => print(&shown)?,
    }
    Ok(Exit::Complete)
}

/// Lists the entities around one.
pub(super) async fn neighbors(
    global: &Global,
    arguments: &NeighborsArguments,
) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let graph = Graph::open(&reader, &arguments.read).await?;
    graph.record("neighbors", &arguments.entity);
    let entity = graph.entity(&arguments.entity, arguments.read.output).await?;
    let limits = NeighborhoodLimits {
        depth: arguments.depth,
        neighbors: usize::try_from(arguments.limit).unwrap_or(usize::MAX),
        entities: MAX_ENTITIES,
    };
    let around = graph.graph().neighborhood(&entity.reference.key, limits).await;
    let around = around.map_err(failure)?;
    match arguments.read.output {
        ReportFormat::Table => output::result(&texts::neighborhood(&around, terminal_columns())),
        ReportFormat::Json => print(&around)?,
    }
    Ok(Exit::Complete)
}

/// Shows a shortest path between two entities.
pub(super) async fn path(global: &Global, arguments: &PathArguments) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let graph = Graph::open(&reader, &arguments.read).await?;
    graph.record("path", &format!("{}\n{}", arguments.from, arguments.to));
    let format = arguments.read.output;
    let from = graph.entity(&arguments.from, format).await?.reference;
    let to = graph.entity(&arguments.to, format).await?.reference;
    let options = PathOptions {
        max_length: arguments.max_length,
        through_accounts: arguments.through_account,
        ..PathOptions::default()
    };
    let path = graph.graph().shortest_path(&from.key, &to.key, &options).await.map_err(failure)?;
    match (arguments.read.output, &path) {
        (ReportFormat::Json, path) => print(path)?,
        (ReportFormat::Table, Some(path)) => output::result(&texts::path(path, terminal_columns())),
        (ReportFormat::Table, None) => {
            let others = if arguments.through_account {
                ""
            } else {
                ", and not through the account: --through-account allows that"
            };
            output::result(&format!(
                "no path of at most {} leads from {} to {}{others}",
                count(arguments.max_length, "relationship"),
                from.title(),
                to.title()
            ));
        }
    }
    Ok(Exit::Complete)
}

/// Finds entities by their names and identifiers.
pub(super) async fn search(global: &Global, arguments: &SearchArguments) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = opened.reader();
    let graph = Graph::open(&reader, &arguments.read).await?;
    let known = &graph.session.graph().entities;
    for type_name in &arguments.types {
        if !known.iter().any(|table| table.name == *type_name) {
            let names: Vec<&str> = known.iter().map(|table| table.name.as_str()).collect();
            return Err(Failure::usage(format!(
                "there is no type {type_name}: the types are {}",
                names.join(", ")
            )));
        }
    }
    graph.record("search", &arguments.text);
    let index = SearchIndex::load(&graph.session).await.map_err(failure)?;
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let page: SearchPage = index.search(&arguments.text, &arguments.types, limit);
    match arguments.read.output {
        ReportFormat::Table => output::result(&texts::hits(&page, terminal_columns())),
        ReportFormat::Json => print(&page)?,
    }
    Ok(Exit::Complete)
}

fn print(answer: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(answer);
    output::result(&text.map_err(|error| Failure::new(Exit::Internal, error))?);
    Ok(())
}

fn failure(error: QueryError) -> Failure {
    of_query(error, FailureKind::Internal).into()
}
