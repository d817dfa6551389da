//! JupiterOne as a destination: whether it is the one of the last delivery, can be reached and takes the
//! key. It creates no job, so a scope or instance that is wrong shows only when one is delivered to.

use std::time::Duration;

use core_destination::DeliveryRequest;
use core_engine::settings::JupiterOne;
use core_jupiterone::{ErrorKind, JupiterOneError};
use core_store::Store;

use super::{Check, Checks};
use crate::config::Config;
use crate::exit::Failure;
use crate::host::engine;

const ACCOUNT: &str = "JupiterOne account";
const REACHED: &str = "JupiterOne";

/// The longest wait for an answer: a person waits for the result.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks the destination, if there is one.
pub(super) async fn check(config: &Config, checks: &mut Checks) {
    let Some(jupiterone) = &config.jupiterone else { return };
    if let Err(failure) = check_account(config, jupiterone) {
        checks.push(failed(ACCOUNT, &failure));
        checks.push(Check::skipped(
            REACHED,
            "the destination differs from that of the last delivery",
        ));
        return;
    }
    let destination = &jupiterone.destination;
    checks.push(Check::ok(ACCOUNT, destination.to_string()));
    let client = core_engine::jupiterone::client(engine(config), jupiterone, |settings| {
        settings.retry.max_attempts = 2;
        settings.timeouts.connect = PATIENCE;
        settings.timeouts.answer = PATIENCE;
    });
    let client = match client {
        Ok(client) => client,
        Err(failure) => return checks.push(failed(REACHED, &failure.into())),
    };
    checks.push(match client.probe().await {
        Ok(()) => Check::ok(REACHED, "it answers and accepts the API key"),
        Err(error) => {
            let fix = fix_of(&error);
            let Failure { exit, error } = error.into();
            Check::failed(REACHED, exit, format!("{error:#}{fix}"))
        }
    });
}

fn check_account(config: &Config, jupiterone: &JupiterOne) -> Result<(), Failure> {
    let tenant = Store::open(config.store.clone())?.tenant(config.tenant.as_str())?;
    let rules = core_engine::jupiterone::rules(engine(config), jupiterone);
    Ok(rules.check(&tenant, &DeliveryRequest::default())?)
}

/// What to do about it, where that is known.
fn fix_of(error: &JupiterOneError) -> &'static str {
    // What refuses the key says itself what to look at.
    if error.kind() != ErrorKind::Unreachable {
        return "";
    }
    ": is `destinations.jupiterone.url` the host of the account's region, and is a proxy needed?"
}

fn failed(name: &str, failure: &Failure) -> Check {
    Check::failed(name, failure.exit, format!("{:#}", failure.error))
}
