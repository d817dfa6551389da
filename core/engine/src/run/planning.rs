//! Chooses the steps of a run.

use core_model::plan::{Decision, Plan, SkipReason};
use core_model::step::Step;

use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::suggestion;

/// The plan of a run with this configuration.
pub fn plan(engine: Engine<'_>, selected: &[String]) -> Result<Plan, Failure> {
    let steps = Step::all();
    let has_query = |step: &Step| match step.query() {
        Some(query) => {
            let (settings, name) = (engine.settings, query.config_field);
            settings.queries.contains_key(name) || settings.files.contains_key(name)
        }
        None => true,
    };
    for name in selected {
        let Some(step) = steps.iter().find(|step| step.id == name) else {
            let known: Vec<_> = steps.iter().map(|step| step.id).collect();
            return Err(Failure::configuration(suggestion::unknown("step", name, &known)));
        };
        if !has_query(step) {
            let field = step.query().map_or("", |query| query.config_field);
            let message = format!("step `{name}` cannot run: `queries.{field}` has no query ID");
            return Err(Failure::configuration(message));
        }
        if step.makes_events() && engine.settings.audit.is_none() {
            let message = format!("step `{name}` cannot run: `[audit]` is not configured");
            return Err(Failure::configuration(message));
        }
    }
    let is_selected =
        |step: &Step| selected.is_empty() || selected.iter().any(|name| name == step.id);
    let fetches_rows =
        steps.iter().any(|step| step.query().is_some() && has_query(step) && is_selected(step));
    let decide = |step: &'static Step| match step.query() {
        Some(query) if query.is_extra && !has_query(step) => {
            Decision::Skip(SkipReason::Off { config_field: query.config_field })
        }
        Some(query) if !has_query(step) => {
            Decision::Skip(SkipReason::NoQueryId { config_field: query.config_field })
        }
        None if step.makes_events() && engine.settings.audit.is_none() => {
            Decision::Skip(SkipReason::NoTable { table: "audit" })
        }
        Some(_) if !is_selected(step) => Decision::Skip(SkipReason::NotSelected),
        None if step.makes_events() && !is_selected(step) => {
            Decision::Skip(SkipReason::NotSelected)
        }
        // The account costs nothing, and every edge to it needs it. But it is not a generation by
        // itself.
        None if !step.makes_events() && !fetches_rows => Decision::Skip(SkipReason::NothingFetched),
        _ => Decision::Run,
    };
    Plan::new(&steps, decide).map_err(|error| Failure::new(FailureKind::Internal, error))
}
