//! Logs: to standard error, errors only unless asked for more. Only this program's own crates are
//! heard, since an HTTP library may log what must not be in a log.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::{Global, LogFormat};

const OWN_CRATES: [&str; 5] =
    ["runner", "core_ingest", "core_nexthink", "core_query", "core_store"];

/// Starts logging as the command line asks for.
pub(crate) fn start(global: &Global) {
    let level = match (global.verbose, global.log_format) {
        (0, LogFormat::Text) => Level::ERROR,
        (0 | 1, _) => Level::INFO,
        _ => Level::DEBUG,
    };
    let filter: Targets = OWN_CRATES.iter().map(|name| (*name, level)).collect();
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match global.log_format {
        LogFormat::Text => registry.with(lines.with_ansi(crate::output::is_terminal())).init(),
        LogFormat::Json => registry.with(lines.json()).init(),
    }
}
