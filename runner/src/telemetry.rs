//! Logs: to standard error, warnings only unless asked for more. Only this program's own crates are
//! heard, since an HTTP library may log what must not be in a log.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::{Global, LogFormat};
use crate::output;

/// One line of the log, printed as a whole when it is complete, so that it does not tear the progress
/// bars.
#[derive(Default)]
struct LogLine(Vec<u8>);

impl io::Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        output::log(&self.0);
    }
}

/// The crates of this workspace that log: all that are part of the program.
const OWN_CRATES: [&str; 11] = [
    "runner",
    "core_audit",
    "core_files",
    "core_ingest",
    "core_jupiterone",
    "core_model",
    "core_nexthink",
    "core_privacy",
    "core_query",
    "core_simulator",
    "core_store",
];

/// Starts logging as the command line asks for.
pub(crate) fn start(global: &Global) {
    let level = match (global.verbose, global.log_format) {
        (0, LogFormat::Text) if global.quiet => Level::ERROR,
        (0, LogFormat::Text) => Level::WARN,
        (0 | 1, _) => Level::INFO,
        _ => Level::DEBUG,
    };
    let filter: Targets = OWN_CRATES.iter().map(|name| (*name, level)).collect();
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(LogLine::default);
    let is_brief = global.verbose == 0;
    match global.log_format {
        LogFormat::Text if is_brief => {
            let lines = lines.compact().with_target(false).without_time();
            registry.with(lines.with_ansi(output::is_terminal())).init();
        }
        LogFormat::Text => registry.with(lines.with_ansi(output::is_terminal())).init(),
        LogFormat::Json => registry.with(lines.json()).init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_the_program_is_heard() {
        let workspace = include_str!("../../Cargo.toml");
        let names = workspace.lines().filter_map(|line| line.split_once(" = { path = \"core/"));
        let names: Vec<_> = names.map(|(name, _)| name.replace('-', "_")).collect();
        assert!(names.len() > 5, "{names:?}");
        let unheard: Vec<_> =
            names.iter().filter(|name| !OWN_CRATES.contains(&name.as_str())).collect();
        assert!(unheard.is_empty(), "{unheard:?}");
    }
}
