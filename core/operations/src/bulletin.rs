//! The answers of `schedule` over HTTP: liveness, readiness, metrics.
//!
//! The scheduler publishes a text after every change. A request reads only this text, so no number of requests can
//! hold up a run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::Instant;

/// The time without activity after which a scheduler counts as hung; it wakes up every minute.
const HANGS_AFTER: Duration = Duration::from_mins(5);

/// The content type of the metrics.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics that the scheduler has published last.
#[derive(Debug, Clone)]
pub struct Bulletin(Arc<Mutex<Content>>);

#[derive(Debug)]
struct Content {
    at: Instant,
    figures: String,
    /// The scheduler's own problem, if it has one.
    problem: Option<String>,
}

impl Bulletin {
    /// Creates the bulletin of a scheduler that has not read its tenants yet, and so is not ready.
    pub(crate) fn new() -> Self {
        let problem = Some("the first look at the tenants is not over".to_owned());
        Self(Arc::new(Mutex::new(Content { at: Instant::now(), figures: String::new(), problem })))
    }

    /// Replaces the answers.
    pub(crate) fn publish(&self, figures: String, problem: Option<String>) {
        *self.content() = Content { at: Instant::now(), figures, problem };
    }

    /// Returns the metrics that were published last.
    pub(crate) fn figures(&self) -> String {
        self.content().figures.clone()
    }

    /// Returns the problem of the scheduler, if it has one.
    #[cfg(test)]
    pub(crate) fn problem(&self) -> Option<String> {
        self.content().problem.clone()
    }

    fn content(&self) -> std::sync::MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the service that answers `/healthz`, `/readyz` and `/metrics`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/healthz", get(health))
            .route("/readyz", get(readiness))
            .route("/metrics", get(figures))
            .with_state(self.clone())
    }
}

async fn health(State(bulletin): State<Bulletin>) -> Response {
    let idle = bulletin.content().at.elapsed();
    if idle > HANGS_AFTER {
        let text = format!("the scheduler has not moved for {} s\n", idle.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    "ok\n".into_response()
}

async fn readiness(State(bulletin): State<Bulletin>) -> Response {
    match &bulletin.content().problem {
        Some(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")).into_response(),
        None => "ok\n".into_response(),
    }
}

async fn figures(State(bulletin): State<Bulletin>) -> Response {
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], bulletin.figures()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_scheduler_that_hangs_is_not_healthy_and_one_with_a_mistake_not_ready() {
        let bulletin = Bulletin::new();
        let status = |response: Response| response.status().as_u16();
        assert_eq!(status(health(State(bulletin.clone())).await), 200);
        assert_eq!(status(readiness(State(bulletin.clone())).await), 503, "nothing was read yet");
        bulletin.publish(String::new(), None);
        assert_eq!(status(readiness(State(bulletin.clone())).await), 200);
        tokio::time::advance(HANGS_AFTER + Duration::from_secs(1)).await;
        assert_eq!(status(health(State(bulletin.clone())).await), 503);
        bulletin.publish(String::new(), Some("wrong".to_owned()));
        assert_eq!(status(health(State(bulletin.clone())).await), 200);
        assert_eq!(status(readiness(State(bulletin)).await), 503);
    }

    #[tokio::test]
    async fn the_figures_are_those_that_were_published_last_as_prometheus_reads_them() {
        let bulletin = Bulletin::new();
        for text in ["", "a 1\n", "a 2\n"] {
            bulletin.publish(text.to_owned(), None);
            let answer = figures(State(bulletin.clone())).await;
            assert_eq!(answer.headers()[header::CONTENT_TYPE], PROMETHEUS_TEXT);
            let body = axum::body::to_bytes(answer.into_body(), 1_024).await.expect("it is short");
            assert_eq!(body, text);
        }
    }
}
