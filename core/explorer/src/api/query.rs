//! Queries in SQL and J1QL.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use core_store::{GenerationId, TenantStore};
use futures::stream;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{Endpoint, blocking, body_of, generation_of};
use crate::Explorer;
use crate::access::User;
use crate::error::ApiError;
use crate::parameters::{Path, Query};
use crate::worker::{self, AnswerFormat, Asked, PIECES, WorkerRequest};

/// The most rows of an answer in JSON.
const MAX_ROWS: usize = 10_000;

/// The rows of an answer in JSON, unless the request says otherwise.
const DEFAULT_ROWS: usize = 1_000;

/// The longest answer in JSON that is held in memory. Bytes. The process that makes it stops adding rows before.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post(
            "/api/v1/tenants/{tenant}/query",
            "Answers a query in SQL or J1QL: its first rows, and the number of all.",
            "QueryBody",
            "QueryAnswer",
            post(query),
        ),
        Endpoint::get(
            "/api/v1/tenants/{tenant}/query.csv",
            "Answers a query in SQL or J1QL with all rows as CSV.",
            "any",
            get(csv),
        )
        .csv()
        .optional("query", "The query.")
        .optional("question", "The name of a saved question, in place of a query.")
        .optional("asOf", "The generation: an ID, a day or `previous`.")
        .optional("compareWith", "The older generation that `diff_entities` compares with.")
        .optional("parameters", "The parameters of a J1QL query, a JSON object of texts."),
    ]
}

/// A query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QueryBody {
    /// SQL that begins with SELECT, or J1QL that begins with FIND.
    query: Option<String>,
    /// The name of a saved question, in place of a query.
    question: Option<String>,
    /// The values of the parameters.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    /// The generation: an ID, a day or `previous`; the published one if it is missing.
    as_of: Option<String>,
    /// The older generation that the tables `diff_entities` and `diff_relationships` compare with.
    compare_with: Option<String>,
    /// The number of rows to answer, at most 10,000; 1,000 if it is missing.
    limit: Option<usize>,
}

async fn query(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    request: Request,
) -> Result<Response, ApiError> {
    let body: QueryBody = body_of(request).await?;
    let limit = body.limit.unwrap_or(DEFAULT_ROWS).min(MAX_ROWS);
    let request = WorkerRequest {
        tenant,
        query: asked(body.query, body.question)?,
        parameters: body.parameters,
        as_of: body.as_of,
        compare_with: body.compare_with,
        format: AnswerFormat::Json { limit },
        user: user.name,
        role: user.role,
    };
    check(&explorer, &request).await?;
    let mut answer = worker::ask(&explorer, request).await?;
    let mut body = Vec::new();
    while let Some(piece) = answer.next().await? {
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(ApiError::bad_request(
                "the answer is too large for a page: select fewer columns, or read it as CSV",
            ));
        }
        body.extend_from_slice(&piece);
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The parameters of an answer in CSV.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CsvParameters {
    query: Option<String>,
    question: Option<String>,
    as_of: Option<String>,
    compare_with: Option<String>,
    parameters: Option<String>,
}

async fn csv(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    Query(parameters): Query<CsvParameters>,
) -> Result<Response, ApiError> {
    let values = parameters.parameters.as_deref().map(serde_json::from_str).transpose();
    let values =
        values.map_err(|_| ApiError::bad_request("`parameters` is not a JSON object of texts"))?;
    let request = WorkerRequest {
        tenant,
        query: asked(parameters.query, parameters.question)?,
        parameters: values.unwrap_or_default(),
        as_of: parameters.as_of,
        compare_with: parameters.compare_with,
        format: AnswerFormat::Csv,
        user: user.name,
        role: user.role,
    };
    check(&explorer, &request).await?;
    let answer = worker::ask(&explorer, request).await?;
    let (sender, receiver) = mpsc::channel(PIECES);
    let reading = Some((receiver, answer.erasures.clone()));
    // Its own task ends the process also while the client does not read.
    tokio::spawn(answer.send(sender, Arc::clone(&explorer.slow)));
    let pieces = stream::unfold(reading, |reading| async {
        let (mut receiver, mut erasures) = reading?;
        let piece = tokio::select! {
            biased;
            // Pieces from before are not sent any more.
            () = erasures.erased() => None,
            piece = receiver.recv() => piece,
        };
        match piece {
            Some(Some(piece)) => Some((Ok(piece), Some((receiver, erasures)))),
            Some(None) => None,
            None => Some((Err("the answer was cut off"), None)),
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"nexthink-graph.csv\""),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// The subject of a request: a query or a question, and not both.
fn asked(query: Option<String>, question: Option<String>) -> Result<Asked, ApiError> {
    match (query, question) {
        (Some(query), None) => Ok(Asked::Query(query)),
        (None, Some(question)) => Ok(Asked::Question(question)),
        _ => Err(ApiError::bad_request("send either `query` or `question`")),
    }
}

/// Checks that everything a request names exists, before a process is started for it.
async fn check(explorer: &Explorer, request: &WorkerRequest) -> Result<(), ApiError> {
    blocking(|| {
        let tenant = explorer.tenant(&request.tenant)?;
        if let Asked::Question(id) = &request.query {
            let questions = explorer.host.questions()?;
            questions.find(id).map_err(|error| ApiError::not_found(error.to_string()))?;
        }
        let named = [&request.as_of, &request.compare_with];
        named.into_iter().flatten().try_for_each(|name| check_generation(&tenant, name))
    })
    .await
}

/// Checks that a generation exists that is named by its ID, by a day or time, as `previous` or as `current`.
fn check_generation(tenant: &TenantStore, name: &str) -> Result<(), ApiError> {
    if name.parse::<GenerationId>().is_ok() {
        return generation_of(tenant, Some(name)).map(drop);
    }
    let kept = tenant.history()?.into_iter().skip_while(|entry| !entry.is_current);
    let mut days = kept.filter_map(|entry| {
        entry.manifest.ok().and_then(|manifest| day_of(&manifest.created_at).map(str::to_owned))
    });
    let exists = match (name, day_of(name)) {
        ("current", _) => true,
        ("previous", _) => days.nth(1).is_some(),
        // A time may be of another zone, which the process knows about.
        (_, Some(day)) => name.len() > day.len() || days.any(|kept| kept.as_str() <= day),
        (_, None) => {
            return Err(ApiError::bad_request(format!(
                "{name:?} names no generation: send an ID, `previous`, `current`, or a day such as 2026-03-01"
            )));
        }
    };
    if exists {
        return Ok(());
    }
    Err(ApiError::not_found(format!("there is no generation from {name} or before")))
}

/// The day that a time begins with, as it is written; the process reads the rest of it.
fn day_of(time: &str) -> Option<&str> {
    let day = time.get(..10)?;
    let is_day = day.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_day.then_some(day)
}
