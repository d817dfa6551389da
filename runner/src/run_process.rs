//! A run of one tenant in a process of its own.
//!
//! A run that takes too much memory, overflows a stack or hits a defect then ends alone, and no secret and no row of one
//! tenant is ever in the memory of another tenant's process.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use core_engine::{Cancellation, StopReason};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::cli::{Global, LogFormat, RunArguments};
use crate::config::Source;
use crate::exit::Exit;
use crate::{output, system};

/// The interval at which a process is polled.
const LOOK: Duration = Duration::from_millis(50);

/// The time that a run has to stop: longer than it gives itself.
const GRACE: Duration = Duration::from_secs(8);

/// The time that output of a process may take to arrive after its end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The longest report that is read, and the longest line of a log. Bytes.
const MAX_REPORT: u64 = 64 * 1024 * 1024;
const MAX_LINE: u64 = 64 * 1024;

/// A process that runs a tenant.
pub(crate) struct RunProcess {
    child: Child,
    /// The standard output of the run, if it is read here.
    report: Option<oneshot::Receiver<Vec<u8>>>,
    /// Ends when all lines of its log were printed.
    log: Option<oneshot::Receiver<()>>,
}

/// The end of a run.
#[derive(Debug)]
pub(crate) struct RunEnd {
    pub(crate) exit: Exit,
    /// True if a defect ended the process.
    pub(crate) has_crashed: bool,
    /// The report or the failure as the run printed it; null if it printed none, or to the terminal.
    pub(crate) report: Value,
}

impl RunProcess {
    /// Starts a run. With a label its log is printed with it before each line, and its report is kept; without one the
    /// run prints as if it had been started by hand.
    ///
    /// # Errors
    ///
    /// No process can be started.
    pub(crate) fn start(
        global: &Global,
        source: &Source,
        label: Option<&str>,
        arguments: &RunArguments,
    ) -> io::Result<Self> {
        let mut command = system::own_program()?;
        command.args(words(global, source, label, arguments)).stdin(Stdio::null());
        if label.is_some() {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        // Ctrl-C reaches only this process, which passes it on once: a second signal would cut the run off.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let report = child.stdout.take().map(read_report).transpose()?;
        let is_json = global.log_format == LogFormat::Json;
        let log = match (child.stderr.take(), label) {
            (Some(pipe), Some(label)) => Some(print_log(pipe, label.to_owned(), is_json)?),
            _ => None,
        };
        Ok(Self { child, report, log })
    }

    /// Waits for the end. Once a stop is asked for, the run is asked to stop too, and is ended if it takes too long.
    pub(crate) async fn ended(mut self, stop: Cancellation) -> RunEnd {
        let mut cut_off: Option<Instant> = None;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) => {}
                Err(_) => break None,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.requested(), if cut_off.is_none() => {
                    self.ask_to_stop(stop.reason().unwrap_or(StopReason::Terminated));
                    cut_off = Some(Instant::now() + GRACE);
                }
            }
            if cut_off.is_some_and(|at| Instant::now() > at) {
                // It fails only for a process that has ended already.
                let _ = self.child.kill();
            }
        };
        if let Some(log) = self.log.take() {
            let _ = tokio::time::timeout(LAST_WORDS, log).await;
        }
        let report = match self.report.take() {
            Some(report) => tokio::time::timeout(LAST_WORDS, report).await.ok(),
            None => None,
        };
        let bytes = report.and_then(Result::ok).unwrap_or_default();
        let report = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let (exit, has_crashed) = status.map_or((Exit::Internal, false), meaning);
        RunEnd { exit, has_crashed, report }
    }

    #[cfg(unix)]
    fn ask_to_stop(&mut self, reason: StopReason) {
        use rustix::process::{Pid, Signal, kill_process};
        let signal = match reason {
            StopReason::Interrupted => Signal::INT,
            StopReason::Terminated => Signal::TERM,
        };
        // It fails only for a process that has ended already; its number is not given to another one before it is
        // waited for.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    #[cfg(not(unix))]
    fn ask_to_stop(&mut self, _: StopReason) {
        let _ = self.child.kill();
    }
}

/// The command line of the run.
fn words(
    global: &Global,
    source: &Source,
    label: Option<&str>,
    arguments: &RunArguments,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if global.quiet {
        words.push("--quiet".into());
    }
    words.extend((0..global.verbose).map(|_| "--verbose".into()));
    if global.log_format == LogFormat::Json {
        words.push("--log-format=json".into());
    }
    if let Source::File(path) | Source::Tenant(path, _) = source {
        words.extend(["--config".into(), path.into()]);
    }
    words.extend(label.or(source.chosen_name()).map(|name| format!("--tenant={name}").into()));
    words.push("run".into());
    words.extend(arguments.steps.iter().map(|step| format!("--step={step}").into()));
    let accepted = arguments.accept_shrink.iter();
    words.extend(accepted.map(|name| format!("--accept-shrink={name}").into()));
    let severity = arguments.fail_on;
    words.extend(severity.map(|severity| format!("--fail-on={}", severity.0).into()));
    if label.is_some() {
        words.push("--output=json".into());
    }
    words
}

fn read_report(pipe: ChildStdout) -> io::Result<oneshot::Receiver<Vec<u8>>> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.take(MAX_REPORT).read_to_end(&mut bytes);
        // The receiver is gone once the program ends.
        let _ = sender.send(bytes);
    })?;
    Ok(receiver)
}

fn print_log(pipe: ChildStderr, label: String, is_json: bool) -> io::Result<oneshot::Receiver<()>> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0)
        {
            output::log(
                labelled(&label, String::from_utf8_lossy(&line).trim_end(), is_json).as_bytes(),
            );
            line.clear();
        }
        let _ = sender.send(());
    })?;
    Ok(receiver)
}

/// A line of a tenant's log as this process prints it: with the label in front, or as a field of a JSON object.
fn labelled(label: &str, line: &str, is_json: bool) -> String {
    let object = if is_json { serde_json::from_str(line).ok() } else { None };
    match object {
        Some(Value::Object(mut fields)) => {
            fields.insert("tenant".to_owned(), label.into());
            format!("{}\n", Value::Object(fields))
        }
        _ => format!("{label}: {line}\n"),
    }
}

/// Returns the exit of a process, and true if a defect ended it.
fn meaning(status: ExitStatus) -> (Exit, bool) {
    match status.code() {
        Some(code) => (Exit::from_code(code).unwrap_or(Exit::Internal), false),
        None => (Exit::Internal, is_crash(status)),
    }
}

#[cfg(unix)]
fn is_crash(status: ExitStatus) -> bool {
    use rustix::process::Signal;
    use std::os::unix::process::ExitStatusExt as _;
    let defects = [Signal::ABORT, Signal::BUS, Signal::FPE, Signal::ILL, Signal::SEGV];
    status.signal().is_some_and(|number| defects.iter().any(|signal| signal.as_raw() == number))
}

#[cfg(not(unix))]
fn is_crash(_: ExitStatus) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_what_the_run_was_asked_for() {
        let global = Global {
            config: None,
            tenant: None,
            quiet: true,
            verbose: 2,
            log_format: LogFormat::Json,
        };
        let arguments = RunArguments {
            steps: vec!["fetch-users".to_owned()],
            accept_shrink: vec!["nexthink_user".to_owned()],
            fail_on: Some("high".parse().expect("it is a severity")),
            ..RunArguments::default()
        };
        let source = Source::File("a fleet.toml".into());
        let shown = |words: Vec<OsString>| words.join(" ".as_ref()).to_string_lossy().into_owned();
        assert_eq!(
            shown(words(&global, &source, Some("acme"), &arguments)),
            "--quiet --verbose --verbose --log-format=json --config a fleet.toml --tenant=acme run \
             --step=fetch-users --accept-shrink=nexthink_user --fail-on=high --output=json"
        );
        let global = Global { quiet: false, verbose: 0, log_format: LogFormat::Text, ..global };
        let plain = words(&global, &Source::Environment, None, &RunArguments::default());
        assert_eq!(shown(plain), "run");
    }

    #[test]
    fn a_line_of_a_log_names_its_tenant_and_stays_one_object_if_it_was_one() {
        for (line, is_json, expected) in [
            ("export started", false, "acme: export started\n"),
            ("export started", true, "acme: export started\n"),
            ("{\"level\":\"WARN\"}", true, "{\"level\":\"WARN\",\"tenant\":\"acme\"}\n"),
            ("{\"level\":\"WARN\"}", false, "acme: {\"level\":\"WARN\"}\n"),
            ("[1]", true, "acme: [1]\n"),
        ] {
            assert_eq!(labelled("acme", line, is_json), expected);
        }
    }
}
