//! The validation and authorization of NQL API requests.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::state::{Shared, State};
use crate::behaviour::{Behaviour, QueryBehaviour, Results, ResultsCompression};
use crate::exports::SavedQuery;
use crate::selection::{Filter, Selection};

/// The code that a real tenant returned for an unknown query.
const UNKNOWN_QUERY_CODE: u16 = 100;

/// A requested query, and the values of its parameters.
pub(crate) struct RequestedQuery {
    pub(crate) query_id: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) compression: RequestedCompression,
}

#[derive(Clone, Copy)]
pub(crate) enum RequestedCompression {
    None,
    Gzip,
    Zstd,
}

/// A query that the tenant has and the credentials may run.
pub(crate) struct Granted {
    pub(crate) behaviour: QueryBehaviour,
    pub(crate) selection: Selection,
    /// The value of the query's parameter; empty without one.
    pub(crate) value: String,
    /// True if the rows in place of the tenant's were truncated at the row cap.
    pub(crate) is_cut: bool,
}

/// Returns true for a valid bearer token. The refusal is documented as a 401 without a body.
pub(crate) fn is_authorized(state: &State, headers: &HeaderMap) -> bool {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| state.shared().accepts_token(token, state.now()))
}

/// Parses the body of a POST. Members other than the `known` ones are counted and ignored.
#[expect(clippy::result_large_err, reason = "the error is the answer, made once per request")]
pub(crate) fn read_post(
    state: &State,
    headers: &HeaderMap,
    body: &[u8],
    known: &[&str],
) -> Result<RequestedQuery, Response> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if !is_json {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response());
    }
    let refuse = |message| error(StatusCode::BAD_REQUEST, 400, message);
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Err(refuse("the body is not a JSON object"));
    };
    let is_known = |name: &String| known.contains(&name.as_str());
    let n_unknown = members.keys().filter(|name| !is_known(name)).count() as u64;
    state.shared().requests.unknown_members += n_unknown;

    let parameters = match members.get("parameters") {
        None | Some(Value::Null) => Some(BTreeMap::new()),
        Some(Value::Object(parameters)) => parameters
            .iter()
            .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect(),
        Some(_) => None,
    };
    let parameters = parameters.ok_or_else(|| refuse("parameters is not an object of strings"))?;
    let compression = match members.get("compression").filter(|_| known.contains(&"compression")) {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) => Some(""),
    };
    let query_id = members.get("queryId").and_then(Value::as_str);
    let asked = RequestedQuery::new(query_id, compression, parameters);
    asked.map_err(refuse)
}

impl RequestedQuery {
    pub(crate) fn new(
        query_id: Option<&str>,
        compression: Option<&str>,
        parameters: BTreeMap<String, String>,
    ) -> Result<Self, &'static str> {
        let query_id = query_id.filter(|id| is_query_id(id));
        let query_id = query_id.ok_or("queryId does not match ^#[a-z0-9_]{2,255}$")?;
        let compression = match compression {
            None | Some("NONE") => RequestedCompression::None,
            Some("GZIP") => RequestedCompression::Gzip,
            Some("ZSTD") => RequestedCompression::Zstd,
            Some(_) => return Err("compression is none of NONE, GZIP, ZSTD"),
        };
        Ok(Self { query_id: query_id.to_owned(), parameters, compression })
    }

    /// Finds the query, and its rows that match the parameters.
    #[expect(clippy::result_large_err, reason = "the error is the answer, made once per request")]
    pub(crate) fn grant(&self, shared: &mut Shared) -> Result<Granted, Response> {
        let Some(query) = shared.behaviour.saved_query(&self.query_id) else {
            let message = format!("no NQL API query has the ID {}", self.query_id);
            return Err(error(StatusCode::NOT_FOUND, UNKNOWN_QUERY_CODE, &message));
        };
        if shared.behaviour.is_forbidden(&self.query_id) {
            let message = "the credentials may not run this query";
            return Err(error(StatusCode::FORBIDDEN, 403, message));
        }
        let behaviour = shared.behaviour.query(&self.query_id);
        let declared = behaviour.parameter.as_ref();
        let value = declared.and_then(|parameter| self.parameters.get(&parameter.name)).cloned();
        let n_unknown = self.parameters.len() - usize::from(value.is_some());
        shared.requests.unknown_parameters += n_unknown as u64;
        let filter = match (declared, &value) {
            _ if behaviour.ignores_parameters => None,
            (None, _) => None,
            (Some(declared), None) => {
                let message = format!("the query needs a value for ${}", declared.name);
                return Err(error(StatusCode::BAD_REQUEST, 400, &message));
            }
            (Some(declared), Some(value)) => {
                let filter = Filter::new(query, &declared.column, value);
                let is_missing = || error(StatusCode::BAD_REQUEST, 400, "no such column");
                Some(filter.ok_or_else(is_missing)?)
            }
        };
        let selection = Selection { query, filter, row_cap: shared.behaviour.row_cap(query) };
        Ok(Granted { behaviour, selection, value: value.unwrap_or_default(), is_cut: false })
    }

    /// Sets the current rows of the audit trail's table, in seconds since 1970-01-01 UTC.
    pub(crate) fn add_audit_table(granted: &mut Granted, behaviour: &Behaviour, now: u64) {
        let Selection { query, row_cap, .. } = granted.selection;
        if query != SavedQuery::AuditLogs || granted.behaviour.results.is_some() {
            return;
        }
        let (csv, is_cut) = behaviour.audit.table(now, row_cap);
        granted.is_cut = is_cut;
        let compression = ResultsCompression::Requested;
        granted.behaviour.results = Some(Results { content: csv.into(), compression });
    }

    /// The query to count: the tenant's own with this ID, or the one whose rows it returns.
    pub(crate) fn counted_query(&self, granted: &Granted) -> SavedQuery {
        SavedQuery::from_id(&self.query_id).unwrap_or(granted.selection.query)
    }
}

fn is_query_id(id: &str) -> bool {
    let Some(name) = id.strip_prefix('#') else {
        return false;
    };
    (2..=255).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// `ErrorResponse` of the NQL API.
pub(crate) fn error(status: StatusCode, code: u16, message: &str) -> Response {
    (status, Json(json!({ "message": message, "code": code, "source": null }))).into_response()
}
