//! The answers of the calls.

use std::sync::atomic::Ordering;
#[cfg(target_os = "linux")]
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::findings::{ID, post, read, with_finding};
use crate::kit::{FIRST, HOST, Served, served, served_with, text};

async fn query(served: &Served) -> (StatusCode, Value) {
    let request = Request::post("/api/v1/tenants/acme/query").header("host", HOST);
    let request = request
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", served.viewer));
    let request = request.body(Body::from("{\"query\":\"select 1\"}")).expect("a request");
    let response = served.send(request).await;
    (response.status(), serde_json::from_str(&text(response).await).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_and_the_runs_are_those_of_the_store() {
    let served = served();
    let (status, overview) = served.get("/api/v1/tenants/acme/overview").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(overview["generation"]["createdAt"], "2026-03-01T08:00:00Z");
    assert_eq!(overview["history"].as_array().map(Vec::len), Some(1));
    let (status, runs) = served.get("/api/v1/tenants/acme/runs").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(runs[0]["published"], true);
    let (status, _) = served.get("/api/v1/tenants/acme/runs/01JN7Z1M80000000000000000B").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "a generation that is not there");
    let (status, report) = served.get(&format!("/api/v1/tenants/acme/runs/{FIRST}")).await;
    assert_eq!((status, report), (StatusCode::OK, Value::Null), "it was not made by a run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_answered_refused_or_ended() {
    let answer = served_with("cat > /dev/null; printf '{\"ok\":true}\\n{\"total\":7}'");
    assert_eq!(query(&answer).await, (StatusCode::OK, serde_json::json!({ "total": 7 })));

    let refusal = served_with("cat > /dev/null; printf '{\"ok\":false}\\nno such table\\n  ^'");
    let (status, body) = query(&refusal).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["error"]["message"], "no such table\n  ^");

    for (what, worker, code) in [
        ("ended before it has begun", "cat > /dev/null; kill -9 $$", "memory"),
        (
            "ended in the middle",
            "cat > /dev/null; printf '{\"ok\":true}\\n{'; kill -9 $$",
            "memory",
        ),
        ("without an end", "cat > /dev/null; exec sleep 60", "timeout"),
        (
            "without an end in the middle",
            "cat > /dev/null; printf '{\"ok\":true}\\n{'; exec sleep 60",
            "timeout",
        ),
    ] {
        let (status, body) = query(&served_with(worker)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what}");
        assert_eq!(body["error"]["code"], code, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_has_every_call() {
    let served = served();
    let (status, openapi) = served.get("/api/v1/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(openapi["openapi"], "3.1.0");
    let paths = openapi["paths"].as_object().expect("calls");
    assert!(paths.contains_key("/api/v1/tenants/{tenant}/query"));
    for (path, calls) in paths {
        for call in calls.as_object().expect("calls").values() {
            assert!(call["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{path}");
            let named: Vec<&str> = call["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            assert_eq!(path.matches('{').count(), named.len(), "{path}");
            for parameter in call["parameters"].as_array().into_iter().flatten() {
                let is_number = matches!(parameter["name"].as_str(), Some("limit"))
                    || (parameter["name"] == "from" && path.ends_with("neighbors"));
                let kind = if is_number { "integer" } else { "string" };
                assert_eq!(parameter["schema"]["type"], kind, "{path}: {parameter}");
            }
        }
    }
    let text = openapi.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap_or_default();
        assert!(openapi["components"]["schemas"].get(name).is_some(), "{name} is not described");
    }
}

/// Returns the mistakes in a value, by a schema of the description.
fn faults(value: &Value, schema: &Value, openapi: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return faults(value, &openapi["components"]["schemas"][name], openapi, place);
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let found = alternatives.iter().map(|schema| faults(value, schema, openapi, place));
        return found.min_by_key(Vec::len).unwrap_or_default();
    }
    let is_right = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !is_right {
        return vec![format!("{place} is {value}, and not as {schema} says")];
    }
    let mut found = Vec::new();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(item, &schema["items"], openapi, &format!("{place}[{index}]")));
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in required {
        if value.get(name).is_none() {
            found.push(format!("{place} has no {name}"));
        }
    }
    for (name, item) in value.as_object().into_iter().flatten() {
        let known = schema["properties"].get(name).or(schema.get("additionalProperties"));
        match known {
            Some(schema) => found.extend(faults(item, schema, openapi, &format!("{place}.{name}"))),
            None if schema.get("properties").is_some() => {
                found.push(format!("{place}.{name} is not described"));
            }
            None => {}
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_described() {
    let served = with_finding();
    let (_, openapi) = served.get("/api/v1/openapi.json").await;
    let key = "device-1%20%3Cb%3E";
    for (path, call) in [
        ("session".to_owned(), "session"),
        ("tenants/acme/overview".to_owned(), "tenants/{tenant}/overview"),
        ("tenants/acme/runs".to_owned(), "tenants/{tenant}/runs"),
        ("tenants/acme/tables".to_owned(), "tenants/{tenant}/tables"),
        ("tenants/acme/questions".to_owned(), "tenants/{tenant}/questions"),
        ("tenants/acme/privacy".to_owned(), "tenants/{tenant}/privacy"),
        ("tenants/acme/findings".to_owned(), "tenants/{tenant}/findings"),
        (format!("tenants/acme/finding?id={ID}"), "tenants/{tenant}/finding"),
        ("tenants/acme/search?text=device".to_owned(), "tenants/{tenant}/search"),
        (format!("tenants/acme/entity?key={key}"), "tenants/{tenant}/entity"),
        ("tenants/acme/entity?key=nothing".to_owned(), "tenants/{tenant}/entity"),
        (
            format!(
                "tenants/acme/neighbors?key={key}&direction=out&limit=1\
                 &relationship=nexthink_device_installed_package"
            ),
            "tenants/{tenant}/neighbors",
        ),
        (format!("tenants/acme/path?from={key}&to=package-1"), "tenants/{tenant}/path"),
        (format!("tenants/acme/runs/{FIRST}"), "tenants/{tenant}/runs/{generation}"),
        (
            format!("tenants/acme/history?key={key}&type=nexthink_device"),
            "tenants/{tenant}/history",
        ),
    ] {
        let (status, answer) = served.get(&format!("/api/v1/{path}")).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        let call = &openapi["paths"][format!("/api/v1/{call}")]["get"];
        let schema = &call["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} is not described");
        assert_eq!(faults(&answer, schema, &openapi, "answer"), [""; 0], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_and_its_answer_is_as_described() {
    let served = with_finding();
    let (_, openapi) = served.get("/api/v1/openapi.json").await;
    let cookie = served.sign_in().await;
    let silenced =
        json!({ "finding": ID, "rule": null, "entity": null, "hours": 1, "why": "a test" });
    let mut compared = 0;
    for (path, body) in [
        ("acknowledge", json!({ "ids": [ID], "note": "seen", "undo": false })),
        ("silence", silenced),
        ("unsilence", json!({ "id": "" })),
    ] {
        let mut body = body;
        if path == "unsilence" {
            let list = read(&served, &cookie, "findings").await;
            body["id"] = list["silences"][0]["id"].clone();
        }
        let (status, answer) = post(&served, Some(&cookie), path, &body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        let path = format!("/api/v1/tenants/{{tenant}}/findings/{path}");
        compared += compare_post(&openapi, &path, &body, &answer);
    }
    let body = json!({ "keys": ["device-2", "package-1"], "generation": FIRST });
    let (status, answer) = served.post("/api/v1/tenants/acme/edges", &body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    compared += compare_post(&openapi, "/api/v1/tenants/{tenant}/edges", &body, &answer);
    let posts = openapi["paths"].as_object().into_iter().flatten();
    let posts =
        posts.filter(|(path, calls)| calls.get("post").is_some() && !path.ends_with("query"));
    // The answer to a query is compared where a process of the program answers it.
    assert_eq!(compared, posts.count(), "a call is not compared");
}

/// Compares the body and the answer of a call with the description.
fn compare_post(openapi: &Value, path: &str, body: &Value, answer: &Value) -> usize {
    let call = &openapi["paths"][path]["post"];
    for (what, value, place) in
        [("body", body, &call["requestBody"]), ("answer", answer, &call["responses"]["200"])]
    {
        let schema = &place["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} is not described");
        assert_eq!(faults(value, schema, openapi, what), [""; 0], "{path}");
    }
    1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_has_no_answer_here_says_why() {
    let served = served();
    let cookie = served.sign_in().await;
    let why = |list: &Value, id: &str| {
        let question = list.as_array().into_iter().flatten().find(|known| known["id"] == id);
        question.unwrap_or_else(|| panic!("there is no {id}"))["unavailable"].clone()
    };
    let seen_by_analyst = read(&served, &cookie, "questions").await;
    let (_, seen_by_viewer) = served.get("/api/v1/tenants/acme/questions").await;
    let missing = json!("there is no table nexthink_user");
    for list in [&seen_by_analyst, &seen_by_viewer] {
        assert_eq!(why(list, "users-with-several-devices"), missing);
        assert_eq!(why(list, "devices-by-last-seen"), json!("there is no column d.lastSeenOn"));
        assert_eq!(why(list, "users-without-alert"), json!("there is no type nexthink_user"));
    }
    assert_eq!(why(&seen_by_analyst, "shared-serials"), Value::Null);
    let withheld = json!("column d.serial is withheld here: sign in as an analyst");
    assert_eq!(why(&seen_by_viewer, "shared-serials"), withheld);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_no_names_of_users_in_the_ledger() {
    let served = served();
    let cookie = served.sign_in().await;
    let token = "hmac-sha256-128:00";
    let facts = json!({ "view": "entity", "user": "mallory", "query": token, "text": token });
    let record = json!({ "at": "2026-03-01T08:00:00Z", "at_ms": 0, "who": "operator", "event": "explorer_read", "facts": facts });
    let record = serde_json::from_value(record).expect("an entry");
    served.host.tenant().ledger().append(&record).expect("written");
    let entry = read(&served, &cookie, "privacy").await["ledger"][0].clone();
    assert_eq!((&entry["who"], &entry["facts"]["user"]), (&json!("operator"), &json!("mallory")));
    let (_, privacy) = served.get("/api/v1/tenants/acme/privacy").await;
    assert_eq!(privacy["ledger"][0]["facts"], json!({ "view": "entity" }));
    assert_eq!(privacy["ledger"][0]["who"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_is_searched_and_followed() {
    let served = served();
    let (_, found) = served.get("/api/v1/tenants/acme/search?text=DEVICE%20one").await;
    assert_eq!(found["hits"][0]["_key"], "device-1 <b>");
    let (_, entity) = served.get("/api/v1/tenants/acme/entity?key=device%20one").await;
    assert_eq!(entity["lookup"]["result"], "found", "a name is as good as a key");
    assert_eq!(entity["groups"][0]["count"], 2);
    let path = "/api/v1/tenants/acme/neighbors?key=package-1&direction=in&limit=1\
                &relationship=nexthink_device_installed_package";
    let (_, first) = served.get(path).await;
    assert_eq!(
        (first["count"].as_u64(), first["neighbors"].as_array().map(Vec::len)),
        (Some(2), Some(1))
    );
    let (_, second) = served.get(&format!("{path}&from={}", first["next"])).await;
    assert_ne!(first["neighbors"], second["neighbors"]);
    assert_eq!(second["next"], Value::Null);
    let (_, way) = served.get("/api/v1/tenants/acme/path?from=package-2&to=device-2").await;
    assert_eq!(way["edges"].as_array().map(Vec::len), Some(3), "{way}");
    for (ends, unknown) in [("from=no&to=device-2", "`from`"), ("from=device-2&to=no", "`to`")] {
        let (status, answer) = served.get(&format!("/api/v1/tenants/acme/path?{ends}")).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (StatusCode::NOT_FOUND, &json!("not-found"))
        );
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(unknown) && !message.contains("no&"), "{message}");
    }
    served.publish_next();
    let (status, way) = served.get("/api/v1/tenants/acme/path?from=device-2&to=device-3").await;
    assert_eq!(
        (status, way),
        (StatusCode::OK, Value::Null),
        "nothing leads to a device without packages"
    );
    let keys = json!({ "keys": ["device-1 <b>", "device-2", "package-2", "nothing"] });
    let (_, edges) = served.post("/api/v1/tenants/acme/edges", &keys).await;
    let ends = [&edges[0]["_fromEntityKey"], &edges[0]["_toEntityKey"]];
    assert_eq!(ends, ["device-1 <b>", "package-2"], "{edges}");
    assert_eq!(edges.as_array().map(Vec::len), Some(1), "{edges}");
    let (status, _) = served
        .get("/api/v1/tenants/acme/neighbors?key=package-1&direction=in&relationship=no")
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_defect_has_the_headers_of_all_answers() {
    let served = served();
    served.host.has_defect.store(true, Ordering::Relaxed);
    let request = Request::get("/api/v1/tenants/acme/questions").header("host", HOST);
    let request = request.header("authorization", format!("Bearer {}", served.viewer));
    let response = served.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    for name in ["content-security-policy", "x-content-type-options", "cache-control"] {
        assert!(response.headers().contains_key(name), "{name}");
    }
    let body: Value = serde_json::from_str(&text(response).await).expect("it is JSON");
    assert_eq!(body["error"]["code"], "defect", "{body}");
}

/// The worker here asks the system, as the program's does, to be ended with the thread that has started it.
#[cfg(target_os = "linux")]
#[test]
fn a_query_outlives_the_idle_time_of_the_threads_of_the_server() {
    let worker = r#"exec setpriv --pdeathsig KILL sh -c 'cat > /dev/null; sleep 0.15; echo "{\"ok\":true}"; echo "{}"'"#;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().thread_keep_alive(Duration::from_millis(1)).build();
    runtime.expect("a runtime").block_on(async {
        let served = served_with(worker);
        for turn in 0..12 {
            let (one, other) = tokio::join!(query(&served), query(&served));
            assert_eq!([one.0, other.0], [StatusCode::OK; 2], "{turn}: {} {}", one.1, other.1);
        }
    });
}
