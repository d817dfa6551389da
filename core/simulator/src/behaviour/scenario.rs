//! Scenario files: a behaviour written as TOML.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, de};

use super::Behaviour;
use crate::exports::SavedQuery;

/// A scenario file. Its keys are the fields of [`Behaviour`]; missing ones have their healthy
/// defaults.
#[derive(Debug, Clone, Copy)]
pub struct Scenario;

/// The reason why a scenario file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It is not TOML, or not a scenario. The source has the reason, with line and column.
    #[error("scenario cannot be read")]
    Unreadable(#[from] toml::de::Error),
    /// A query ID is not one of the tenant's own and has no `same_as`.
    #[error("query {0} of the scenario is not one of the tenant's own; set its same_as")]
    UnknownQuery(String),
    /// A query has a parameter for a column that its rows lack.
    #[error(
        "parameter of query {query} is compared with {column}, which is not one of its columns"
    )]
    UnknownColumn {
        /// The ID of the query.
        query: String,
        /// The column.
        column: String,
    },
}

impl Scenario {
    /// Parses a scenario.
    ///
    /// # Errors
    ///
    /// The text is not a scenario.
    pub fn parse(text: &str) -> Result<Behaviour, ScenarioError> {
        let behaviour: Behaviour = toml::from_str(text)?;
        for (id, query) in &behaviour.queries {
            let saved = query.same_as.or_else(|| SavedQuery::from_id(id));
            let saved = saved.ok_or_else(|| ScenarioError::UnknownQuery(id.clone()))?;
            let Some(parameter) = &query.parameter else { continue };
            if !saved.columns().contains(&parameter.column.as_str()) {
                let (query, column) = (id.clone(), parameter.column.clone());
                return Err(ScenarioError::UnknownColumn { query, column });
            }
        }
        Ok(behaviour)
    }
}

/// A time written as a number of seconds.
#[derive(Deserialize)]
#[serde(try_from = "f64")]
struct Seconds(Duration);

impl TryFrom<f64> for Seconds {
    type Error = std::time::TryFromFloatSecsError;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        Duration::try_from_secs_f64(seconds).map(Self)
    }
}

pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Seconds::deserialize(deserializer).map(|seconds| seconds.0)
}

pub(super) fn seconds_by_query<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<SavedQuery, Duration>, D::Error> {
    let times = BTreeMap::<SavedQuery, Seconds>::deserialize(deserializer)?;
    Ok(times.into_iter().map(|(query, seconds)| (query, seconds.0)).collect())
}

/// Headers that are valid in HTTP.
pub(super) fn headers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
    for (name, value) in &headers {
        if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
            return Err(de::Error::custom(format!("header {name:?} or its value is not HTTP")));
        }
    }
    Ok(headers)
}
