//! The list of saved questions. They are asked as queries.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json};
use core_query::questions::{Language, Parameter, Question, Show};
use serde::Serialize;

use super::overview::Pinned;
use super::{Endpoint, blocking, pinned_or_published};
use crate::Explorer;
use crate::access::User;
use crate::error::ApiError;
use crate::parameters::{Path, Query};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/tenants/{tenant}/questions",
            "Lists the saved questions, those of the user first.",
            "[Question]",
            get(questions),
        )
        .with_generation(),
    ]
}

/// A saved question.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedQuestion {
    id: String,
    title: String,
    description: String,
    tags: Vec<String>,
    language: Language,
    query: String,
    show: Show,
    parameters: Vec<Parameter>,
    is_shipped: bool,
    /// The reason why it cannot be asked of this generation or by this user; none if it can.
    unavailable: Option<String>,
}

impl ListedQuestion {
    fn new(question: Question, unavailable: Option<String>) -> Self {
        Self {
            id: question.id,
            title: question.title,
            description: question.description,
            tags: question.tags,
            language: question.language,
            query: question.query,
            show: question.show,
            parameters: question.parameters,
            is_shipped: question.is_shipped,
            unavailable,
        }
    }
}

async fn questions(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    Query(Pinned { generation }): Query<Pinned>,
) -> Result<Json<Vec<ListedQuestion>>, ApiError> {
    let generation =
        blocking(|| pinned_or_published(&explorer.tenant(&tenant)?, generation.as_deref()));
    let open = match generation.await? {
        Some(generation) => Some(explorer.open(&generation, user.role).await?),
        None => None,
    };
    blocking(|| {
        let questions = explorer.host.questions()?;
        let listed = questions.list().map(|question| {
            let unavailable =
                open.as_ref().and_then(|open| open.unavailability(&*explorer.host, question));
            ListedQuestion::new(question.clone(), unavailable)
        });
        Ok(Json(listed.collect()))
    })
    .await
}
