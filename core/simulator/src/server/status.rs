//! The NQL API: the status of an export (Nexthink NQL API 1.2.0, status).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::request::{error, is_authorized};
use super::state::{Export, ResultsFile, Shared, State};
use crate::behaviour::{Behaviour, QueryBehaviour};

/// The answer of a status call.
enum StatusAnswer {
    Forgotten,
    Progress(String),
    Error(String),
    Completed(ResultsFile),
    CompletedWithoutLink(ResultsFile),
}

pub(crate) async fn status(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    Path(export_id): Path<String>,
) -> Response {
    if !is_authorized(&state, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let now = state.now();
    let mut shared = state.shared();
    let Shared { behaviour, requests, exports, export_names, .. } = &mut *shared;
    requests.polls += 1;
    let not_found = || error(StatusCode::NOT_FOUND, 404, "there is no export with this ID");
    let found = export_names.get(&export_id).and_then(|name| Some((name, exports.get_mut(name)?)));
    let Some((name, export)) = found else {
        return not_found();
    };
    let query = behaviour.query(&export.query_id);
    let said = next(export, behaviour, &query, now);
    let link = |export: &mut Export| link(&state, behaviour, &query, name, export, now);
    match said {
        StatusAnswer::Forgotten => not_found(),
        StatusAnswer::Progress(status) => {
            let has_link = query.has_link_in_progress && export.file.is_some();
            let link = has_link.then(|| link(export));
            answer(StatusCode::OK, &status, link.as_deref(), None)
        }
        StatusAnswer::Error(description) => {
            answer(StatusCode::OK, "ERROR", None, Some(&description))
        }
        StatusAnswer::CompletedWithoutLink(file) => {
            answer(code(&file, &query), "COMPLETED", None, None)
        }
        StatusAnswer::Completed(file) => {
            let link = link(export);
            answer(code(&file, &query), "COMPLETED", Some(&link), None)
        }
    }
}

/// Advances an export by one status call.
fn next(
    export: &mut Export,
    behaviour: &Behaviour,
    query: &QueryBehaviour,
    now: Duration,
) -> StatusAnswer {
    let progress = &mut export.progress;
    if query.forgotten_after.is_some_and(|polls| progress.polls >= polls) {
        progress.has_ended = true;
        return StatusAnswer::Forgotten;
    }
    progress.polls = progress.polls.saturating_add(1);
    if let Some(before_end) = status_before_end(progress.polls, behaviour, query) {
        return StatusAnswer::Progress(before_end);
    }
    let in_progress = StatusAnswer::Progress("IN_PROGRESS".to_owned());
    if now < export.started + export.preparation {
        return in_progress;
    }
    let first_fail = query.failing.as_ref().filter(|failing| export.n_before < failing.times);
    let description = first_fail.map(|failing| &failing.description);
    let description = description.or_else(|| behaviour.failing.get(&export.selection.query));
    if let Some(description) = description {
        progress.has_ended = true;
        return StatusAnswer::Error(description.clone());
    }
    let Some(file) = export.file.clone() else {
        return in_progress;
    };
    if progress.n_completed > 0
        && let Some(back) = query.statuses_after_completion.get(progress.n_back)
    {
        progress.n_back += 1;
        return StatusAnswer::Progress(back.clone());
    }
    progress.has_ended = true;
    progress.n_completed = progress.n_completed.saturating_add(1);
    if progress.n_completed <= query.completed_without_link {
        return StatusAnswer::CompletedWithoutLink(file);
    }
    StatusAnswer::Completed(file)
}

/// The answer of this status call, if it does not depend on the export.
fn status_before_end(poll: u32, behaviour: &Behaviour, query: &QueryBehaviour) -> Option<String> {
    if !query.statuses.is_empty() {
        let position = usize::try_from(poll).unwrap_or(usize::MAX) - 1;
        return query.statuses.get(position).cloned();
    }
    if poll <= behaviour.polls_submitted {
        return Some("SUBMITTED".to_owned());
    }
    let before_end = behaviour.polls_submitted.saturating_add(behaviour.polls_in_progress);
    (poll <= before_end).then(|| "IN_PROGRESS".to_owned())
}

fn link(
    state: &State,
    behaviour: &Behaviour,
    query: &QueryBehaviour,
    name: &str,
    export: &mut Export,
    now: Duration,
) -> String {
    if let Some(link) = &query.download.link {
        return link.clone();
    }
    if query.download.same_link_again
        && let Some(first) = &export.progress.link
    {
        return first.clone();
    }
    let path = format!("/nexthink-simulator-exports/{name}/results.{}", export.suffix);
    let files_url = behaviour.files_url.as_deref();
    let link = state.signer.sign(files_url, &path, now, behaviour.link_lifetime);
    export.progress.link.get_or_insert_with(|| link.clone());
    link
}

fn code(file: &ResultsFile, query: &QueryBehaviour) -> StatusCode {
    if file.truncated || query.says_truncated {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    }
}

fn answer(
    code: StatusCode,
    status: &str,
    link: Option<&str>,
    description: Option<&str>,
) -> Response {
    let body = json!({
        "status": status, "resultsFileUrl": link, "errorDescription": description,
    });
    (code, Json(body)).into_response()
}
