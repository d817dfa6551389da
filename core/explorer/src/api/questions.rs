//! The saved questions: what there is to ask. They are asked as queries.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use core_query::questions::{Language, Parameter, Question, Show};
use serde::Serialize;

use super::{Endpoint, blocking};
use crate::Explorer;
use crate::error::ApiError;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::get(
        "/api/v1/tenants/{tenant}/questions",
        "Lists the saved questions, those of the user first.",
        "[Question]",
        get(questions),
    )]
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
}

impl From<Question> for ListedQuestion {
    fn from(question: Question) -> Self {
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
        }
    }
}

async fn questions(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
) -> Result<Json<Vec<ListedQuestion>>, ApiError> {
    blocking(|| {
        explorer.tenant(&tenant)?;
        let questions = explorer.host.questions()?;
        Ok(Json(questions.list(None).cloned().map(ListedQuestion::from).collect()))
    })
    .await
}
