//! Checks the connection to Nexthink: secret, name, TLS, token, clock, permission.

use std::sync::Arc;
use std::time::Duration;

use crate::run;
use core_nexthink::{Client, ClockOffset, NexthinkError, UnreachableCause};

use super::{Check, Checks};
use crate::engine::Engine;
use crate::failure::FailureKind;

/// The most attempts of a call: a person waits for the result.
const ATTEMPTS: u32 = 2;

/// Returns the client, if the secret can be read.
pub(super) fn client(engine: Engine<'_>, checks: &mut Checks) -> Option<Arc<Client>> {
    let secret = match engine.settings.read_client_secret() {
        Ok(secret) => secret,
        Err(error) => {
            checks.push(Check::failed("secret", FailureKind::Configuration, format!("{error:#}")));
            return None;
        }
    };
    match run::client(engine, secret, impatient) {
        Ok(client) => {
            checks.push(Check::ok("secret", "it is there"));
            Some(client)
        }
        Err(failure) => {
            checks.push(Check::failed_with("secret", &failure));
            None
        }
    }
}

/// Sets short limits for calls, since a person waits for the result.
pub(super) fn impatient(settings: &mut core_nexthink::Settings) {
    settings.retry.max_attempts = ATTEMPTS;
    settings.max_start_attempts = ATTEMPTS;
    settings.retry.budget = Duration::from_secs(20);
}

/// Checks the connection to the API. Returns whether it can be used, and the offset of Nexthink's
/// clock.
pub(super) async fn check(
    engine: Engine<'_>,
    client: &Client,
    checks: &mut Checks,
) -> (bool, Option<ClockOffset>) {
    let checked = client.check_credentials(|| engine.host.now().0).await;
    if let Err(error) = &checked {
        push_stages(engine, Some(error), checks);
        for name in ["clock", "permission"] {
            checks.push(Check::skipped(name, "no token"));
        }
        return (false, None);
    }
    push_stages(engine, None, checks);
    let offset = checked.ok().and_then(|checked| checked.clock_offset);
    checks.push(match offset {
        Some(offset) if offset.is_disagreement() => {
            Check::warning("clock", format!("{offset}: set the clock of this machine"))
        }
        Some(_) => Check::ok("clock", "it agrees with Nexthink's"),
        None => Check::skipped("clock", "Nexthink does not tell the time"),
    });
    let is_reached = match client.check_api().await {
        Ok(()) => {
            checks.push(Check::ok("permission", "the NQL API takes the token"));
            true
        }
        Err(error) => {
            checks.push(Check::failed_at_nexthink("permission", &error));
            false
        }
    };
    (is_reached, offset)
}

/// Adds a check for each stage of getting a token: name, connection, TLS, token.
fn push_stages(engine: Engine<'_>, error: Option<&NexthinkError>, checks: &mut Checks) {
    let failed_at = error.map(|error| match error {
        NexthinkError::Unreachable { cause: UnreachableCause::Dns, .. } => 0,
        NexthinkError::Unreachable { cause: UnreachableCause::Tls(_), .. } => 2,
        NexthinkError::Unreachable { .. } => 1,
        _ => 3,
    });
    let is_at_proxy = matches!(
        error,
        Some(NexthinkError::Unreachable { cause: UnreachableCause::Proxy { .. }, .. })
    );
    let (tenant, region) = (engine.settings.tenant.as_str(), engine.settings.region.as_str());
    let stages = [
        ("dns", format!("the login host of tenant {tenant} in region {region} is known")),
        ("connection", "the login host answers".to_owned()),
        ("tls", "its certificate is trusted".to_owned()),
        ("token", "the credential is accepted".to_owned()),
    ];
    for (n, (name, detail)) in stages.into_iter().enumerate() {
        checks.push(match (failed_at, error) {
            (Some(stage), Some(error)) if stage == n => Check::failed_at_nexthink(name, error),
            _ if name == "dns" && is_at_proxy => Check::skipped(name, "the proxy looks it up"),
            (Some(stage), _) if stage < n => Check::skipped(name, "not reached"),
            _ if name == "tls" && !engine.settings.endpoints.login_uses_tls() => {
                Check::skipped(name, "plain HTTP to this machine")
            }
            _ => Check::ok(name, detail),
        });
    }
}
