//! The way to Nexthink: a client as the configuration wants it, and what its first call tells.

use std::sync::Arc;

use core_nexthink::{Client, ClockOffset, Credentials, ProxySettings, Secret, SecretSource};

use crate::config::{Config, Proxy};
use crate::exit::Failure;
use crate::system::{self, Moment};

/// A client for the configured tenant, with other bounds than the configured ones where `patience`
/// sets them.
pub(crate) fn client(
    config: &Config,
    secret: Secret,
    patience: impl FnOnce(&mut core_nexthink::Settings),
) -> Result<Arc<Client>, Failure> {
    let reference = config.client_secret.clone();
    let again: SecretSource = Arc::new(move || Ok(reference.resolve()?));
    let credentials = Credentials::new(&config.client_id, secret)?.with_source(again);
    let mut settings = core_nexthink::Settings::new(system::random()?);
    settings.poll = config.poll.clone();
    settings.retry = config.retry.clone();
    settings.wait_for_new_export = settings.wait_for_new_export.min(config.retry.max_wait);
    settings.timeouts = config.timeouts.clone();
    settings.trust.extra_ca_pem.clone_from(&config.extra_ca_pem);
    settings.proxy = proxy(&config.proxy);
    patience(&mut settings);
    Ok(Arc::new(Client::new(&config.endpoints, credentials, settings)?))
}

/// The proxy to go through, if any. The password that a variable may hold stays within a secret.
pub(crate) fn proxy(configured: &Proxy) -> Option<ProxySettings> {
    let first = |names: [&str; 2]| names.into_iter().find_map(system::variable);
    let url = match configured {
        Proxy::None => return None,
        Proxy::At(url) => url.clone(),
        Proxy::FromEnvironment => {
            first(["HTTPS_PROXY", "https_proxy"]).filter(|url| !url.is_empty())?
        }
    };
    Some(ProxySettings { url: Secret::new(url), no_proxy: first(["NO_PROXY", "no_proxy"]) })
}

/// How far Nexthink's clock is ahead of this machine's, if it tells; a large difference is told the user.
///
/// It is the first call of a run, so that credentials that are refused, and a host that cannot be reached,
/// cost no export.
pub(super) async fn clock_offset(client: &Client) -> Result<Option<ClockOffset>, Failure> {
    let offset = client.check_credentials(|| Moment::now().0).await?.clock_offset;
    if let Some(offset) = offset.filter(|offset| offset.is_disagreement()) {
        tracing::warn!(
            "{offset}, which counts for the day's exports: set the clock of this machine"
        );
    }
    Ok(offset)
}
