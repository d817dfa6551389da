//! The declarations that the program treats in a way of their own, found in the registry of steps. A program without
//! the step of the account or that of the events is a defect, so these functions panic then.

use std::sync::LazyLock;

use crate::entity::EntityType;
use crate::relationship::RelationshipType;
use crate::step::{Source, Step};

/// The step that makes events, which are kept beside the generations.
pub fn event_step() -> &'static Step {
    static STEP: LazyLock<&Step> = LazyLock::new(|| find(Step::makes_events));
    *STEP
}

/// The type of events.
pub fn event_type() -> &'static EntityType {
    event_step().entities.first().expect("the step of events makes a type")
}

/// The relationship from the account to its events.
pub fn account_has_event() -> &'static RelationshipType {
    event_step().relationships.first().expect("the step of events draws edges from the account")
}

/// The type of the account, which is made from the settings.
pub fn account_type() -> &'static EntityType {
    static STEP: LazyLock<&Step> =
        LazyLock::new(|| find(|step| matches!(step.source, Source::Configuration)));
    STEP.entities.first().expect("the step of the account makes a type")
}

fn find(is_wanted: impl Fn(&Step) -> bool) -> &'static Step {
    let found = Step::all().into_iter().find(|step| is_wanted(step));
    found.expect("the steps of events and of the account are linked into the program")
}
