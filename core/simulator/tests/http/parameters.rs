//! Saved queries with a parameter, and the partition of a large export by one.

use std::collections::BTreeMap;

use core_simulator::{Behaviour, Parameter, QueryBehaviour, SavedQuery, TenantSpec};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Tester, bytes_of, json_answer, parse};

const PARTS: &str = "#j1_packages_by_device";

fn partitioned(tenant: TenantSpec, row_cap: Option<u64>) -> Behaviour {
    let parameter = Parameter { name: "p".to_owned(), column: "device.uid".to_owned() };
    let query = QueryBehaviour {
        same_as: Some(SavedQuery::Packages),
        parameter: Some(parameter),
        ..QueryBehaviour::default()
    };
    let queries = [(PARTS.to_owned(), query)].into();
    Behaviour { tenant, row_cap, queries, ..Behaviour::default() }
}

/// The status code at the end of an export, and its rows.
async fn part(tester: &Tester, token: &str, parameters: &Value) -> (u16, Vec<csv::StringRecord>) {
    let body = json!({ "queryId": PARTS, "parameters": parameters });
    let (status, answer) = json_answer(tester.start_export(token, &body).await).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let export_id = answer["exportId"].as_str().expect("an export ID is text");
    let (status, answer) = tester.last_status(token, export_id).await;
    let link = answer["resultsFileUrl"].as_str().expect("a completed export has a link");
    (status.as_u16(), parse(&bytes_of(tester.get(link).await).await).1)
}

#[tokio::test]
async fn sixteen_parts_are_complete_where_the_export_is_truncated() {
    let tenant = TenantSpec { devices: 400, ..TenantSpec::default() };
    let tester = Tester::start(partitioned(tenant, Some(2_000))).await;
    let expected = tester.simulator.counts().rows[&SavedQuery::Packages];
    assert!(expected > 2_000);
    let token = tester.token().await;
    assert_eq!(part(&tester, &token, &json!({ "p": "*" })).await.0, 206);
    let mut rows = Vec::new();
    for digit in "0123456789ABCDEF".chars() {
        let (status, part) = part(&tester, &token, &json!({ "p": format!("{digit}*") })).await;
        assert_eq!(status, 200);
        let prefix = digit.to_ascii_lowercase();
        assert!(part.iter().all(|row| row[0].starts_with(prefix)), "{digit}");
        rows.extend(part);
    }
    tester.simulator.update(|behaviour| behaviour.row_cap = None);
    let (status, mut all) = part(&tester, &token, &json!({ "p": "*" })).await;
    assert_eq!((status, all.len() as u64), (200, expected));
    let by_cells =
        |left: &csv::StringRecord, right: &csv::StringRecord| left.iter().cmp(right.iter());
    all.sort_by(by_cells);
    rows.sort_by(by_cells);
    assert_eq!(rows, all);

    let requests = tester.simulator.requests();
    let starts = &requests.export_starts[PARTS];
    assert_eq!((starts.len(), starts["*"], starts["A*"]), (17, 2, 1));
    assert_eq!(requests.exports, BTreeMap::from([(SavedQuery::Packages, 18)]));
}

#[tokio::test]
async fn a_part_is_truncated_by_its_own_rows() {
    let tester = Tester::start(partitioned(TenantSpec::default(), Some(5))).await;
    let token = tester.token().await;
    for (value, expected) in [("0*", (206, 5)), ("no such device", (200, 0))] {
        let (status, rows) = part(&tester, &token, &json!({ "p": value })).await;
        assert_eq!((status, rows.len()), expected, "{value}");
    }
}

#[tokio::test]
async fn a_missing_value_is_refused_and_another_is_counted() {
    let tester = Tester::start(partitioned(TenantSpec::default(), None)).await;
    let token = tester.token().await;
    for parameters in [json!(null), json!({}), json!({ "q": "0*" })] {
        let body = json!({ "queryId": PARTS, "parameters": parameters });
        let (status, answer) = json_answer(tester.start_export(&token, &body).await).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(
            answer["message"].as_str().is_some_and(|message| message.contains("$p")),
            "{answer}"
        );
    }
    part(&tester, &token, &json!({ "p": "0*", "q": "0*" })).await;
    assert_eq!(tester.simulator.requests().unknown_parameters, 2);
}

#[tokio::test]
async fn a_query_that_ignores_its_parameter_returns_all_rows() {
    let mut behaviour = partitioned(TenantSpec::default(), None);
    behaviour.queries.get_mut(PARTS).expect("it is there").ignores_parameters = true;
    let tester = Tester::start(behaviour).await;
    let expected = tester.simulator.counts().rows[&SavedQuery::Packages];
    let token = tester.token().await;
    let (_, rows) = part(&tester, &token, &json!({ "p": "0*" })).await;
    assert_eq!(rows.len() as u64, expected);
}
