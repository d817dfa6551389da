#![doc = include_str!("../README.md")]

mod class_rules;
mod column;
mod contents;
mod delivery;
mod documentation;
mod error;
mod events;
mod extras;
mod folder;
mod json;
pub mod messages;
mod objects;
mod persons;
mod plan;
mod raw_data;
mod schema_violations;
mod shape;
mod sync;
mod text_rule;

pub use class_rules::DATA_MODEL_VERSION;
pub use contents::Contents;
pub use delivery::{
    DeliveryDecision, DeliveryRules, EventRules, JupiterOne, NAME, compared_with, delivered_events,
    former_places, known_ledger_head, last_destination, was_delivered,
};
pub use documentation::{document, sdk_section};
pub use error::{Call, ErrorKind, JupiterOneError};
pub use events::Events;
pub use extras::Extras;
pub use folder::{FolderReport, StepResult, StepStatus, export_folder};
pub use persons::{USER, USER_IS_PERSON};
pub use plan::plan_between;
pub use schema_violations::{Fix, SchemaViolation, SchemaViolations};
pub use shape::{MAX_TEXT_CHARS, Object, SHAPE_VERSION, Shape};
pub use sync::{
    ApiKey, BaseUrl, Delivered, DeliveryReport, Destination, DestinationIdentity, Job, JobCounters,
    JobEvent, JobId, JobStatus, Loss, OpenJob, PollSchedule, Progress, Settled, Source, SyncClient,
    SyncMode, SyncSettings, Timeouts, Unfinished, Uploads,
};
