#![doc = include_str!("../README.md")]

mod answer;
mod ask;
mod audit;
mod cli;
mod command;
mod config;
mod destinations;
mod diff;
mod exit_codes;
mod fleet;
mod format;
mod graph;
mod json;
mod notify;
mod pages;
mod parse;
mod past;
mod privacy;
mod query;
mod rules;
mod run;
mod serve;
mod setup;
mod software;
mod store;
mod values;

pub use clap::Error;
pub use clap_complete::Shell;

pub use self::answer::{AnswerFormat, AnswerOutput};
pub use self::ask::AskArguments;
pub use self::audit::{AuditCommand, BackfillArguments, BackfillSource, TailArguments};
pub use self::cli::{Cli, Global};
pub use self::command::Command;
pub use self::config::ConfigCommand;
pub use self::destinations::{
    DestinationName, DestroyArguments, EverythingArguments, ExportCommand, FolderArguments,
    HtmlArguments, PurgeArguments, SyncArguments, TableFormat,
};
pub use self::diff::{DiffArguments, DiffDetail, DiffFormat};
pub use self::exit_codes::{EXIT_CODES, ExitCode, exit_code_list, exit_code_meaning};
pub use self::fleet::{FleetCommand, ScheduleArguments, StatusArguments};
pub use self::format::{DocsFormat, LogFormat, Output, Page, PlanFormat, ReportFormat, RowFormat};
pub use self::graph::{
    GraphRead, NeighborsArguments, PathArguments, SearchArguments, ShowArguments,
};
pub use self::json::{asks_for_json, message};
pub use self::notify::NotifyCommand;
pub use self::pages::{ManPage, completion_script, man_pages};
pub use self::parse::{command, parse};
pub use self::past::{Asked, AskedQuery};
pub use self::privacy::{
    EraseArguments, KeyCommand, LedgerCommand, PrivacyCommand, RetentionArguments, RetrievalFormat,
    RetrieveArguments, SubjectArguments, SuppressionCommand,
};
pub use self::query::{Limits, QueryArguments, QueryLanguage};
pub use self::rules::{
    FindingsCommand, FindingsListArguments, RulesCommand, RulesRunArguments, SeverityName,
    SilenceArguments, StateName,
};
pub use self::run::{RunArguments, RunWords};
pub use self::serve::{RoleName, ServeArguments, ServeCommand, TokenCommand};
pub use self::setup::{InitArguments, SimulateArguments};
pub use self::software::{AdvisoriesArguments, EolArguments, SoftwareCommand};
pub use self::store::{CopyArguments, StoreCommand};
pub use self::values::{Age, Parameter, TimeSpan, Timeout, parameters_by_name};
