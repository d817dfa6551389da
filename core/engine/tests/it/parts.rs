//! Queries with more rows than one export has: which parts are exported, what they prove, and what they cost.

use core_engine::run::report::{RunReport, StepOutcome, StepReport};
use core_engine::run::{self, RunOptions};
use core_engine::settings::Partition;
use core_engine::{Ending, FailureKind};
use core_ingest::partition::Pattern;
use core_simulator::{
    Answer, Fault, FaultAction, FaultPoint, Parameter, QueryBehaviour, SavedQuery,
};
use serde_json::json;

use super::support::{NOON, Tenant, rows};

/// The query of the packages that has a parameter.
const PART: &str = "#j1_packages_part";
const INSTALLED: &str = "nexthink_device_installed_package";

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).expect("a pattern")).collect()
}

/// One part for each hexadecimal digit.
fn digits() -> Vec<Pattern> {
    "0123456789abcdef"
        .chars()
        .map(|digit| Pattern::parse(&format!("{digit}*")))
        .collect::<Result<_, _>>()
        .expect("patterns")
}

/// Lets an export of the packages have at most so many of their 600 rows.
fn cap(tenant: &Tenant, rows: u64) {
    tenant.simulator.update(|behaviour| _ = behaviour.row_caps.insert(SavedQuery::Packages, rows));
}

/// A tenant whose packages are exported in parts of these values if they are truncated.
async fn tenant(values: Vec<Pattern>) -> Tenant {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.simulator.update(|behaviour| {
        behaviour.tenant.devices = 60;
        behaviour.tenant.packages_per_device = 10;
        let parameter = Parameter { name: "p".to_owned(), column: "device.uid".to_owned() };
        let twin = QueryBehaviour {
            same_as: Some(SavedQuery::Packages),
            parameter: Some(parameter),
            ..QueryBehaviour::default()
        };
        behaviour.queries.insert(PART.to_owned(), twin);
    });
    let packages = tenant.settings.queries.get_mut("packages").expect("it is configured");
    let query = PART.parse().expect("a query ID");
    packages.partition = Some(Partition { query, parameter: "p".to_owned(), values });
    tenant
}

fn packages(report: &RunReport) -> &StepReport {
    let step = report.steps.iter().find(|step| step.id == "fetch-packages");
    step.expect("the step was to run")
}

/// The exports of packages so far: of the whole, and of parts.
fn exports(tenant: &Tenant) -> (u64, u64) {
    let starts = tenant.simulator.requests().export_starts;
    let of = |id: &str| starts.get(id).map_or(0, |values| values.values().sum());
    (of("#j1_packages"), of(PART))
}

/// Lets requests of the parts fail from the n-th on.
fn fail(tenant: &Tenant, at: FaultPoint, status: u16, after: u64) {
    tenant.simulator.update(|behaviour| {
        let fault = Fault::new(at, FaultAction::Answer(Answer::from_status(status)));
        behaviour.faults = vec![Fault { query: Some(PART.to_owned()), after, ..fault }];
    });
}

#[tokio::test]
async fn parts_of_all_digits_are_the_whole_and_make_the_same_tables() {
    let mut made = Vec::new();
    for (rows, expected) in [(u64::MAX, (1, 0)), (300, (1, 16))] {
        let tenant = tenant(digits()).await;
        cap(&tenant, rows);
        let finished = tenant.run().await.expect("it runs");
        assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
        assert_eq!(exports(&tenant), expected);
        let step = packages(&finished.report);
        assert_eq!(u64::from(step.parts), expected.1);
        assert_eq!(step.rows.read, tenant.simulator.counts().rows[&SavedQuery::Packages]);
        let manifest = tenant.published().expect("it is published").manifest().clone();
        made.push(manifest.tables.into_iter().map(|table| (table.name, table.files)).collect());
    }
    let [whole, parts]: [Vec<_>; 2] = made.try_into().expect("there are two");
    assert_eq!(whole, parts);
}

#[tokio::test]
async fn a_part_that_is_truncated_too_is_split_into_sixteen() {
    let tenant = tenant(digits()).await;
    // 600 rows in 16 parts are 40 on average, so that some parts have more.
    cap(&tenant, 45);
    let finished = tenant.run().await.expect("it runs");
    let step = packages(&finished.report);
    assert_eq!(step.outcome, StepOutcome::Complete, "{:?}", step.reason);
    assert!(step.parts > 16 && step.parts.is_multiple_of(16), "{}", step.parts);
    assert_eq!(step.exports, step.parts + 1);
    assert_eq!(step.rows.read, tenant.simulator.counts().rows[&SavedQuery::Packages]);
}

#[tokio::test]
async fn a_part_that_cannot_be_split_is_used_and_the_dataset_partial() {
    // Only below a fixed beginning can a digit be added.
    let tenant = tenant(patterns(&["*0*", "1*"])).await;
    cap(&tenant, 45);
    let finished = tenant.run().await.expect("it runs");
    let step = packages(&finished.report);
    assert_eq!(step.outcome, StepOutcome::Partial);
    let reason = step.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("is truncated too, and cannot be split further"), "{reason}");
    assert!(step.rows.used > 45, "its rows and those of the whole are there: {:?}", step.rows);
}

#[tokio::test]
async fn parts_for_which_the_day_has_no_exports_are_not_begun_and_the_whole_is_used() {
    let mut tenant = tenant(digits()).await;
    cap(&tenant, 300);
    tenant.settings.daily_exports = 19;
    let finished = tenant.run().await.expect("it runs");
    assert_eq!(exports(&tenant), (1, 0));
    let step = packages(&finished.report);
    assert_eq!((step.outcome, step.rows.read), (StepOutcome::Partial, 300));
    let reason = step.reason.as_deref().unwrap_or_default();
    let expected = "16 parts need 16 more exports, and 15 of the day's are left";
    assert!(reason.contains(expected), "{reason}");
}

#[tokio::test]
async fn rows_of_the_truncated_whole_that_are_in_no_part_make_it_partial() {
    let tenant = tenant(patterns(&["0*", "1*"])).await;
    tenant.run().await.expect("it runs");
    let before = rows(&tenant.published().expect("it is published"), INSTALLED);
    cap(&tenant, 300);
    let finished = tenant.run().await.expect("it runs");
    let step = packages(&finished.report);
    assert_eq!(step.outcome, StepOutcome::Partial);
    let reason = step.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("belong to no part"), "{reason}");
    assert_eq!(rows(&tenant.published().expect("it is published"), INSTALLED), before);
}

#[tokio::test]
async fn a_query_that_ignores_its_parameter_is_not_split_and_never_complete() {
    // Each part is the whole again: truncated as well, or said to be.
    for rows in [300, 5_000] {
        let tenant = tenant(digits()).await;
        cap(&tenant, rows);
        tenant.simulator.update(|behaviour| {
            behaviour.queries.get_mut(PART).expect("it is there").ignores_parameters = true;
            behaviour.queries.entry("#j1_packages".to_owned()).or_default().says_truncated = true;
        });
        let finished = tenant.run().await.expect("it runs");
        assert_eq!(exports(&tenant), (1, 16), "no part is split");
        let step = packages(&finished.report);
        assert_eq!(step.outcome, StepOutcome::Partial);
        let reason = step.reason.as_deref().unwrap_or_default();
        assert!(reason.contains("ignores its parameter"), "{reason}");
    }
}

#[tokio::test]
async fn after_a_part_that_failed_the_next_run_pays_for_none_of_the_others() {
    let tenant = tenant(digits()).await;
    cap(&tenant, 300);
    fail(&tenant, FaultPoint::File, 503, 4);
    let finished = tenant.run().await.expect("it runs");
    let step = packages(&finished.report);
    assert_eq!(step.outcome, StepOutcome::Partial);
    let reason = step.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("part `") && reason.contains("` failed: "), "{reason}");
    assert_eq!(exports(&tenant), (1, 16));

    tenant.simulator.update(|behaviour| behaviour.faults.clear());
    let finished = tenant.run().await.expect("it runs");
    assert_eq!(packages(&finished.report).outcome, StepOutcome::Complete);
    assert_eq!(exports(&tenant), (1, 16), "the whole and all parts were paid for");
}

#[tokio::test]
async fn a_credential_that_is_refused_among_the_parts_ends_the_run() {
    let tenant = tenant(digits()).await;
    cap(&tenant, 300);
    fail(&tenant, FaultPoint::Start, 401, 0);
    let Err(refused) = tenant.run().await else { panic!("every part would be refused") };
    assert_eq!(refused.kind, FailureKind::Credentials);
    assert!(tenant.published().is_none());
}

#[tokio::test]
async fn a_run_costs_the_parts_of_the_last_complete_one_whatever_ran_since() {
    let tenant = tenant(digits()).await;
    cap(&tenant, 300);
    let cost = || {
        let plan = run::plan(tenant.engine(), &[]).expect("the steps make a plan");
        let cost = run::cost(&plan, tenant.engine(), None).expect("the store can be read");
        let cost = cost.to_json();
        (cost["needed"].clone(), cost["ofParts"].clone())
    };
    assert_eq!(cost(), (json!(4), json!(0)), "no run has seen that parts are needed");
    tenant.run().await.expect("it runs");
    assert_eq!(cost(), (json!(20), json!(16)));
    let users = RunOptions { steps: vec!["fetch-users".to_owned()], ..RunOptions::default() };
    tenant.run_with(&users).await.expect("it runs");
    assert_eq!(cost(), (json!(20), json!(16)));
}
