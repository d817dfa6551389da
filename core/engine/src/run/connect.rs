//! Connects to Nexthink: makes the client, and makes its first call.

use std::sync::Arc;

use core_http::Secret;
use core_nexthink::{Client, ClockOffset, Credentials, SecretSource};

use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::host::Host;

/// Makes a client for the tenant; `adjust` may change the configured limits.
///
/// # Errors
/// The settings or the secret cannot be used.
pub fn client(
    engine: Engine<'_>,
    secret: Secret,
    adjust: impl FnOnce(&mut core_nexthink::Settings),
) -> Result<Arc<Client>, Failure> {
    let credential = engine.settings.credential().map_err(configuration)?;
    let reference = Arc::clone(&credential.client_secret);
    let again: SecretSource = Arc::new(move || Ok(reference.read("the client secret")?));
    let credentials = Credentials::new(&credential.client_id, secret)?.with_source(again);
    let mut settings = core_nexthink::Settings::new(engine.host.random()?);
    settings.poll = engine.settings.poll.clone();
    settings.retry = engine.settings.retry.clone();
    settings.wait_for_new_export = settings.wait_for_new_export.min(engine.settings.retry.max_wait);
    settings.execute_pause = settings.execute_pause.min(engine.settings.retry.max_wait);
    settings.timeouts = engine.settings.timeouts.clone();
    settings.trust = engine.settings.trust.clone();
    settings.proxy.clone_from(&engine.settings.proxy);
    adjust(&mut settings);
    Ok(Arc::new(Client::new(&engine.settings.endpoints, credentials, settings)?))
}

fn configuration(error: anyhow::Error) -> Failure {
    Failure::new(FailureKind::Configuration, error)
}

/// Returns the offset of Nexthink's clock from this machine's, if it is known. Warns about a large difference.
///
/// This is the first call of a run, so that refused credentials and an unreachable host cost no export.
pub(super) async fn clock_offset(
    client: Option<&Client>,
    host: &Host,
) -> Result<Option<ClockOffset>, Failure> {
    let Some(client) = client else { return Ok(None) };
    let offset = client.check_credentials(|| host.now().0).await?.clock_offset;
    if let Some(offset) = offset.filter(|offset| offset.is_disagreement()) {
        tracing::warn!(
            "{offset}, which counts for the day's exports: set the clock of this machine"
        );
    }
    Ok(offset)
}
