//! Whether each saved query has the columns that its step reads.

use std::collections::BTreeMap;

use core_ingest::header::{ColumnMap, near_names};
use core_model::step::Step;
use core_nexthink::{Client, NexthinkError, QueryId};

use super::{Check, Checks};
use crate::config::SavedQuery;
use crate::exit::Exit;
use crate::system;

/// Runs the query of a step, and that of its parts, for its first rows.
pub(super) async fn check(
    client: &Client,
    step: &'static Step,
    saved: &SavedQuery,
    checks: &mut Checks,
) {
    let field = step.query().map_or("", |it| it.config_field);
    let name = format!("query {field}");
    checks.push(check_one(client, step, name, &saved.id, &saved.whole()).await);
    if let Some(partition) = saved.partition.as_ref().filter(|it| it.query != saved.id) {
        let value = partition.values.first().map(ToString::to_string).unwrap_or_default();
        let parameters = BTreeMap::from([(partition.parameter.clone(), value)]);
        let name = format!("parts {field}");
        checks.push(check_one(client, step, name, &partition.query, &parameters).await);
    }
}

async fn check_one(
    client: &Client,
    step: &'static Step,
    name: String,
    id: &QueryId,
    parameters: &BTreeMap<String, String>,
) -> Check {
    let answer = match client.execute(id, parameters).await {
        Ok(answer) => answer,
        Err(error @ NexthinkError::QueryNotFound { .. }) => {
            let check = Check::failed_at_nexthink(name, &error);
            let (program, field) =
                (system::own_command(), step.query().map_or("", |it| it.config_field));
            let detail =
                format!("{}; `{program} nql {field}` prints the text to save", check.detail);
            return Check { detail, ..check };
        }
        Err(error) => return Check::failed_at_nexthink(name, &error),
    };
    let columns = ColumnMap::of_step(step, &answer.columns);
    let named = |missing: &[&str]| {
        let names = missing.iter().map(|it| {
            let near = near_names(it, &answer.columns).join("`, `");
            if near.is_empty() { format!("`{it}`") } else { format!("`{it}` (it has `{near}`)") }
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let is_missing = |it: &&'static str| columns.position(it).is_none();
    let keys = columns.missing_keys(step);
    let lists = format!("{id} lists {} columns", answer.columns.len());
    if !keys.is_empty() {
        let keys = named(&keys);
        let detail = format!("{lists}, but not {keys}, without which it is refused: list it");
        return Check::failed(name, Exit::DataRefused, detail);
    }
    let missing: Vec<_> = columns.missing.iter().copied().filter(is_missing).collect();
    if !missing.is_empty() {
        let missing = named(&missing);
        return Check::warning(name, format!("{lists}, but not {missing}, which stay empty"));
    }
    if answer.rows == 0 {
        return Check::warning(name, format!("{lists} and gives no rows"));
    }
    let ignored = match columns.unknown {
        0 => String::new(),
        unknown => format!("; {unknown} that nobody reads are ignored"),
    };
    Check::ok(name, format!("{lists}, all that are read{ignored}"))
}
