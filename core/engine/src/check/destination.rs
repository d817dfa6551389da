//! Checks that JupiterOne is the destination of the last delivery, can be reached and accepts the key. No job is
//! created, so only a delivery detects a wrong scope or instance.

use std::time::Duration;

use crate::settings::JupiterOne;
use core_destination::{DeliveryError, DeliveryRequest};
use core_jupiterone::{ErrorKind, JupiterOneError};
use core_store::Store;

use super::{Check, Checks};
use crate::engine::Engine;
use crate::failure::Failure;

const ACCOUNT: &str = "JupiterOne account";
const REACHED: &str = "JupiterOne";

/// The longest wait for an answer: a person waits for the result.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks the destination, if there is one.
pub(super) async fn check(engine: Engine<'_>, checks: &mut Checks) {
    let Some(jupiterone) = &engine.settings.jupiterone else { return };
    if let Err(failure) = check_account(engine, jupiterone) {
        checks.push(Check::failed_with(ACCOUNT, &failure));
        checks.push(Check::skipped(
            REACHED,
            "the destination differs from that of the last delivery",
        ));
        return;
    }
    let destination = &jupiterone.destination;
    checks.push(Check::ok(ACCOUNT, destination.to_string()));
    let client = crate::jupiterone::client(engine, jupiterone, |settings| {
        settings.retry.max_attempts = 2;
        settings.timeouts.connect = PATIENCE;
        settings.timeouts.answer = PATIENCE;
    });
    let client = match client {
        Ok(client) => client,
        Err(failure) => return checks.push(Check::failed_with(REACHED, &failure)),
    };
    checks.push(match client.probe().await {
        Ok(()) => Check::ok(REACHED, "it answers and accepts the API key"),
        Err(error) => {
            let fix = fix_of(&error);
            let Failure { kind, error } = DeliveryError::from(error).into();
            Check::failed(REACHED, kind, format!("{error:#}{fix}"))
        }
    });
}

fn check_account(engine: Engine<'_>, jupiterone: &JupiterOne) -> Result<(), Failure> {
    let tenant =
        Store::open(engine.settings.store.clone())?.tenant(engine.settings.tenant.as_str())?;
    let rules = crate::jupiterone::rules(engine, jupiterone);
    Ok(rules.check(&tenant, &DeliveryRequest::default())?)
}

/// Returns the fix as the end of a message; empty if none is known.
fn fix_of(error: &JupiterOneError) -> &'static str {
    // A refused key has its own fix.
    if error.kind() != ErrorKind::Unreachable {
        return "";
    }
    ": is `destinations.jupiterone.url` the host of the account's region, and is a proxy needed?"
}

#[cfg(test)]
mod tests {
    use core_jupiterone::Call;

    use super::*;

    #[test]
    fn only_a_host_that_cannot_be_reached_has_a_remedy_of_its_own() {
        let down = JupiterOneError::Unavailable { call: Call::GetJob, status: 503, attempts: 2 };
        assert!(fix_of(&down).contains("`destinations.jupiterone.url`"));
        for other in [
            JupiterOneError::Unauthorized { call: Call::GetJob, status: 401 },
            JupiterOneError::AnotherJobActive,
        ] {
            assert_eq!(fix_of(&other), "", "{other}");
        }
    }
}
