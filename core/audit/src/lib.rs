#![doc = include_str!("../README.md")]

mod clocks;
mod codes;
mod coverage;
mod event;
mod fixed;
mod header;
mod identity;
mod intake;
mod lines;
mod pairs;
mod redaction;
mod row;
mod rows;
mod span;
mod time;
mod window;

pub use clocks::Clocks;
pub use codes::{Action, KnownCode};
pub use coverage::{Coverage, Proof};
pub use event::{AuditEvent, parse};
pub use identity::{EventId, Identifier, TrailKind};
pub use intake::{AnswerSource, ENGINE_TRAIL, EventPrivacy, EventSink, Intake, IntakeCounts};
pub use lines::{LineReader, Record};
pub use redaction::EventRedactor;
pub use row::{RowText, TableRow};
pub use rows::{EventTable, OWN_TIME_COLUMN, TIME_COLUMN};
pub use span::Span;
pub use time::TimeReader;
pub use window::{HOUR_MS, Window, WindowSettings};
