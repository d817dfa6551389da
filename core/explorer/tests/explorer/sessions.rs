//! Tokens, the one-time address, and the sessions that they become.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode};

use crate::kit::{HOST, PUBLIC_HOST, Served, served, served_behind_proxy, served_with, text};

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_address_opens_one_session_and_no_second_one() {
    let served = served();
    let cookie = served.sign_in().await;
    let ask = |cookie: String| {
        let request = Request::get("/api/v1/session").header("host", HOST).header("cookie", cookie);
        served.send(request.body(Body::empty()).expect("a request"))
    };
    let response = ask(cookie.clone()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let session = text(response).await;
    assert!(session.contains("\"role\":\"analyst\""), "{session}");
    assert!(session.contains("\"name\":\"acme\""), "{session}");

    let path = format!("/session?token={}", served.first_token);
    let request = Request::get(path).header("host", HOST).body(Body::empty()).expect("a request");
    let response = served.send(request).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(!response.headers().contains_key("set-cookie"));

    served.host.now_ms.fetch_add(13 * 60 * 60 * 1000, Ordering::Relaxed);
    assert_eq!(ask(cookie).await.status(), StatusCode::UNAUTHORIZED, "a session ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_a_strict_cookie_that_scripts_cannot_read() {
    let served = served();
    let path = format!("/session?token={}", served.first_token);
    let request = Request::get(path).header("host", HOST).body(Body::empty()).expect("a request");
    let response = served.send(request).await;
    let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.starts_with("nexthink-graph-8490="), "{cookie}");
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains(&served.first_token), "the session is not the token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_signs_in_with_its_role() {
    let served = served();
    let (status, session) = served.get("/api/v1/session").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(session["role"], "viewer");
    assert_eq!(session["user"], "helpdesk");

    let body = format!("{{\"token\":\"{}\"}}", served.viewer);
    let request = Request::post("/session").header("host", HOST);
    let request = request.header("content-type", "application/json").body(Body::from(body));
    let response = served.send(request.expect("a request")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("set-cookie"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_withdrawn_ends_its_sessions_and_no_others() {
    let served = served();
    let path = format!("/session?token={}", served.first_token);
    let first = cookie(&served, Request::get(path).body(Body::empty()).expect("a request")).await;
    let body = format!("{{\"token\":\"{}\"}}", served.viewer);
    let request = Request::post("/session").header("content-type", "application/json");
    let own = cookie(&served, request.body(Body::from(body)).expect("a request")).await;
    for (is_withdrawn, expected) in [(false, StatusCode::OK), (true, StatusCode::UNAUTHORIZED)] {
        if is_withdrawn {
            served.tokens.replace(Vec::new());
        }
        assert_eq!(status_with(&served, &own).await, expected, "its session");
        assert_eq!(served.get("/api/v1/session").await.0, expected, "the token itself");
        assert_eq!(status_with(&served, &first).await, StatusCode::OK, "the printed address");
    }
}

/// Signs in, and returns the cookie.
async fn cookie(served: &Served, mut request: Request<Body>) -> String {
    request.headers_mut().insert("host", HOST.parse().expect("a host"));
    let response = served.send(request).await;
    let cookie = response.headers()["set-cookie"].to_str().expect("text");
    cookie.split(';').next().expect("a cookie").to_owned()
}

async fn status_with(served: &Served, cookie: &str) -> StatusCode {
    let request = Request::get("/api/v1/session").header("host", HOST).header("cookie", cookie);
    served.send(request.body(Body::empty()).expect("a request")).await.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_names_its_users_in_the_one_header_that_is_trusted() {
    let served = served_behind_proxy();
    for (header, value, status) in [
        ("x-forwarded-user", "jane", StatusCode::OK),
        ("x-forwarded-user", " ", StatusCode::UNAUTHORIZED),
        ("x-remote-user", "jane", StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::get("/api/v1/session").header("host", HOST).header(header, value);
        let response = served.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), status, "{header}: {value}");
        if status == StatusCode::OK {
            let session = text(response).await;
            assert!(session.contains("\"role\":\"viewer\""), "{session}");
            assert!(session.contains("\"user\":\"jane\""), "{session}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_the_proxy_that_does_not_tell_one_user_is_refused() {
    let served = served_behind_proxy();
    let latin = [b'J', 0xe9];
    for (names, status, part) in [
        (&[&b"admin"[..], b"jane"][..], StatusCode::BAD_REQUEST, "more than once"),
        (&[b"jane", b""], StatusCode::BAD_REQUEST, "more than once"),
        (&["Zoë Müller".as_bytes()], StatusCode::OK, "\"user\":\"Zoë Müller\""),
        (&[&latin], StatusCode::BAD_REQUEST, "is not UTF-8"),
    ] {
        let request = Request::get("/api/v1/session").header("host", HOST);
        let request = names.iter().fold(request, |request, name| {
            request.header("x-forwarded-user", HeaderValue::from_bytes(name).expect("a value"))
        });
        let response = served.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), status, "{names:?}");
        let body = text(response).await;
        assert!(body.contains(part), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_of_the_proxys_own_does_not_hide_the_user_that_it_names() {
    let request = || {
        Request::get("/api/v1/session")
            .header("host", HOST)
            .header("authorization", "Bearer of-the-proxy")
            .header("x-forwarded-user", "jane")
            .body(Body::empty())
            .expect("a request")
    };
    let response = served_behind_proxy().send(request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(served().send(request()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_address_is_for_an_hour_and_for_the_machine_alone() {
    let open = async |served: &Served, host: &str| {
        let path = format!("/session?token={}", served.first_token);
        let request = Request::get(path).header("host", host).body(Body::empty());
        served.send(request.expect("a request")).await.status()
    };
    let served = served();
    assert_eq!(open(&served, PUBLIC_HOST).await, StatusCode::UNAUTHORIZED, "through a proxy");
    assert_eq!(open(&served, HOST).await, StatusCode::OK, "that did not use it up");
    let served = served_with("exit 1");
    served.host.now_ms.fetch_add(61 * 60 * 1000, Ordering::Relaxed);
    assert_eq!(open(&served, HOST).await, StatusCode::UNAUTHORIZED, "it may be in a log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_under_a_public_name_is_for_tls_alone() {
    for (host, is_secure) in [(HOST, false), (PUBLIC_HOST, true)] {
        let served = served();
        let body = format!("{{\"token\":\"{}\"}}", served.viewer);
        let request = Request::post("/session").header("host", host);
        let request = request.header("content-type", "application/json").body(Body::from(body));
        let response = served.send(request.expect("a request")).await;
        let cookie = response.headers()["set-cookie"].to_str().expect("text");
        assert_eq!(cookie.ends_with("; Secure"), is_secure, "{host}: {cookie}");
    }
}
