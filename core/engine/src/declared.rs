//! The declarations that the engine treats in a way of their own, found in the registry of steps.

use std::sync::LazyLock;

use core_model::entity::EntityType;
use core_model::relationship::RelationshipType;
use core_model::step::{Source, Step};

/// The step that makes events, which are kept beside the generations.
pub(crate) fn event_step() -> &'static Step {
    static STEP: LazyLock<&Step> = LazyLock::new(|| find(Step::makes_events));
    *STEP
}

/// The type of events.
pub(crate) fn event_type() -> &'static EntityType {
    event_step().entities.first().expect("the step of events makes a type")
}

/// The relationship from the account to its events.
pub(crate) fn account_has_event() -> &'static RelationshipType {
    event_step().relationships.first().expect("the step of events draws edges from the account")
}

/// The type of the account, which is made from the settings.
pub(crate) fn account_type() -> &'static EntityType {
    static STEP: LazyLock<&Step> =
        LazyLock::new(|| find(|step| matches!(step.source, Source::Configuration)));
    STEP.entities.first().expect("the step of the account makes a type")
}

/// A program without one of these steps is not this program.
fn find(is_wanted: impl Fn(&Step) -> bool) -> &'static Step {
    let found = Step::all().into_iter().find(|step| is_wanted(step));
    found.expect("the steps of events and of the account are linked into the program")
}
