//! A client that follows the documentation and returns what it received.

use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use core_simulator::{Behaviour, SavedQuery, Simulator, SimulatorConfig, TenantSpec};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

/// A client, after installing the TLS provider that reqwest needs even for plain HTTP.
fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .expect("no other provider is installed");
    });
    Client::builder().no_proxy().build().expect("a client without options can be built")
}

pub(crate) struct Tester {
    pub(crate) simulator: Simulator,
    pub(crate) http: Client,
}

impl Tester {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let config = SimulatorConfig { behaviour, ..SimulatorConfig::default() };
        let simulator = Simulator::start(config).await.expect("a loopback port is free");
        Self { simulator, http: client() }
    }

    pub(crate) async fn with_tenant(tenant: TenantSpec) -> Self {
        Self::start(Behaviour { tenant, ..Behaviour::default() }).await
    }

    pub(crate) async fn ask_token(&self, secret: &str, body: &'static str) -> (StatusCode, Value) {
        let url = format!("{}/oauth2/default/v1/token", self.simulator.endpoints().login);
        let request = self
            .http
            .post(url)
            .basic_auth("demo", Some(secret))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        json_answer(request.send().await.expect("the simulator answers")).await
    }

    pub(crate) async fn token(&self) -> String {
        let body = "grant_type=client_credentials&scope=service%3Aintegration";
        let (status, answer) = self.ask_token("demo-secret", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["access_token"].as_str().expect("a token is text").to_owned()
    }

    pub(crate) async fn start_export(&self, token: &str, body: &Value) -> Response {
        let url = format!("{}/api/v1/nql/export", self.simulator.endpoints().api);
        let request = self.http.post(url).bearer_auth(token).json(body);
        request.send().await.expect("the simulator answers")
    }

    pub(crate) async fn status(&self, token: &str, export_id: &str) -> (StatusCode, Value) {
        let url = format!("{}/api/v1/nql/status/{export_id}", self.simulator.endpoints().api);
        let answer = self.http.get(url).bearer_auth(token).send().await;
        json_answer(answer.expect("the simulator answers")).await
    }

    pub(crate) async fn export_id(
        &self,
        token: &str,
        query: SavedQuery,
        compression: &str,
    ) -> String {
        let body = json!({ "queryId": query.id(), "compression": compression });
        let (status, answer) = json_answer(self.start_export(token, &body).await).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["exportId"].as_str().expect("an export ID is text").to_owned()
    }

    /// Polls to the end and returns the status code and body of the last call.
    pub(crate) async fn last_status(&self, token: &str, export_id: &str) -> (StatusCode, Value) {
        loop {
            let (status, answer) = self.status(token, export_id).await;
            if answer["status"] != "SUBMITTED" && answer["status"] != "IN_PROGRESS" {
                return (status, answer);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Runs an export up to its results link.
    pub(crate) async fn link(&self, query: SavedQuery, compression: &str) -> String {
        let token = self.token().await;
        let export_id = self.export_id(&token, query, compression).await;
        let (_, answer) = self.last_status(&token, &export_id).await;
        answer["resultsFileUrl"].as_str().expect("a completed export has a link").to_owned()
    }

    pub(crate) async fn get(&self, link: &str) -> Response {
        self.http.get(link).send().await.expect("the file host answers")
    }

    /// The bytes of the results file of `query`.
    pub(crate) async fn download(&self, query: SavedQuery, compression: &str) -> Vec<u8> {
        let response = self.get(&self.link(query, compression).await).await;
        assert_eq!(response.status(), StatusCode::OK);
        bytes_of(response).await.to_vec()
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulator is ours and sends what fits")]
pub(crate) async fn bytes_of(response: Response) -> Bytes {
    response.bytes().await.expect("the body is whole")
}

pub(crate) async fn json_answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    (status, serde_json::from_slice(&bytes_of(response).await).unwrap_or(Value::Null))
}

/// The rows of a CSV, without the header.
pub(crate) fn parse(csv: &[u8]) -> (csv::StringRecord, Vec<csv::StringRecord>) {
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers().expect("the header is UTF-8").clone();
    let rows =
        reader.records().collect::<Result<_, _>>().expect("every row is as wide as the header");
    (header, rows)
}
