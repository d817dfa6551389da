//! JupiterOne by the settings of a tenant.

use core_destination::{DeliveryError, StepEnd, StepEnding};
use core_erasure::identifiers::may_be_erased;
use core_jupiterone::{ApiKey, DeliveryRules, EventRules, SyncClient, SyncSettings};
use core_store::Generation;

use crate::audit;
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::run::RunState;
use crate::run::report::StepOutcome;
use crate::settings::JupiterOne;

/// The rules of deliveries by the settings.
pub fn rules(engine: Engine<'_>, jupiterone: &JupiterOne) -> DeliveryRules {
    let tags = || {
        let tags = engine.settings.tags().into_iter();
        tags.map(|tag| (tag.name, tag.value)).collect()
    };
    DeliveryRules {
        destination: jupiterone.destination.clone(),
        extras: jupiterone.extras,
        events: jupiterone.audit.then(|| EventRules { log: audit::LOG.to_owned(), tags: tags() }),
        step_ends,
        may_be_erased,
        program: engine.host.program.clone(),
    }
}

/// The destination by the settings.
///
/// # Errors
///
/// As [`client`].
pub fn destination(
    engine: Engine<'_>,
    jupiterone: &JupiterOne,
) -> Result<core_jupiterone::JupiterOne, Failure> {
    let client = client(engine, jupiterone, |_| {})?;
    Ok(core_jupiterone::JupiterOne::new(rules(engine, jupiterone), client))
}

/// The client for the configured account; `adjust` sets other bounds than the usual ones.
///
/// # Errors
///
/// The API key cannot be read, or no client can be made with these settings.
pub fn client(
    engine: Engine<'_>,
    jupiterone: &JupiterOne,
    adjust: impl FnOnce(&mut SyncSettings),
) -> Result<SyncClient, Failure> {
    let key = jupiterone.api_key.read("the API key of JupiterOne");
    let key = key.map_err(|error| Failure { kind: FailureKind::Configuration, error })?;
    let key = ApiKey::new(key.expose().to_owned()).map_err(DeliveryError::from)?;
    let mut settings = SyncSettings::new(engine.host.random()?);
    settings.poll = jupiterone.poll.clone();
    settings.trust = engine.settings.trust.clone();
    settings.proxy.clone_from(&engine.settings.proxy);
    adjust(&mut settings);
    let client = SyncClient::new(jupiterone.destination.clone(), key, settings);
    Ok(client.map_err(DeliveryError::from)?)
}

/// Returns the outcomes of the steps that made a generation.
fn step_ends(generation: &Generation) -> Vec<StepEnd> {
    let steps = RunState::read(generation).steps.into_iter();
    let end = steps.map(|state| StepEnd {
        ending: match state.outcome {
            StepOutcome::Complete => StepEnding::Complete,
            StepOutcome::Skipped => StepEnding::Skipped,
            StepOutcome::Partial | StepOutcome::Failed | StepOutcome::Deferred => {
                StepEnding::Incomplete
            }
        },
        word: state.outcome.to_string(),
        id: state.id,
    });
    end.collect()
}
