//! Findings, their acknowledgements and silences. These are the only calls that change anything, and only an analyst
//! may make changes.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts as _, Request, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json};
use core_rules::book::{Book, BookError};
use core_rules::finding::{Acknowledgement, State as FindingState};
use core_rules::fingerprint::FindingId;
use core_rules::rule::Severity;
use core_rules::silence::{MAX_NOTE, Matcher, Silence};
use core_rules::template::one_line;
use core_rules::view::{FindingDetail, FindingRow, RuleView, SilenceView, Wanted};
use core_store::TenantStore;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Serialize};

use super::{Endpoint, blocking, body_of};
use crate::Explorer;
use crate::access::{Role, User};
use crate::error::ApiError;
use crate::host::FindingsChange;
use crate::parameters::{Path, Query};

/// The findings of a list, unless the request says otherwise.
const DEFAULT_FINDINGS: usize = 1_000;

/// The same at most.
const MAX_FINDINGS: usize = 10_000;

/// The most findings that one request changes.
const MAX_CHANGED: usize = 1_000;

/// The longest silence. Milliseconds.
const MAX_SILENCE_MS: u64 = 366 * 24 * 3_600 * 1_000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/tenants/{tenant}/findings",
            "Lists findings, the most severe first, with the rules that were evaluated and the silences.",
            "FindingList",
            get(list),
        )
        .optional("state", "Only these states, with commas between; those that are not over if it is missing.")
        .optional("severity", "Only findings of this severity or a higher one.")
        .optional("exactSeverity", "Only findings of this severity.")
        .optional("rule", "Only findings of this rule; `*` stands for any text.")
        .optional("entity", "Only findings about the entity with this `_key`.")
        .optional_number("limit", "How many; 1,000 if it is missing, at most 10,000."),
        Endpoint::get(
            "/api/v1/tenants/{tenant}/finding",
            "Returns a finding with its row, who acknowledged it, its silence and its history.",
            "FindingDetail",
            get(one),
        )
        .required("id", "The ID of the finding."),
        Endpoint::post(
            "/api/v1/tenants/{tenant}/findings/acknowledge",
            "Takes findings on, or gives them back. Only for analysts.",
            "AcknowledgeBody",
            "Changed",
            post(acknowledge),
        ),
        Endpoint::post(
            "/api/v1/tenants/{tenant}/findings/silence",
            "Silences findings until a time: no message is sent about them. Only for analysts.",
            "SilenceBody",
            "Changed",
            post(silence),
        ),
        Endpoint::post(
            "/api/v1/tenants/{tenant}/findings/unsilence",
            "Ends a silence now. Only for analysts.",
            "UnsilenceBody",
            "Changed",
            post(unsilence),
        ),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListParameters {
    state: Option<String>,
    severity: Option<Severity>,
    exact_severity: Option<Severity>,
    rule: Option<String>,
    entity: Option<String>,
    limit: Option<usize>,
}

/// A list of findings, with the rules and silences.
#[derive(Debug, Default, Serialize)]
struct FindingList {
    /// The findings, the most severe first.
    findings: Vec<FindingRow>,
    /// The number of findings besides those that are answered.
    more: usize,
    /// The rules that were evaluated; none if no rule ever was.
    rules: Vec<RuleView>,
    /// The silences, those that are over included.
    silences: Vec<SilenceView>,
}

async fn list(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    Query(parameters): Query<ListParameters>,
) -> Result<Json<FindingList>, ApiError> {
    let is_viewer = user.role == Role::Viewer;
    let ListParameters { state, severity, exact_severity, rule, entity, limit } = parameters;
    if is_viewer && entity.is_some() {
        // The entity of a finding is withheld, and must not be revealed by requests for each entity.
        return Err(not_for_viewers());
    }
    let states = state.as_deref().map(states).transpose()?.unwrap_or_default();
    let matcher = Matcher { rule, entity, ..Matcher::default() };
    let limit = limit.unwrap_or(DEFAULT_FINDINGS).min(MAX_FINDINGS);
    blocking(|| {
        let tenant = explorer.tenant(&tenant)?;
        let Some(book) = Book::read(&tenant)? else { return Ok(Json(FindingList::default())) };
        if !is_viewer {
            explorer.note_read(&tenant, &user, "findings", None);
        }
        let now_ms = explorer.host.now_ms();
        let mut wanted = book.wanted(&Wanted { states, severity, matcher });
        wanted.retain(|(_, finding)| {
            exact_severity.is_none_or(|exact| book.severity(finding) == exact)
        });
        let rows = wanted.iter().take(limit).map(|(id, finding)| book.row(*id, finding, now_ms));
        let rows = rows.map(|row| if is_viewer { row.without_personal() } else { row });
        let silences = book.silences().iter().map(|silence| SilenceView::new(silence, now_ms));
        let silences = silences.map(|view| if is_viewer { view.without_personal() } else { view });
        Ok(Json(FindingList {
            findings: rows.collect(),
            more: wanted.len().saturating_sub(limit),
            rules: book.rule_views(),
            silences: silences.collect(),
        }))
    })
    .await
}

/// The states in a list of words.
fn states(words: &str) -> Result<Vec<FindingState>, ApiError> {
    let state = |word: &str| {
        let word: StrDeserializer<'_, WordError> = word.into_deserializer();
        FindingState::deserialize(word)
            .map_err(|error| ApiError::bad_request(format!("state: {error}")))
    };
    words.split(',').filter(|word| !word.is_empty()).map(state).collect()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneParameters {
    id: FindingId,
}

async fn one(
    State(explorer): State<Arc<Explorer>>,
    Path(tenant): Path<String>,
    Extension(user): Extension<User>,
    Query(OneParameters { id }): Query<OneParameters>,
) -> Result<Json<FindingDetail>, ApiError> {
    blocking(|| {
        let tenant = explorer.tenant(&tenant)?;
        let book = Book::read(&tenant)?.unwrap_or_default();
        let finding = book.finding(id).ok_or_else(unknown)?;
        let detail = book.detail(id, finding, explorer.host.now_ms());
        if user.role == Role::Viewer {
            return Ok(Json(detail.without_personal()));
        }
        explorer.note_read(&tenant, &user, "findings", None);
        Ok(Json(detail))
    })
    .await
}

/// The change.
#[derive(Debug, Serialize)]
struct Changed {
    /// The number of findings that it is about.
    findings: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcknowledgeBody {
    ids: Vec<FindingId>,
    note: Option<String>,
    #[serde(default)]
    undo: bool,
}

async fn acknowledge(order: Order<AcknowledgeBody>) -> Result<Json<Changed>, ApiError> {
    let AcknowledgeBody { ids, note, undo } = &order.body;
    if ids.is_empty() || ids.len() > MAX_CHANGED {
        return Err(ApiError::bad_request(format!("name 1 to {MAX_CHANGED} findings")));
    }
    let undo = *undo;
    let note = note.as_deref().map(|note| one_line(note, MAX_NOTE)).filter(|note| !note.is_empty());
    let action = if undo { "unacknowledge" } else { "acknowledge" };
    change(&order, action, |book, by, at| {
        for id in ids {
            book.finding(*id).ok_or_else(unknown)?;
            let is_changed = if undo {
                book.unacknowledge(*id, at, by)
            } else {
                let (by, note) = (by.to_owned(), note.clone());
                book.acknowledge(*id, Acknowledgement { by, at, note })
            };
            if !is_changed {
                let why = if undo { "it is not acknowledged" } else { "it is resolved" };
                return Err(conflict(format!("the finding stays as it is: {why}")));
            }
        }
        Ok(ids.len())
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceBody {
    finding: Option<FindingId>,
    rule: Option<String>,
    entity: Option<String>,
    /// The duration. Hours.
    hours: u64,
    why: String,
}

async fn silence(order: Order<SilenceBody>) -> Result<Json<Changed>, ApiError> {
    let SilenceBody { finding, rule, entity, hours, why } = &order.body;
    let (finding, rule, entity) = (*finding, rule.clone(), entity.clone());
    let matcher = Matcher { finding, rule, entity, label: None };
    if matcher.is_empty() {
        return Err(ApiError::bad_request("say what to silence: a finding, a rule or an entity"));
    }
    let why = one_line(why, MAX_NOTE);
    if why.is_empty() {
        return Err(ApiError::bad_request("say why: a silence needs a reason"));
    }
    let length_ms = hours.saturating_mul(3_600_000);
    if length_ms == 0 || length_ms > MAX_SILENCE_MS {
        return Err(ApiError::bad_request("a silence lasts from an hour to a year"));
    }
    let id = format!("s-{}", order.explorer.host.new_id()?).to_lowercase();
    change(&order, "silence", |book, by, at| {
        let findings = book.active_matching(&matcher);
        let until = at.saturating_add(length_ms);
        book.silence(Silence { id, matcher, until, at, by: by.to_owned(), why });
        Ok(findings)
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnsilenceBody {
    id: String,
}

async fn unsilence(order: Order<UnsilenceBody>) -> Result<Json<Changed>, ApiError> {
    let UnsilenceBody { id } = &order.body;
    change(&order, "end-silence", |book, _, at| {
        if book.end_silence(id, at) {
            return Ok(0);
        }
        Err(conflict("there is no such silence in force".to_owned()))
    })
    .await
}

/// A change that an analyst asks for.
struct Order<T> {
    explorer: Arc<Explorer>,
    /// The name of the tenant.
    tenant: String,
    user: User,
    body: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<Explorer>> for Order<T> {
    type Rejection = ApiError;

    /// Refuses viewers before the body is read.
    async fn from_request(request: Request, state: &Arc<Explorer>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let tenant = Path::<String>::from_request_parts(&mut parts, state).await;
        let user = Extension::<User>::from_request_parts(&mut parts, state).await;
        let (Ok(Path(tenant)), Ok(Extension(user))) = (tenant, user) else {
            return Err(ApiError::bad_request("name a tenant, and sign in"));
        };
        if user.role == Role::Viewer {
            return Err(not_for_viewers());
        }
        let body = body_of(Request::from_parts(parts, body)).await?;
        Ok(Self { explorer: Arc::clone(state), tenant, user, body })
    }
}

/// Changes the findings in one step, with an entry of the ledger. `make` gets who does it and when, and returns how
/// many findings it is about.
async fn change<T: Sync>(
    order: &Order<T>,
    action: &'static str,
    make: impl FnOnce(&mut Book, &str, u64) -> Result<usize, ApiError> + Send,
) -> Result<Json<Changed>, ApiError> {
    let Order { explorer, tenant, user, .. } = order;
    let tenant: TenantStore = blocking(|| explorer.tenant(tenant)).await?;
    let lock = Book::lock(&tenant, &explorer.host.lock_owner()).await?;
    blocking(|| {
        let mut book = Book::read(&tenant)?.ok_or_else(unknown)?;
        let by = if user.is_first { explorer.host.account() } else { user.name.clone() };
        let findings = make(&mut book, &by, explorer.host.now_ms())?;
        book.write(&lock)?;
        let user = &user.name;
        explorer.host.record_change(&tenant, &FindingsChange { action, findings, user })?;
        Ok(Json(Changed { findings }))
    })
    .await
}

fn not_for_viewers() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "role",
        "this needs the role analyst: sign in with a token of it",
    )
}

fn unknown() -> ApiError {
    ApiError::not_found("there is no such finding; it may have been forgotten after its end")
}

fn conflict(message: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "state", message)
}

impl From<BookError> for ApiError {
    fn from(error: BookError) -> Self {
        match error {
            BookError::Busy { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string())
            }
            error => Self::internal(&error),
        }
    }
}
