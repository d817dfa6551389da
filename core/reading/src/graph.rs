//! Single entities of a generation and what they are related to, by key or by name. Each read has an entry in the ledger.

#[cfg(test)]
mod tests;

use core_engine::Failure;
use core_engine::ledger::Event;
use core_query::graph::{
    Entity, EntityOverview, GraphReader, Lookup, Neighborhood, NeighborhoodLimits, Path,
    PathOptions, SearchIndex, SearchPage,
};
use core_query::{QueryError, QuerySession, QuerySettings};
use core_store::Generation;
use core_terminal::count;

use crate::changes::volatile;
use crate::failure::internal;
use crate::past::Past;
use crate::reader::Reader;
use crate::withheld::personal_columns;

/// The candidates that are named where a name does not say which entity is meant.
const CANDIDATES: usize = 10;
/// The most entities of a neighborhood.
const MAX_ENTITIES: usize = 10_000;

/// A generation that is open for reading its graph.
pub struct OpenGraph<'a> {
    reader: &'a Reader<'a>,
    generation: Generation,
    session: QuerySession,
}

/// A reason why there is no entity to read.
#[derive(Debug)]
pub enum NotFound {
    /// No or several entities have the name; these candidates are near it.
    Unclear {
        /// The candidates.
        lookup: Box<Lookup>,
        /// The reason, and what to do.
        failure: Failure,
    },
    /// No entity is near the name, or the graph cannot be read.
    Failed(Failure),
}

impl From<Failure> for NotFound {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<QueryError> for NotFound {
    fn from(error: QueryError) -> Self {
        Self::Failed(internal(error))
    }
}

impl<'a> OpenGraph<'a> {
    /// Opens the published generation, or the one that a text names. With a `remedy`, personal columns are left out;
    /// it says how to see them.
    ///
    /// # Errors
    ///
    /// There is no such generation, or it cannot be read.
    pub async fn new(
        reader: &'a Reader<'a>,
        as_of: Option<&str>,
        remedy: Option<&str>,
    ) -> Result<Self, Failure> {
        let generation = reader.generation(as_of)?;
        let session = QuerySession::empty(QuerySettings::default()).map_err(internal)?;
        let session = session.with_volatile(volatile());
        let withholding = remedy.map(personal_columns);
        let session = reader.open_on(session, withholding, Some(&generation)).await?;
        Ok(Self { reader, generation, session })
    }

    fn graph(&self) -> GraphReader<'_> {
        self.session.graph_reader()
    }

    fn record(&self, verb: &str, text: &str) {
        let text = self.reader.ledger_token(text);
        let generation = self.generation.id().as_str();
        self.reader.record(&Event::GraphRead { verb, generation, text });
    }

    /// Returns the entity that a key or name stands for.
    async fn entity(&self, text: &str) -> Result<Entity, NotFound> {
        if let Some(entity) = self.graph().entity(text).await? {
            return Ok(entity);
        }
        let index = SearchIndex::load(&self.session).await?;
        let lookup = self.graph().find(&index, text, CANDIDATES).await?;
        let failure = Failure::configuration(match lookup {
            Lookup::Found(entity) => return Ok(*entity),
            Lookup::Ambiguous(ref page) => {
                let count = page.hits.len() as u64 + page.more;
                format!("{count} entities are named {text}: name the one by its key")
            }
            Lookup::NotFound(ref page) if page.hits.is_empty() => {
                return Err(NotFound::Failed(Failure::configuration(format!(
                    "no entity has the key or name {text}: `search` finds entities by a part of a name"
                ))));
            }
            Lookup::NotFound(_) => {
                format!("no entity has the key or name {text}; the entities above contain it")
            }
        });
        Err(NotFound::Unclear { lookup: Box::new(lookup), failure })
    }

    /// Returns an entity with its neighbors by type, its alerts and its history.
    ///
    /// # Errors
    ///
    /// [`NotFound`].
    pub async fn show(&self, text: &str) -> Result<EntityOverview, NotFound> {
        self.record("show", text);
        let entity = self.entity(text).await?;
        let past = Past::up_to(self.reader.tenant, self.generation.id(), None)?;
        if let Some(remark) = past.remark() {
            self.reader.remark(&remark);
        }
        Ok(self.graph().overview(entity, &past.generations).await?)
    }

    /// Returns the entities around one: so many relationships away, and so many of each direction and type.
    ///
    /// # Errors
    ///
    /// [`NotFound`].
    pub async fn neighbors(
        &self,
        text: &str,
        depth: u32,
        limit: u32,
    ) -> Result<Neighborhood, NotFound> {
        self.record("neighbors", text);
        let entity = self.entity(text).await?;
        let neighbors = usize::try_from(limit).unwrap_or(usize::MAX);
        let limits = NeighborhoodLimits { depth, neighbors, entities: MAX_ENTITIES };
        Ok(self.graph().neighborhood(&entity.reference.key, limits).await?)
    }

    /// Returns a shortest path between two entities, or a sentence that there is none.
    ///
    /// # Errors
    ///
    /// [`NotFound`].
    pub async fn path(
        &self,
        from: &str,
        to: &str,
        max_length: u32,
        through_accounts: bool,
    ) -> Result<Result<Path, String>, NotFound> {
        self.record("path", &format!("{from}\n{to}"));
        let from = self.entity(from).await?.reference;
        let to = self.entity(to).await?.reference;
        let options = PathOptions { max_length, through_accounts, ..PathOptions::default() };
        let path = self.graph().shortest_path(&from.key, &to.key, &options).await?;
        Ok(path.ok_or_else(|| {
            let others = if through_accounts {
                ""
            } else {
                ", and not through the account: --through-account allows that"
            };
            format!(
                "no path of at most {} leads from {} to {}{others}",
                count(max_length, "relationship"),
                from.title(),
                to.title()
            )
        }))
    }

    /// Finds entities by a part of their names and identifiers, of some types or of all.
    ///
    /// # Errors
    ///
    /// There is no such type, or the graph cannot be read.
    pub async fn search(
        &self,
        text: &str,
        types: &[String],
        limit: u32,
    ) -> Result<SearchPage, Failure> {
        let known = &self.session.graph().entities;
        for type_name in types {
            if !known.iter().any(|table| table.name == *type_name) {
                let names: Vec<&str> = known.iter().map(|table| table.name.as_str()).collect();
                return Err(Failure::configuration(format!(
                    "there is no type {type_name}: the types are {}",
                    names.join(", ")
                )));
            }
        }
        self.record("search", text);
        let index = SearchIndex::load(&self.session).await.map_err(internal)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(index.search(text, types, limit))
    }
}
