//! Look-ups in the graph: search, one entity, its neighbors, the path between two.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::routing::{get, post};
use axum::{Extension, Json};
use core_query::QueryError;
use core_query::graph::{
    Direction, Edge, EntityHistory, Lookup, NeighborGroup, NeighborPage, Path as GraphPath,
    PathOptions, SearchPage,
};
use serde::{Deserialize, Serialize};

use super::{Endpoint, blocking, body_of};
use crate::Explorer;
use crate::access::{Role, User};
use crate::error::ApiError;
use crate::parameters::{Path, Query};
use crate::sessions::OpenGeneration;

/// The hits of a search, unless the request says otherwise.
const DEFAULT_HITS: usize = 50;

/// The most entities whose relationships among each other are asked for.
const MAX_AMONG: usize = 300;

/// The most of these relationships of each type.
const MAX_EDGES: usize = 2_000;

/// The neighbors of a page, unless the request says otherwise.
const DEFAULT_NEIGHBORS: usize = 25;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/tenants/{tenant}/search",
            "Finds entities by a part of a name, key, e-mail address, serial or IP address.",
            "SearchPage",
            get(search),
        )
        .required("text", "What to look for, in any case.")
        .optional("type", "Only entities of this type.")
        .optional_number("limit", "How many entities; 50 if it is missing, at most 1,000.")
        .with_generation(),
        Endpoint::get(
            "/api/v1/tenants/{tenant}/entity",
            "Returns an entity by its key or name, with the number of its neighbors in each group.",
            "EntityAnswer",
            get(entity),
        )
        .required("key", "The `_key`, or a name.")
        .with_generation(),
        Endpoint::get(
            "/api/v1/tenants/{tenant}/neighbors",
            "Returns neighbors of an entity over one type of relationships, page by page.",
            "NeighborPage",
            get(neighbors),
        )
        .required("key", "The `_key` of the entity.")
        .required("relationship", "The `_type` of the relationships.")
        .required("direction", "`out` if they begin at the entity, `in` if they end there.")
        .optional_number("from", "The `next` of the page before.")
        .optional_number("limit", "How many neighbors; 25 if it is missing, at most 1,000.")
        .with_generation(),
        Endpoint::get(
            "/api/v1/tenants/{tenant}/history",
            "Returns what became of an entity over the kept generations.",
            "EntityHistory",
            get(history),
        )
        .required("key", "The `_key` of the entity.")
        .required("type", "Its `_type`.")
        .with_generation(),
        Endpoint::post(
            "/api/v1/tenants/{tenant}/edges",
            "Returns the relationships among some entities.",
            "EdgesBody",
            "[Edge]",
            post(edges),
        ),
        Endpoint::get(
            "/api/v1/tenants/{tenant}/path",
            "Returns a shortest path between two entities; null if there is none. The status is 404 if one of the two does \
             not exist.",
            "GraphPath?",
            get(path),
        )
        .required("from", "The `_key` of one entity.")
        .required("to", "The `_key` of the other.")
        .with_generation(),
    ]
}

/// Opens the generation that a request is about, and notes the read.
async fn opened(
    explorer: &Explorer,
    tenant: &str,
    generation: Option<&str>,
    user: &User,
    view: &'static str,
) -> Result<Arc<OpenGeneration>, ApiError> {
    let generation = blocking(|| {
        let tenant = explorer.tenant(tenant)?;
        let generation = super::generation_of(&tenant, generation)?;
        if user.role == Role::Analyst {
            explorer.note_read(&tenant, user, view, Some(generation.id().as_str()));
        }
        Ok(generation)
    });
    explorer.open(&generation.await?, user.role).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchParameters {
    text: String,
    #[serde(rename = "type")]
    type_name: Option<String>,
    limit: Option<usize>,
    generation: Option<String>,
}

async fn search(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    Query(parameters): Query<SearchParameters>,
) -> Result<Json<SearchPage>, ApiError> {
    let SearchParameters { text, type_name, limit, generation } = parameters;
    let open = opened(&explorer, &tenant, generation.as_deref(), &user, "search").await?;
    let index = open.index().await?;
    let types: Vec<String> = type_name.into_iter().collect();
    let limit = limit.unwrap_or(DEFAULT_HITS);
    // The scan takes tens of milliseconds where there are millions of names.
    blocking(|| Ok(Json(index.search(&text, &types, limit)))).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityParameters {
    key: String,
    generation: Option<String>,
}

/// An entity, or those that a name may stand for.
#[derive(Debug, Serialize)]
struct EntityAnswer {
    /// The generation that was read.
    generation: String,
    /// `result` is `found`, `ambiguous` or `notFound`; `value` is the entity, or those that were meant perhaps.
    lookup: Lookup,
    /// The groups of its neighbors.
    groups: Vec<NeighborGroup>,
}

async fn entity(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    Query(EntityParameters { key, generation }): Query<EntityParameters>,
) -> Result<Json<EntityAnswer>, ApiError> {
    let open = opened(&explorer, &tenant, generation.as_deref(), &user, "entity").await?;
    let reader = open.session.graph_reader();
    // A key needs no index of names.
    let lookup = match reader.entity(&key).await? {
        Some(entity) => Lookup::Found(Box::new(entity)),
        None => reader.find(open.index().await?, &key, DEFAULT_HITS).await?,
    };
    let groups = match &lookup {
        Lookup::Found(entity) => reader.neighbor_groups(&entity.reference.key).await?,
        Lookup::Ambiguous(_) | Lookup::NotFound(_) => Vec::new(),
    };
    Ok(Json(EntityAnswer { generation: open.id().to_owned(), lookup, groups }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NeighborParameters {
    key: String,
    relationship: String,
    direction: Direction,
    from: Option<u64>,
    limit: Option<usize>,
    generation: Option<String>,
}

async fn neighbors(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    Query(parameters): Query<NeighborParameters>,
) -> Result<Json<NeighborPage>, ApiError> {
    let NeighborParameters { key, relationship, direction, from, limit, generation } = parameters;
    let open = opened(&explorer, &tenant, generation.as_deref(), &user, "entity").await?;
    let limit = limit.unwrap_or(DEFAULT_NEIGHBORS);
    let reader = open.session.graph_reader();
    let page = reader.neighbors(&key, &relationship, direction, from.unwrap_or(0), limit).await?;
    Ok(Json(page))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryParameters {
    key: String,
    #[serde(rename = "type")]
    type_name: String,
    generation: Option<String>,
}

async fn history(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    Query(HistoryParameters { key, type_name, generation }): Query<HistoryParameters>,
) -> Result<Json<EntityHistory>, ApiError> {
    let open = opened(&explorer, &tenant, generation.as_deref(), &user, "entity").await?;
    let generations = blocking(|| {
        let tenant = explorer.tenant(&tenant)?;
        // Newer ones than the shown one may be being published; those that cannot be read are left out.
        let entries =
            tenant.history()?.into_iter().skip_while(|entry| entry.id.as_str() != open.id());
        let readable = entries.filter(|entry| entry.manifest.is_ok());
        let generations = readable.map(|entry| tenant.generation(&entry.id));
        Ok(generations.collect::<Result<Vec<_>, _>>()?)
    });
    let generations = generations.await?;
    Ok(Json(open.session.graph_reader().history(&type_name, &key, &generations).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgesBody {
    keys: Vec<String>,
    generation: Option<String>,
}

async fn edges(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    request: Request,
) -> Result<Json<Vec<Edge>>, ApiError> {
    let EdgesBody { keys, generation } = body_of(request).await?;
    if keys.len() > MAX_AMONG {
        return Err(ApiError::bad_request(format!("name at most {MAX_AMONG} entities")));
    }
    let open = opened(&explorer, &tenant, generation.as_deref(), &user, "entity").await?;
    Ok(Json(open.session.graph_reader().edges_among(&keys, MAX_EDGES).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathParameters {
    from: String,
    to: String,
    generation: Option<String>,
}

async fn path(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    Query(PathParameters { from, to, generation }): Query<PathParameters>,
) -> Result<Json<Option<GraphPath>>, ApiError> {
    let open = opened(&explorer, &tenant, generation.as_deref(), &user, "entity").await?;
    let reader = open.session.graph_reader();
    match reader.shortest_path(&from, &to, &PathOptions::default()).await {
        Err(QueryError::UnknownEntity) => {
            let unknown = if reader.entity(&from).await?.is_none() { "from" } else { "to" };
            Err(ApiError::not_found(format!("there is no entity with the key in `{unknown}`")))
        }
        answer => Ok(Json(answer?)),
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::UnknownTable { .. } | QueryError::UnknownEntity => {
                Self::not_found(error.to_string())
            }
            error => Self::internal(&error),
        }
    }
}
