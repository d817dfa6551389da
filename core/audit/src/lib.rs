#![doc = include_str!("../README.md")]

mod codes;
mod event;
mod header;
mod identity;
mod lines;
mod pairs;
mod row;
mod time;
mod window;

pub use codes::{Action, KnownCode};
pub use event::{AuditEvent, parse};
pub use identity::{EventId, Identifier, TrailKind};
pub use lines::{LineReader, Record};
pub use row::{RowText, TableRow};
pub use time::TimeReader;
pub use window::{Coverage, HOUR_MS, Span, Window, WindowSettings};
