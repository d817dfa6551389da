#![doc = include_str!("../README.md")]

mod all_runs;
mod bulletin;
mod due;
mod exit_codes;
pub mod figures;
pub mod health;
mod heartbeat;
mod last_run;
mod messages;
mod run_process;
mod scheduler;
mod service_manager;
pub mod status;
pub mod support_bundle;
mod tenants;
#[cfg(test)]
mod testing;
mod watch;

pub use self::all_runs::{AllRuns, TenantRun, run_all};
pub use self::bulletin::Bulletin;
pub use self::due::DueCheck;
pub use self::exit_codes::{ExitCodes, RunOutcome};
pub use self::health::Health;
pub use self::heartbeat::heartbeat_after_run;
pub use self::messages::Messages;
pub use self::run_process::{LabelledLog, RunEnd, RunLauncher, RunProcess, RunningRun};
pub use self::scheduler::{Context, Scheduler};
pub use self::service_manager::ServiceManager;
