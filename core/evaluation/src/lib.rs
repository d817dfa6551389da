#![doc = include_str!("../README.md")]

mod after_run;
mod answering;
mod answers;
mod asked;
pub mod channels;
mod evaluate;
pub mod findings;
pub mod listing;
mod mistakes;
mod report;
mod rule_files;
pub mod sending;
mod status_table;
#[cfg(test)]
mod testing;
mod worker;

pub use self::after_run::{after_run, send_what_waits};
pub use self::answering::answer_rules;
pub use self::answers::Answers;
pub use self::evaluate::{Evaluator, RuleAnswers, Trial};
pub use self::report::RulesReport;
pub use self::rule_files::{
    check_known, check_on, check_problems, check_switches, load_rules, rules_folder, switch_failure,
};
pub use self::worker::{MEMORY_BYTES, WorkerProcess};
