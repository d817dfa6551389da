//! Logs: to standard error, warnings only unless asked for more. Only this program's own crates are
//! heard, since an HTTP library may log what must not be in a log.

#[cfg(feature = "opentelemetry")]
pub(crate) mod collector;

use std::{fmt, io};

use core_cli::{Global, LogFormat};
use core_terminal::escape_for_terminal;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

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
const OWN_CRATES: [&str; 37] = [
    "runner",
    "core_assistant",
    "core_audit",
    "core_bucket",
    "core_cli",
    "core_clock",
    "core_config",
    "core_delta",
    "core_destination",
    "core_engine",
    "core_erasure",
    "core_evaluation",
    "core_explorer",
    "core_export",
    "core_files",
    "core_fleet",
    "core_http",
    "core_ingest",
    "core_j1ql",
    "core_jupiterone",
    "core_model",
    "core_neo4j",
    "core_nexthink",
    "core_operations",
    "core_opentelemetry",
    "core_postgres",
    "core_postgres_wire",
    "core_privacy",
    "core_process",
    "core_query",
    "core_reading",
    "core_rules",
    "core_settings",
    "core_simulator",
    "core_software",
    "core_store",
    "core_terminal",
];

/// Starts logging as the command line asks for.
pub(crate) fn start(global: &Global) {
    let level = match (global.verbose, global.log_format) {
        (0, LogFormat::Text) if global.quiet => Level::ERROR,
        (0, LogFormat::Text) => Level::WARN,
        (0 | 1, _) => Level::INFO,
        _ => Level::DEBUG,
    };
    let registry = tracing_subscriber::registry();
    #[cfg(feature = "opentelemetry")]
    let spans = collector::layer().map(|layer| layer.with_filter(own_crates(Level::INFO)));
    #[cfg(feature = "opentelemetry")]
    let registry = registry.with(spans);
    let filter = own_crates(level);
    let lines = tracing_subscriber::fmt::layer().with_writer(LogLine::default);
    match global.log_format {
        LogFormat::Text if global.verbose == 0 => {
            registry.with(Sentences.with_filter(filter)).init();
        }
        LogFormat::Text => {
            registry.with(lines.with_ansi(output::has_colors()).with_filter(filter)).init();
        }
        LogFormat::Json => registry.with(lines.json().with_filter(filter)).init(),
    }
}

/// Hears this program's own crates from a level on.
fn own_crates(level: Level) -> Targets {
    OWN_CRATES.iter().map(|name| (*name, level)).collect()
}

/// Tells warnings and errors as sentences, for people who did not ask for a log.
struct Sentences;

impl<S: Subscriber> Layer<S> for Sentences {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut sentence = Sentence::default();
        event.record(&mut sentence);
        let (word, color) = match *event.metadata().level() {
            Level::ERROR => ("error", 31),
            _ => ("warning", 33),
        };
        let word = if output::has_colors() {
            format!("\x1b[{color}m{word}\x1b[0m")
        } else {
            word.to_owned()
        };
        let text = sentence.text();
        let lines: Vec<_> = text.lines().map(escape_for_terminal).collect();
        output::log(format!("{word}: {}\n", lines.join(" ")).as_bytes());
    }
}

/// The message and the fields of an event.
#[derive(Debug, Default)]
struct Sentence {
    message: String,
    cause: Option<String>,
    facts: Vec<String>,
}

impl Sentence {
    /// The message, its facts in brackets, and why it happened.
    fn text(&self) -> String {
        let mut text = self.message.clone();
        if !self.facts.is_empty() {
            text = format!("{text} ({})", self.facts.join(", "));
        }
        match &self.cause {
            Some(cause) => format!("{text}: {cause}"),
            None => text,
        }
    }
}

impl Visit for Sentence {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.message = value,
            "error" | "reason" => self.cause = Some(value),
            name => self.facts.push(format!("{} {value}", name.replace('_', " "))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
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

    #[test]
    fn an_event_is_told_as_a_sentence() {
        let fact = |text: &str| vec![text.to_owned()];
        for (cause, facts, expected) in [
            (None, vec![], "a download was left behind"),
            (Some("no permission"), vec![], "a download was left behind: no permission"),
            (None, fact("step id fetch-users"), "a download was left behind (step id fetch-users)"),
            (
                Some("no permission"),
                fact("path /a"),
                "a download was left behind (path /a): no permission",
            ),
        ] {
            let message = "a download was left behind".to_owned();
            let sentence = Sentence { message, cause: cause.map(str::to_owned), facts };
            assert_eq!(sentence.text(), expected);
        }
    }
}
