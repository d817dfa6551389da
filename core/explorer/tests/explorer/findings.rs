//! Findings: who sees what of them, who may change them, and that a change has an entry of the ledger.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use core_rules::book::Book;
use serde_json::{Value, json};

use crate::kit::{HOST, Served, served, text};

pub(crate) const ID: &str = "0123456789abcdef0123456789abcdef";

/// A server over a store with one finding about a device.
pub(crate) fn with_finding() -> Served {
    let served = served();
    let book = json!({
        "version": 1,
        "privacy": "",
        "erasures": [],
        "rules": { "silent": {
            "version": "v", "title": "Devices that went silent", "severity": "high", "hasBaseline": true, "at": 900_000,
            "result": { "result": "unknown", "partial": ["nexthink_device"] },
        } },
        "findings": { ID: {
            "rule": "silent", "phase": "open", "count": 0, "entity": "device-2", "text": "alice's laptop is silent",
            "values": "{\"name\":\"alice's laptop\"}", "firstSeen": 800_000, "opened": 800_000,
            "history": [{ "at": 800_000, "what": "opened", "by": "01A" }],
        } },
    });
    let tenant = served.host.tenant();
    let lock = tenant.lock_delivery("findings", "a test").expect("free");
    lock.set_state("findings", book.to_string().as_bytes()).expect("written");
    served
}

/// Sends a change as the user of a cookie, or else of the viewer's token.
pub(crate) async fn post(
    served: &Served,
    cookie: Option<&str>,
    path: &str,
    body: &Value,
) -> (StatusCode, Value) {
    let request =
        Request::post(format!("/api/v1/tenants/acme/findings/{path}")).header("host", HOST);
    let request = match cookie {
        Some(cookie) => request.header("cookie", cookie),
        None => request.header("authorization", format!("Bearer {}", served.viewer)),
    };
    let request = request.header("content-type", "application/json");
    let response =
        served.send(request.body(Body::from(body.to_string())).expect("a request")).await;
    let status = response.status();
    (status, serde_json::from_str(&text(response).await).unwrap_or_default())
}

/// Reads a call about the tenant as the user of a cookie.
pub(crate) async fn read(served: &Served, cookie: &str, path: &str) -> Value {
    let request = Request::get(format!("/api/v1/tenants/acme/{path}")).header("host", HOST);
    let request = request.header("cookie", cookie).body(Body::empty());
    let response = served.send(request.expect("a request")).await;
    serde_json::from_str(&text(response).await).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_no_person_in_findings_and_changes_nothing() {
    let served = with_finding();
    let (status, list) = served.get("/api/v1/tenants/acme/findings").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(list["findings"][0]["severity"], "high");
    for (wanted, count) in [
        ("severity=medium", 1),
        ("exactSeverity=medium", 0),
        ("exactSeverity=high", 1),
        ("severity=critical", 0),
    ] {
        let (_, list) = served.get(&format!("/api/v1/tenants/acme/findings?{wanted}")).await;
        assert_eq!(list["findings"].as_array().map(Vec::len), Some(count), "{wanted}");
    }
    let (_, detail) = served.get(&format!("/api/v1/tenants/acme/finding?id={ID}")).await;
    for answer in [&list, &detail] {
        let answer = answer.to_string();
        assert!(!answer.contains("alice") && !answer.contains("device-2"), "{answer}");
    }
    let (status, _) = served.get("/api/v1/tenants/acme/findings?entity=device-2").await;
    assert_eq!(status, StatusCode::FORBIDDEN, "what a finding is about can be found out");
    for (path, body) in [
        ("acknowledge", json!({ "ids": [ID] })),
        ("silence", json!({ "finding": ID, "hours": 1, "why": "a test" })),
        ("unsilence", json!({ "id": "s-1" })),
    ] {
        let (status, _) = post(&served, None, path, &body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    }
    let book = Book::read(&served.host.tenant()).expect("read").expect("there");
    assert!(book.silences().is_empty());
    assert!(book.findings().values().all(|finding| finding.acknowledged.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analyst_takes_findings_on_and_silences_them_and_the_ledger_says_so() {
    let served = with_finding();
    let cookie = served.sign_in().await;
    let ids = json!({ "ids": [ID], "note": "looking\ninto it" });
    assert_eq!(post(&served, Some(&cookie), "acknowledge", &ids).await.0, StatusCode::OK);
    let silence = json!({ "rule": "sil*", "hours": 2, "why": "they are away" });
    let (status, answer) = post(&served, Some(&cookie), "silence", &silence).await;
    assert_eq!((status, &answer["findings"]), (StatusCode::OK, &json!(1)));

    let detail = read(&served, &cookie, &format!("finding?id={ID}")).await;
    assert_eq!(detail["state"], "acknowledged");
    assert_eq!(detail["acknowledgement"]["by"], "the account");
    assert_eq!(detail["acknowledgement"]["note"], "looking into it");
    assert_eq!(detail["silence"]["why"], "they are away");
    assert_eq!(detail["row"]["name"], "alice's laptop");

    let id = &detail["silence"]["id"];
    assert_eq!(
        post(&served, Some(&cookie), "unsilence", &json!({ "id": id })).await.0,
        StatusCode::OK
    );
    let undo = json!({ "ids": [ID], "undo": true });
    assert_eq!(post(&served, Some(&cookie), "acknowledge", &undo).await.0, StatusCode::OK);
    let again = post(&served, Some(&cookie), "acknowledge", &undo).await;
    assert_eq!(again.0, StatusCode::CONFLICT, "it is not acknowledged");
    let list = read(&served, &cookie, "findings?state=open&entity=device-2").await;
    assert_eq!(list["findings"][0]["silenced"], false);
    assert_eq!(list["rules"][0]["result"], "unknown");

    let changes = served.host.changes.lock().expect("no test panics with it").clone();
    assert_eq!(
        changes,
        [
            "acme browser acknowledge 1",
            "acme browser silence 1",
            "acme browser end-silence 0",
            "acme browser unacknowledge 1"
        ]
    );
    let reads = served.host.reads.lock().expect("no test panics with it").clone();
    assert!(
        !reads.is_empty() && reads.iter().all(|read| read == "acme browser findings"),
        "{reads:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_says_too_little_or_too_much_is_refused() {
    let served = with_finding();
    let cookie = served.sign_in().await;
    let other = "f".repeat(32);
    for (path, body, expected) in [
        ("acknowledge", json!({ "ids": [] }), StatusCode::BAD_REQUEST),
        ("acknowledge", json!({ "ids": ["zz"] }), StatusCode::BAD_REQUEST),
        ("acknowledge", json!({ "ids": [ID, other] }), StatusCode::NOT_FOUND),
        ("silence", json!({ "hours": 1, "why": "all" }), StatusCode::BAD_REQUEST),
        ("silence", json!({ "finding": ID, "hours": 0, "why": "x" }), StatusCode::BAD_REQUEST),
        ("silence", json!({ "finding": ID, "hours": 99_999, "why": "x" }), StatusCode::BAD_REQUEST),
        ("silence", json!({ "finding": ID, "hours": 1, "why": " " }), StatusCode::BAD_REQUEST),
        ("unsilence", json!({ "id": "s-nothing" }), StatusCode::CONFLICT),
    ] {
        let (status, answer) = post(&served, Some(&cookie), path, &body).await;
        assert_eq!(status, expected, "{path} {body}: {answer}");
    }
    let book = Book::read(&served.host.tenant()).expect("read").expect("there");
    assert!(book.silences().is_empty());
    assert!(book.findings().values().all(|finding| finding.acknowledged.is_none()));
    assert!(served.host.changes.lock().expect("no test panics with it").is_empty());
}
