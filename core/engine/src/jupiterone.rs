//! JupiterOne by the settings of a tenant.

use core_destination::{DeliveryError, StepEnd, StepEnding};
use core_erasure::identifiers::may_be_erased;
use core_jupiterone::{
    ApiKey, DeliveryRules, EventRules, StepResult, StepStatus, SyncClient, SyncSettings,
};
use core_model::step::Step;
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

/// Returns how each step of a generation has ended, in JupiterOne's words. An extra that made nothing is left out.
pub fn step_results(generation: &Generation) -> Vec<StepResult> {
    let ended_steps = RunState::read(generation).steps;
    let tables = &generation.manifest().tables;
    let was_made =
        |step: &Step| tables.iter().any(|table| step.type_names().any(|of| of == table.name));
    let steps = Step::generation_steps().into_iter();
    // An extra that is off is nothing to tell of.
    let steps = steps.filter(|step| !step.is_extra() || was_made(step)).map(|step| {
        let ended = ended_steps.iter().find(|state| state.id == step.id);
        let status = match ended.map(|state| state.outcome) {
            Some(StepOutcome::Complete) => StepStatus::Success,
            Some(StepOutcome::Partial) => StepStatus::PartialSuccessDueToDependencyFailure,
            Some(StepOutcome::Failed | StepOutcome::Deferred) => StepStatus::Failure,
            Some(StepOutcome::Skipped) | None => StepStatus::Disabled,
        };
        StepResult { step, status }
    });
    steps.collect()
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
