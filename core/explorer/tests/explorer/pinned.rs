//! A run publishes while the page is open: whatever names the generation that it shows is answered from that one.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::kit::{FIRST, NEXT, Served, served, served_with};

const TENANT: &str = "/api/v1/tenants/acme";

/// The answers of a call at a place, without and with the ID of the first generation. A list counts by its length.
async fn answers(served: &Served, path: &str, place: &str) -> [Value; 2] {
    let sign = if path.contains('?') { '&' } else { '?' };
    let (_, published) = served.get(&format!("{TENANT}/{path}")).await;
    let (status, pinned) = served.get(&format!("{TENANT}/{path}{sign}generation={FIRST}")).await;
    assert_eq!(status, StatusCode::OK, "{path}: {pinned}");
    [published, pinned].map(|answer| match answer.pointer(place) {
        Some(Value::Array(items)) => json!(items.len()),
        Some(value) => value.clone(),
        None => Value::Null,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_with_the_generation_that_it_shows() {
    let served = served();
    served.publish_next();
    for (path, place, expected) in [
        ("overview", "/types/0/objects", [json!(3), json!(2)]),
        ("overview", "/generation/id", [json!(NEXT), json!(FIRST)]),
        ("overview", "/history", [json!(2), json!(1)]),
        ("tables", "/0/rows", [json!(3), json!(2)]),
        ("search?text=device", "/hits", [json!(3), json!(2)]),
        ("entity?key=device-3", "/lookup/result", [json!("found"), json!("notFound")]),
        ("entity?key=device-2", "/generation", [json!(NEXT), json!(FIRST)]),
        ("history?key=device-2&type=nexthink_device", "/generations", [json!(2), json!(1)]),
    ] {
        assert_eq!(answers(&served, path, place).await, expected, "{path} {place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tenant_is_answered_from_its_own_generations() {
    let served = served();
    served.publish_other();
    let (_, session) = served.get("/api/v1/session").await;
    let tenants = session["tenants"].as_array().into_iter().flatten();
    let names: Vec<_> = tenants.map(|tenant| tenant["name"].clone()).collect();
    assert_eq!(names, ["acme", "beta"]);
    // Both generations have one ID, so that only the tenant tells them apart.
    for (tenant, count) in [("acme", 2), ("beta", 1), ("acme", 2)] {
        let (_, found) = served.get(&format!("/api/v1/tenants/{tenant}/search?text=device")).await;
        assert_eq!(found["hits"].as_array().map(Vec::len), Some(count), "{tenant}");
        let (_, overview) = served.get(&format!("/api/v1/tenants/{tenant}/overview")).await;
        assert_eq!(overview["types"][0]["objects"], json!(count), "{tenant}");
    }
}

/// The process of a query gets the generation as the page has sent it.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_names_the_generation_that_the_page_shows() {
    let served = served_with("printf '{\"ok\":true}\\n'; cat");
    served.publish_next();
    for as_of in [FIRST, NEXT, "previous", "2026-03-01", "2026-03-02T09:00:00+02:00"] {
        let body = json!({ "query": "select 1", "asOf": as_of });
        let (status, sent) = served.post(&format!("{TENANT}/query"), &body).await;
        assert_eq!((status, &sent["as_of"]), (StatusCode::OK, &json!(as_of)), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_not_found_any_more_in_a_generation_that_is_open() {
    let served = served();
    let found = async || {
        let (status, found) = served.get("/api/v1/tenants/acme/search?text=device").await;
        assert_eq!(status, StatusCode::OK, "{found}");
        let hits = found["hits"].as_array().expect("hits").iter();
        hits.map(|hit| hit["_key"].as_str().expect("a key").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found().await, ["device-1 <b>", "device-2"]);
    served.erase_last_device();
    assert_eq!(found().await, ["device-1 <b>"]);
    let (_, entity) = served.get("/api/v1/tenants/acme/entity?key=device-1%20%3Cb%3E").await;
    assert_eq!(entity["lookup"]["result"], "found", "its table is another file now: {entity}");
    let (_, entity) = served.get("/api/v1/tenants/acme/entity?key=device-2").await;
    assert_ne!(entity["lookup"]["result"], "found", "{entity}");
}
