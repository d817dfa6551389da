#![doc = include_str!("../README.md")]

mod answer_file;
pub mod as_of;
pub mod audit_tail;
pub mod audit_trail;
pub mod changes;
mod events;
pub mod explorer_answer;
mod explorer_host;
mod failure;
mod findings_table;
pub mod graph;
pub mod past;
mod progress;
mod question;
mod reader;
pub mod snapshot;
pub mod software;
mod software_tables;
pub mod tables;
#[cfg(test)]
mod testing;
mod time;
mod withheld;

pub use self::answer_file::{AnswerFile, Printed};
pub use self::as_of::named_generations;
pub use self::explorer_host::{ExplorerHost, ExplorerSettings, REMEDY, StartWorker};
pub use self::failure::{makes_property, of_query, of_question, possible_types};
pub use self::progress::Progress;
pub use self::question::{AnswerTarget, Question, write_answer};
pub use self::reader::{Opening, Reader, asks_for_history, questions};
pub use self::time::parse_time;
pub use self::withheld::personal_columns;
