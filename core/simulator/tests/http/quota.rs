//! Limits on exports, and the announced waits.

use std::time::Duration;

use core_simulator::{Behaviour, RetryAfterForm, SavedQuery};
use reqwest::StatusCode;
use reqwest::header::{DATE, RETRY_AFTER};
use serde_json::json;

use crate::support::{Tester, json_answer};

#[tokio::test]
async fn retry_after_has_each_form_by_the_tenants_own_clock() {
    let tester = Tester::start(Behaviour {
        daily_export_limit: Some(0),
        retry_after: Duration::ZERO,
        clock_offset_seconds: 100 * 365 * 86_400,
        ..Behaviour::default()
    })
    .await;
    let token = tester.token().await;
    for (form, year_at, zone) in [
        (RetryAfterForm::Imf, 12..16, " GMT"),
        (RetryAfterForm::Asctime, 20..24, ""),
        (RetryAfterForm::Iso8601, 0..4, "Z"),
    ] {
        tester.simulator.update(|behaviour| behaviour.retry_after_form = form.clone());
        let response = tester.start_export(&token, &json!({ "queryId": "#j1_users" })).await;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let text = |name| response.headers()[name].to_str().expect("a date is text").to_owned();
        let (when, date) = (text(RETRY_AFTER), text(DATE));
        assert_eq!(when[year_at], date[12..16], "{form:?}");
        assert!(when.ends_with(zone), "{form:?} {when}");
    }
    for (form, expected) in [
        (RetryAfterForm::None, None),
        (RetryAfterForm::Literal("soon".to_owned()), Some("soon")),
        (RetryAfterForm::Seconds, Some("0")),
    ] {
        tester.simulator.update(|behaviour| behaviour.retry_after_form = form);
        let response = tester.start_export(&token, &json!({ "queryId": "#j1_users" })).await;
        let when = response.headers().get(RETRY_AFTER).map(|value| value.to_str().expect("text"));
        assert_eq!(when, expected);
    }
}

#[tokio::test]
async fn the_tenants_clock_can_be_wrong() {
    let tester = Tester::start(Behaviour::default()).await;
    let mut years = Vec::new();
    for days in [0, 400 * 365] {
        tester.simulator.update(|behaviour| behaviour.clock_offset_seconds = days * 86_400);
        let response = tester.get(&tester.simulator.endpoints().files).await;
        let date = response.headers()[DATE].to_str().expect("a date is text").to_owned();
        years.push(date[12..16].parse::<i32>().expect("a year is a number"));
    }
    assert!((399..=400).contains(&(years[1] - years[0])), "{years:?}");
}

#[tokio::test]
async fn an_export_above_the_limit_waits_until_another_has_ended() {
    let behaviour = Behaviour { concurrent_exports: Some(2), ..Behaviour::default() };
    let tester = Tester::start(behaviour).await;
    tester.simulator.update(|behaviour| {
        behaviour.failing.insert(SavedQuery::Alerts, "no".to_owned());
    });
    let token = tester.token().await;
    for ended_by in [SavedQuery::Users, SavedQuery::Alerts] {
        let first = tester.export_id(&token, ended_by, "NONE").await;
        let second = tester.export_id(&token, SavedQuery::Devices, "NONE").await;
        let body = json!({ "queryId": "#j1_users" });
        let refused = tester.start_export(&token, &body).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()[RETRY_AFTER], "1");
        tester.last_status(&token, &first).await;
        let (status, third) = json_answer(tester.start_export(&token, &body).await).await;
        assert_eq!(status, StatusCode::OK);
        let third = third["exportId"].as_str().expect("an export ID is text");
        tester.last_status(&token, &second).await;
        tester.last_status(&token, third).await;
    }
    assert_eq!(tester.simulator.requests().max_running_exports, 2);
}

#[tokio::test]
async fn an_export_without_status_calls_does_not_run_forever() {
    let behaviour = Behaviour {
        concurrent_exports: Some(1),
        link_lifetime: Duration::ZERO,
        ..Behaviour::default()
    };
    let tester = Tester::start(behaviour).await;
    let token = tester.token().await;
    for _ in 0..2 {
        tester.export_id(&token, SavedQuery::Users, "NONE").await;
    }
}
