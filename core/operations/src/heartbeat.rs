//! A heartbeat: a request to a monitoring service after each run that has published and delivered. The service raises an alarm when
//! none comes, so it also notices a machine that is off.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use core_config::Config;
use core_engine::settings::SecretSource;
use core_http::{Advice, ClientFactory, ProxySettings, Trust};
use core_rules::notify::settings::check_secret_url;

/// The time-outs for connecting to the service and for its answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);

/// The advice if the service cannot be reached.
const ADVICE: Advice = Advice::new("check the host in `monitoring.heartbeat`");

/// Sends the heartbeat after a run, if one is configured. Returns a remark if it was not sent: a service that is down is no
/// reason for a run to fail.
pub async fn heartbeat_after_run(config: &Config) -> Option<String> {
    let address = config.heartbeat.as_ref()?;
    let sent = send_heartbeat(address, &config.trust, config.proxy.as_ref()).await;
    let error = sent.err()?;
    Some(format!(
        "the heartbeat was not sent, so the service of `monitoring.heartbeat` may raise an alarm: {error:#}"
    ))
}

/// Sends a heartbeat to an address.
///
/// # Errors
///
/// The address cannot be read or used, or the service does not accept the heartbeat. No message shows the address,
/// since it may be the only protection of the check.
async fn send_heartbeat(
    address: &dyn SecretSource,
    trust: &Trust,
    proxy: Option<&ProxySettings>,
) -> anyhow::Result<()> {
    let url = address.read("the address of the heartbeat")?;
    check_secret_url(url.expose()).map_err(anyhow::Error::msg)?;
    let uses_tls = url.expose().starts_with("https:");
    let factory = ClientFactory::new(uses_tls, trust, proxy, CONNECT)?;
    let client = factory.client(Some(ANSWER), Some(ANSWER))?;
    let answer = client.get(url.expose()).send().await;
    let answer = answer.map_err(|error| {
        let failure = client.failure(error);
        anyhow::Error::new(failure.source).context(failure.cause.describe(&ADVICE))
    });
    let answer = answer.context("it cannot be reached")?;
    let status = answer.status();
    ensure!(status.is_success(), "it answers with HTTP {}", status.as_u16());
    Ok(())
}

#[cfg(test)]
mod tests {
    use core_http::Secret;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[derive(Debug)]
    struct Address(String);

    impl SecretSource for Address {
        fn read(&self, _: &str) -> anyhow::Result<Secret> {
            Ok(Secret::new(self.0.clone()))
        }
    }

    async fn send_to(address: String) -> Result<(), String> {
        let sent = send_heartbeat(&Address(address), &Trust::default(), None).await;
        sent.map_err(|error| format!("{error:#}"))
    }

    /// Answers one request with a status line; returns the address.
    async fn service(status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client comes");
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("the client reads");
        });
        format!("http://{address}/ping/canary")
    }

    #[tokio::test]
    async fn only_an_answer_of_success_counts_and_no_message_shows_the_address() {
        assert_eq!(send_to(service("200 OK").await).await, Ok(()));
        let refused = send_to(service("404 Not Found").await).await;
        assert_eq!(refused, Err("it answers with HTTP 404".to_owned()));
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let silent = send_to(format!("http://{address}/ping/canary")).await;
        let silent = silent.expect_err("nothing listens there");
        assert!(silent.starts_with("it cannot be reached: no connection"), "{silent}");
        assert!(!silent.contains("canary"), "{silent}");
    }

    #[tokio::test]
    async fn an_address_that_would_send_the_secret_in_clear_over_a_network_is_refused() {
        let refused = send_to("http://monitoring.example/ping/canary".to_owned()).await;
        let refused = refused.expect_err("it is not encrypted");
        assert!(!refused.contains("canary"), "{refused}");
    }

    #[tokio::test]
    async fn a_redirect_is_no_success_and_is_not_followed() {
        let moved = service("302 Found").await;
        assert_eq!(send_to(moved).await, Err("it answers with HTTP 302".to_owned()));
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_read_is_the_reason() {
        #[derive(Debug)]
        struct Missing;
        impl SecretSource for Missing {
            fn read(&self, what: &str) -> anyhow::Result<Secret> {
                anyhow::bail!("cannot read {what}: the variable is not set")
            }
        }
        let sent = send_heartbeat(&Missing, &Trust::default(), None).await;
        let failed = sent.expect_err("there is no address").to_string();
        assert_eq!(failed, "cannot read the address of the heartbeat: the variable is not set");
    }
}
