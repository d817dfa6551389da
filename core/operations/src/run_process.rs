//! A run of one tenant in a separate process.
//!
//! If a run takes too much memory, overflows a stack or hits a defect, only this run ends. No secret and no row of
//! one tenant is ever in the memory of another tenant's process.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::pin::Pin;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use core_engine::{Cancellation, StopReason};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::exit_codes::ExitCodes;

/// The interval at which a process is polled.
const LOOK: Duration = Duration::from_millis(50);

/// The time limit for a run to stop, which is longer than the run's own limit.
const GRACE: Duration = Duration::from_secs(8);

/// The time for which output of a process is awaited after its end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The size limits of a report and of a log line. Bytes.
const MAX_REPORT: u64 = 64 * 1024 * 1024;
const MAX_LINE: u64 = 64 * 1024;

/// The log of a run, which this process prints.
pub struct LabelledLog {
    /// The label before each line: the name of the tenant.
    pub label: String,
    /// True if each line is a JSON object, which gets the label as a field.
    pub is_json: bool,
    /// Prints lines.
    pub print: fn(&[u8]),
}

/// A run that was started, until its end.
pub type RunningRun = Pin<Box<dyn Future<Output = RunEnd> + Send>>;

/// Starts runs of tenants.
pub trait RunLauncher {
    /// Starts the run of a tenant, or of the only one if none is named. The run must end once a stop is requested.
    ///
    /// # Errors
    ///
    /// No process can be started.
    fn launch(&self, tenant: Option<&str>, stop: &Cancellation) -> io::Result<RunningRun>;
}

/// A process that runs a tenant.
pub struct RunProcess {
    child: Child,
    /// The standard output of the run, if it is read here.
    report: Option<oneshot::Receiver<Vec<u8>>>,
    /// Ends when all lines of its log were printed.
    log: Option<oneshot::Receiver<()>>,
}

/// The end of a run.
#[derive(Debug)]
pub struct RunEnd {
    /// Its exit code, or that of a defect if the process has none.
    pub exit_code: u8,
    /// True if a defect ended the process.
    pub has_crashed: bool,
    /// The signal that ended the process, unless it was asked to stop.
    pub signal: Option<i32>,
    /// The report or the failure that the run printed; null if it printed none, or printed to the terminal.
    pub report: Value,
}

impl RunEnd {
    /// Returns how the process was ended, if it did not end by itself, so that the run could not say why.
    pub(crate) fn cause_of_death(&self) -> Option<String> {
        match self.signal {
            _ if self.has_crashed => Some("the process of the run has crashed".to_owned()),
            Some(9) => Some(
                "the run was ended by signal 9; the system may have run out of memory".to_owned(),
            ),
            Some(signal) => Some(format!("the run was ended by signal {signal}")),
            None => None,
        }
    }
}

impl RunProcess {
    /// Starts a run by its command line. With a log, its lines are printed with the label, and its report is kept.
    /// Without one, the run prints as if it had been started by hand.
    ///
    /// # Errors
    ///
    /// No process can be started.
    pub fn start(mut command: Command, log: Option<LabelledLog>) -> io::Result<Self> {
        command.stdin(Stdio::null());
        if log.is_some() {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        // Ctrl-C must reach only this process, which passes it on once: a second signal would kill the run.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let report = child.stdout.take().map(read_report).transpose()?;
        let log = match (child.stderr.take(), log) {
            (Some(pipe), Some(log)) => Some(print_log(pipe, log)?),
            _ => None,
        };
        Ok(Self { child, report, log })
    }

    /// Waits for the end. Once a stop is requested, asks the run to stop, and kills it if it takes too long.
    pub async fn ended(mut self, stop: Cancellation, codes: ExitCodes) -> RunEnd {
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
                // It fails only if the process has already ended.
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
        let exit_code = (codes.of_process)(status.and_then(|status| status.code()));
        let has_crashed = status.is_some_and(is_crash);
        let signal = status.filter(|_| cut_off.is_none()).and_then(signal_of);
        RunEnd { exit_code, has_crashed, signal, report }
    }

    #[cfg(unix)]
    fn ask_to_stop(&mut self, reason: StopReason) {
        use rustix::process::{Pid, Signal, kill_process};
        let signal = match reason {
            StopReason::Interrupted => Signal::INT,
            StopReason::Terminated => Signal::TERM,
        };
        // It fails only if the process has already ended; its ID is not reused before it is awaited.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    #[cfg(not(unix))]
    fn ask_to_stop(&mut self, _: StopReason) {
        let _ = self.child.kill();
    }
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

fn print_log(pipe: ChildStderr, log: LabelledLog) -> io::Result<oneshot::Receiver<()>> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line);
            (log.print)(labelled(&log.label, text.trim_end(), log.is_json).as_bytes());
            line.clear();
        }
        let _ = sender.send(());
    })?;
    Ok(receiver)
}

/// A line of a tenant's log with its label, in front or as a field of a JSON object.
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

/// Returns the signal that ended a process.
#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// Returns the signal that ended a process.
#[cfg(not(unix))]
fn signal_of(_: ExitStatus) -> Option<i32> {
    None
}

/// Returns true if a defect ended a process.
#[cfg(unix)]
fn is_crash(status: ExitStatus) -> bool {
    use rustix::process::Signal;
    let defects = [Signal::ABORT, Signal::BUS, Signal::FPE, Signal::ILL, Signal::SEGV];
    signal_of(status).is_some_and(|number| defects.iter().any(|signal| signal.as_raw() == number))
}

/// Returns true if a defect ended a process.
#[cfg(not(unix))]
fn is_crash(status: ExitStatus) -> bool {
    status.code().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[cfg(unix)]
    mod processes {
        use super::super::*;
        use crate::testing::CODES;

        /// A shell that can trap signals: one that is started with SIGINT ignored, as in the background of a script,
        /// cannot.
        fn shell(script: &str) -> Command {
            let words: &[&str] = if cfg!(target_os = "linux") {
                &["env", "--default-signal=INT,TERM", "sh", "-c", script]
            } else {
                &["sh", "-c", script]
            };
            let mut command = Command::new(words[0]);
            command.args(&words[1..]);
            command
        }

        fn quiet_log() -> LabelledLog {
            LabelledLog { label: "acme".to_owned(), is_json: false, print: |_| {} }
        }

        async fn end_of(script: &str) -> RunEnd {
            let process =
                RunProcess::start(shell(script), Some(quiet_log())).expect("there is a shell");
            process.ended(Cancellation::default(), CODES).await
        }

        #[tokio::test]
        async fn the_report_and_the_code_of_a_run_are_those_of_its_process() {
            let end = end_of("echo '{\"outcome\":\"partial\"}'; echo told >&2; exit 7").await;
            assert_eq!((end.exit_code, end.has_crashed), (7, false));
            assert_eq!(end.report["outcome"], "partial");
            let end = end_of("echo no report; exit 101").await;
            assert_eq!((end.exit_code, end.has_crashed), (1, false), "no code of the program");
            assert!(end.report.is_null());
        }

        #[tokio::test]
        async fn only_a_signal_of_a_defect_is_a_crash() {
            for (signal, has_crashed, cause) in [
                ("ABRT", true, "the process of the run has crashed"),
                ("SEGV", true, "the process of the run has crashed"),
                ("TERM", false, "the run was ended by signal 15"),
                (
                    "KILL",
                    false,
                    "the run was ended by signal 9; the system may have run out of memory",
                ),
            ] {
                let end = end_of(&format!("kill -{signal} $$")).await;
                assert_eq!((end.exit_code, end.has_crashed), (1, has_crashed), "{signal}");
                assert_eq!(end.cause_of_death().as_deref(), Some(cause));
            }
            assert_eq!(end_of("exit 1").await.cause_of_death(), None);
        }

        #[tokio::test]
        async fn a_stop_is_passed_on_as_the_signal_that_asked_for_it() {
            for (reason, code) in [(StopReason::Interrupted, 130), (StopReason::Terminated, 143)] {
                let script =
                    "trap 'exit 130' INT; trap 'exit 143' TERM; while true; do sleep 0.05; done";
                let process =
                    RunProcess::start(shell(script), Some(quiet_log())).expect("there is a shell");
                let stop = Cancellation::default();
                let ended = process.ended(stop.clone(), CODES);
                // The shell has to set its traps first.
                let asked = async {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    stop.request(reason);
                };
                let (end, ()) = tokio::join!(ended, asked);
                assert_eq!(end.exit_code, code);
            }
        }
    }
}
