//! Makes the destination JupiterOne from the settings of a tenant.

use std::time::Duration;

use core_destination::{DeliveryError, DeliveryRequest, StepEnd, StepEnding};
use core_erasure::identifiers::may_be_erased;
use core_jupiterone::{
    ApiKey, DeliveryRules, ErrorKind, EventRules, StepResult, StepStatus, SyncClient, SyncSettings,
};
use core_model::step::Step;
use core_store::Generation;

use crate::audit;
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::run::RunState;
use crate::run::report::StepOutcome;
use crate::settings::JupiterOne;

/// The rules of deliveries, from the settings.
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

/// Checks, before an export is paid for, that the destination is the right one and accepts the key. `patience` is the
/// longest wait for an answer. Returns the reason if it cannot be reached now; the run can go on, since the delivery
/// can be repeated later.
///
/// # Errors
///
/// The destination is not that of the last delivery, or it refuses the key.
pub async fn probe(
    engine: Engine<'_>,
    jupiterone: &JupiterOne,
    patience: Duration,
) -> Result<Option<anyhow::Error>, Failure> {
    rules(engine, jupiterone).check(&engine.tenant()?, &DeliveryRequest::default())?;
    let client = client(engine, jupiterone, |settings| {
        settings.retry.max_attempts = 1;
        settings.timeouts.connect = patience;
        settings.timeouts.answer = patience;
    })?;
    match client.probe().await {
        Err(error) if error.kind() == ErrorKind::Credentials => {
            Err(DeliveryError::from(error).into())
        }
        Err(error) => Ok(Some(error.into())),
        Ok(()) => Ok(None),
    }
}

/// Returns the outcome of each step of a generation, in JupiterOne's terms. An extra that made nothing is left out.
pub fn step_results(generation: &Generation) -> Vec<StepResult> {
    let ended_steps = RunState::read(generation).steps;
    let tables = &generation.manifest().tables;
    let was_made =
        |step: &Step| tables.iter().any(|table| step.type_names().any(|of| of == table.name));
    let steps = Step::generation_steps().into_iter();
    // A disabled extra is not reported.
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

/// Makes the destination from the settings.
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

/// Makes the client for the configured account; `adjust` may change the default limits.
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

#[cfg(test)]
mod tests {
    use core_store::{Draft, Location, Outcome, Store};
    use tempfile::TempDir;

    use super::*;

    /// A generation without tables that a run with this state has made.
    fn generation(state: Option<&str>) -> (TempDir, Generation) {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().join("store"))).expect("it is new");
        let tenant = store.tenant("acme").expect("it is a name");
        let lock = tenant.lock("a test").expect("the lock is free");
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2026-03-01T08:00:00Z".to_owned(),
            outcome: Outcome::Partial,
            privacy: None,
            tables: Vec::new(),
        };
        let id = "01JN7Z1M80000000000000000A".parse().expect("it is an ID");
        let attachments: Vec<_> =
            state.iter().map(|text| ("state.json", text.as_bytes())).collect();
        lock.stage(id).expect("there is room").publish(draft, &attachments).expect("there is room");
        let published = tenant.current().expect("it can be read").expect("it was published");
        (folder, published)
    }

    fn status(results: &[StepResult], id: &str) -> StepStatus {
        results.iter().find(|result| result.step.id == id).expect("it is a step").status
    }

    const STATE: &str = r#"{ "version": 1, "parts": {}, "held": [], "downloadedBytes": 0, "steps": [
        { "id": "fetch-devices", "outcome": "complete" },
        { "id": "fetch-users", "outcome": "partial", "reason": "truncated" },
        { "id": "fetch-packages", "outcome": "deferred" },
        { "id": "fetch-alerts", "outcome": "skipped" }
    ] }"#;

    #[test]
    fn each_outcome_of_a_step_has_a_status_of_jupiterone() {
        let (_folder, generation) = generation(Some(STATE));
        let results = step_results(&generation);
        for (id, expected) in [
            ("fetch-devices", StepStatus::Success),
            ("fetch-users", StepStatus::PartialSuccessDueToDependencyFailure),
            ("fetch-packages", StepStatus::Failure),
            ("fetch-alerts", StepStatus::Disabled),
        ] {
            assert_eq!(status(&results, id), expected, "{id}");
        }
        let ends = step_ends(&generation);
        let ends: Vec<_> = ends.iter().map(|end| (&*end.id, end.ending, &*end.word)).collect();
        let expected = [
            ("fetch-devices", StepEnding::Complete, "complete"),
            ("fetch-users", StepEnding::Incomplete, "partial"),
            ("fetch-packages", StepEnding::Incomplete, "deferred"),
            ("fetch-alerts", StepEnding::Skipped, "skipped"),
        ];
        assert_eq!(ends, expected);
    }

    #[test]
    fn of_a_generation_that_tells_nothing_every_step_is_disabled_and_extras_are_left_out() {
        let (_folder, generation) = generation(None);
        let results = step_results(&generation);
        assert!(!results.is_empty());
        assert!(results.iter().all(|result| result.status == StepStatus::Disabled));
        assert!(!results.iter().any(|result| result.step.is_extra()));
        assert!(step_ends(&generation).is_empty());
    }
}
