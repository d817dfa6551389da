//! Checks that each saved query has the columns that its step reads.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::run::narrowing::Narrowing;
use crate::settings::SavedQuery;
use core_ingest::header::{ColumnMap, near_names};
use core_ingest::outcome::PartialReason;
use core_model::step::Step;
use core_nexthink::{Client, ExecuteAnswer, NexthinkError, QueryId};

use super::{Check, Checks};
use crate::engine::Engine;
use crate::failure::FailureKind;

/// A value that no identifier has, so that a query for parts must return no rows for it.
const NO_VALUE: &str = "no-such-identifier";

/// Runs the query of a step, and that of its parts, to read the first rows.
pub(super) async fn check(
    engine: Engine<'_>,
    client: &Client,
    step: &'static Step,
    saved: &SavedQuery,
    checks: &mut Checks,
) {
    let Some(query) = step.query() else { return };
    let field = query.config_field;
    let name = format!("query {field}");
    let whole = run_query(engine, client, field, &name, &saved.id, &saved.whole()).await;
    checks.push(
        whole.map_or_else(|failure| failure, |answer| judge(step, name, &saved.id, &answer, &[])),
    );
    let Some(partition) = &saved.partition else { return };
    let name = format!("parts {field}");
    let no_match = BTreeMap::from([(partition.parameter.clone(), NO_VALUE.to_owned())]);
    let part = run_query(engine, client, field, &name, &partition.query, &no_match).await;
    checks.push(match part {
        Ok(answer) if answer.rows > 0 => {
            let reason = PartialReason::OutsidePart.to_string();
            Check::partial(name, format!("{}: {reason}", partition.query))
        }
        Ok(answer) => judge(step, name, &partition.query, &answer, &[query.partition_column]),
        Err(check) => check,
    });
}

/// Runs a query to read its first rows. Returns the failed check if it cannot be run.
pub(super) async fn run_query(
    engine: Engine<'_>,
    client: &Client,
    field: &str,
    name: &str,
    id: &QueryId,
    parameters: &BTreeMap<String, String>,
) -> Result<ExecuteAnswer, Check> {
    client.execute(id, parameters).await.map_err(|error| {
        let check = Check::failed_at_nexthink(name, &error);
        if !matches!(error, NexthinkError::QueryNotFound { .. }) {
            return check;
        }
        let program = &engine.host.program;
        let partitioned = if name.starts_with("parts") { " --partitioned" } else { "" };
        let detail = format!(
            "{}; `{program} nql{partitioned} {field}` prints the text to save",
            check.detail
        );
        Check { detail, ..check }
    })
}

/// Checks that a query or file has the columns that its step reads; `needed` are further required columns.
pub(super) fn judge(
    step: &'static Step,
    name: String,
    id: &impl Display,
    answer: &ExecuteAnswer,
    needed: &[&'static str],
) -> Check {
    let columns = ColumnMap::from_header(step, &answer.columns);
    let named = |missing: &[&str]| {
        let names = missing.iter().map(|name| {
            let near = near_names(name, &answer.columns).join("`, `");
            if near.is_empty() {
                format!("`{name}`")
            } else {
                format!("`{name}` (it has `{near}`)")
            }
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let is_missing = |column: &&str| columns.position(column).is_none();
    let lists = format!("{id} lists {} columns", answer.columns.len());
    let keys = columns.missing_keys(step);
    if !keys.is_empty() {
        let keys = named(&keys);
        let detail = format!("{lists}, but not {keys}, without which it is refused: list it");
        return Check::failed(name, FailureKind::DataRefused, detail);
    }
    if let Some(type_name) = columns.undescribed_type(step, &answer.columns) {
        let field = step.query().map_or("", |query| query.config_field);
        let detail = format!(
            "{id} has no column that describes a {type_name}, so it may be another query, and every run refuses it: \
             save the query that `nql {field}` prints"
        );
        return Check::failed(name, FailureKind::DataRefused, detail);
    }
    let ends = step
        .relationships
        .iter()
        .flat_map(|relationship| [relationship.from.column, relationship.to.column])
        .flatten();
    let ends: Vec<&str> = ends.chain(needed.iter().copied()).filter(is_missing).collect();
    if !ends.is_empty() {
        let ends = named(&ends);
        let detail = format!("{lists}, but not {ends}, without which it stays partial: list it");
        return Check::partial(name, detail);
    }
    let narrowing =
        answer.limits.clone().map(|limits| Narrowing::new(step, limits)).unwrap_or_default();
    if let Some(limit) = &narrowing.limit {
        let detail = format!("{id} has `{limit}`, with which it stays partial: take it out");
        return Check::partial(name, detail);
    }
    if let Some(clauses) = narrowing.clauses() {
        let detail = format!(
            "{id} leaves rows out by {clauses}: what it does not list is no part of the graph"
        );
        return Check::warning(name, detail);
    }
    if !columns.missing.is_empty() {
        let missing = named(&columns.missing);
        return Check::warning(name, format!("{lists}, but not {missing}, which stay empty"));
    }
    if answer.rows == 0 && needed.is_empty() {
        return Check::warning(name, format!("{lists} and gives no rows"));
    }
    let ignored = match columns.unknown {
        0 => String::new(),
        unknown => format!("; {unknown} that no step reads are ignored"),
    };
    Check::ok(name, format!("{lists}, all that are read{ignored}"))
}

#[cfg(test)]
mod tests {
    use core_nexthink::QueryLimits;

    use super::super::CheckState;
    use super::*;

    fn step(id: &str) -> &'static Step {
        Step::all().into_iter().find(|step| step.id == id).expect("there is such a step")
    }

    /// An answer with every column that a step reads, except these.
    fn answer(step: &'static Step, without: &[&str]) -> ExecuteAnswer {
        let read = ColumnMap::from_header(step, &[]).missing.into_iter();
        let read = read.filter(|column| !without.contains(column)).map(str::to_owned);
        ExecuteAnswer { columns: read.collect(), rows: 7, limits: None }
    }

    fn judged(step: &'static Step, answer: &ExecuteAnswer, needed: &[&'static str]) -> Check {
        judge(step, "query".to_owned(), &"#saved", answer, needed)
    }

    #[test]
    fn a_query_that_lists_all_that_is_read_is_right_and_more_does_no_harm() {
        let devices = step("fetch-devices");
        let mut all = answer(devices, &[]);
        let right = judged(devices, &all, &[]);
        assert_eq!(right.state, CheckState::Ok, "{right:?}");
        assert!(right.detail.ends_with(", all that are read"), "{}", right.detail);
        all.columns.extend(["my.column", "another"].map(str::to_owned));
        let right = judged(devices, &all, &[]);
        assert_eq!(right.state, CheckState::Ok, "{right:?}");
        assert!(right.detail.ends_with("; 2 that no step reads are ignored"), "{}", right.detail);
    }

    #[test]
    fn a_query_without_a_key_is_refused_and_the_near_name_is_told() {
        let devices = step("fetch-devices");
        let mut without = answer(devices, &["device.uid"]);
        let refused = judged(devices, &without, &[]);
        assert_eq!(refused.state, CheckState::Failed, "{refused:?}");
        assert!(refused.detail.contains("but not `device.uid`, without"), "{}", refused.detail);
        without.columns.push("Device UID".to_owned());
        let refused = judged(devices, &without, &[]);
        let expected = "`device.uid` (it has `Device UID`)";
        assert!(refused.detail.contains(expected), "{}", refused.detail);
    }

    #[test]
    fn a_query_of_something_else_is_refused_as_a_run_refuses_it() {
        let devices = step("fetch-devices");
        let key = "device.uid".to_owned();
        let others = ["alert.name", "alert.status"].map(str::to_owned);
        let columns = others.into_iter().chain([key]).collect();
        let other = ExecuteAnswer { columns, rows: 7, limits: None };
        let refused = judged(devices, &other, &[]);
        assert_eq!(refused.state, CheckState::Failed, "{refused:?}");
        assert!(
            refused
                .detail
                .contains("no column that describes a nexthink_device, so it may be another query")
                && refused.detail.ends_with("`nql devices` prints"),
            "{}",
            refused.detail
        );
    }

    #[test]
    fn a_query_without_an_end_of_a_relationship_or_the_column_of_its_parts_stays_partial() {
        let packages = step("fetch-packages");
        let without = judged(packages, &answer(packages, &["device.uid"]), &[]);
        assert!(
            without.detail.contains("`device.uid`, without which it stays partial"),
            "{without:?}"
        );
        let devices = step("fetch-devices");
        let without = judged(devices, &answer(devices, &[]), &["column.of.parts"]);
        let expected = "but not `column.of.parts`, without which it stays partial: list it";
        assert!(without.detail.ends_with(expected), "{}", without.detail);
    }

    #[test]
    fn a_limit_keeps_a_query_partial_and_a_filter_is_only_told() {
        let devices = step("fetch-devices");
        for (text, state, expected) in [
            (
                "devices | list a | limit 9",
                CheckState::Failed,
                "has `limit 9`, with which it stays",
            ),
            (
                "devices | where device.name == \"x\" | list a",
                CheckState::Warning,
                "leaves rows out by",
            ),
            ("devices | list a", CheckState::Ok, "all that are read"),
        ] {
            let limits = Some(QueryLimits::parse(text).expect("a whole text"));
            let check = judged(devices, &ExecuteAnswer { limits, ..answer(devices, &[]) }, &[]);
            assert_eq!(check.state, state, "{text}: {check:?}");
            assert!(check.detail.contains(expected), "{text}: {}", check.detail);
        }
    }

    #[test]
    fn a_query_without_rows_or_without_a_property_is_a_warning_but_no_rows_are_right_for_a_part() {
        let devices = step("fetch-devices");
        let empty = ExecuteAnswer { rows: 0, ..answer(devices, &[]) };
        let warned = judged(devices, &empty, &[]);
        assert_eq!(warned.state, CheckState::Warning);
        assert!(warned.detail.ends_with("and gives no rows"), "{}", warned.detail);
        assert_eq!(judged(devices, &empty, &["device.uid"]).state, CheckState::Ok);
        let warned = judged(devices, &answer(devices, &["device.entity"]), &[]);
        assert_eq!(warned.state, CheckState::Warning);
        assert!(warned.detail.contains("`device.entity`, which stay empty"), "{}", warned.detail);
    }
}
