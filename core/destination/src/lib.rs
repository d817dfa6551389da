#![doc = include_str!("../README.md")]

mod destination;
mod former_places;
pub mod mirror;
mod plan;
mod rows;

pub use destination::{
    DeliveryError, DeliveryReport, DeliveryRequest, DeliveryResult, Destination, ServerErrorKind,
    StepEnd, StepEnding,
};
pub use former_places::FormerPlaces;
pub use plan::{DeliveryPlan, ERASED_NOT_COUNTED, TypeChanges};
pub use rows::{RowFingerprint, for_each_fingerprint};
