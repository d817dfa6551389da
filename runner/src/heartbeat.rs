//! A heartbeat: a request to an address of a monitoring service after each run that has published. The service raises
//! the alarm when none comes, so that it notices also a machine that is off.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use core_engine::settings::SecretSource as _;
use core_http::{ClientFactory, SharedError};
use core_rules::notify::settings::check_secret_url;

use crate::config::Config;
use crate::output;

/// The time-outs for connecting to the service and for its answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);

/// Sends the heartbeat, if one is configured. A service that is down is no reason for a run to fail.
pub(crate) async fn send(config: &Config) {
    let Some(address) = &config.heartbeat else { return };
    let sending = async {
        let url = address.read("the address of the heartbeat")?;
        check_secret_url(url.expose()).map_err(anyhow::Error::msg)?;
        let uses_tls = url.expose().starts_with("https:");
        let factory = ClientFactory::new(uses_tls, &config.trust, config.proxy.as_ref(), CONNECT)?;
        let client = factory.client(Some(ANSWER), Some(ANSWER))?;
        // The address may be all that protects the check, so that no message shows it.
        let answer = client.get(url.expose()).send().await;
        let answer = answer.map_err(|error| SharedError::new(error.without_url()));
        let answer = answer.context("it does not answer")?;
        let status = answer.status();
        ensure!(status.is_success(), "it answers with HTTP {}", status.as_u16());
        anyhow::Ok(())
    };
    if let Err(error) = sending.await {
        output::note(&format!(
            "the heartbeat was not sent, so the service of `monitoring.heartbeat` may raise an alarm: {error:#}"
        ));
    }
}
