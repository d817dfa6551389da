//! Secrets that a command prints. The command gets a time limit and a process group of its own, so that
//! neither a hanging command nor what it has started outlives the program.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use core_process::ProcessGroup;
use zeroize::Zeroizing;

use crate::secret::{BUFFER_BYTES, MAX_BYTES};
use crate::secret_text;

/// The time between two looks at a running command.
const STEP: Duration = Duration::from_millis(10);

/// The longest time that output may take to arrive once every process that could write it has ended.
const DRAIN: Duration = Duration::from_secs(2);

/// Runs a command and returns what it prints.
///
/// # Errors
///
/// The command cannot be run, fails, prints something that is no secret, or does not end in time.
pub(crate) fn read_output(
    words: &[String],
    timeout: Duration,
) -> anyhow::Result<Zeroizing<String>> {
    let (program, arguments) = words.split_first().context("the secret command is empty")?;
    let cannot_run = || format!("cannot run the secret command {program}");
    let mut group = spawn(program, arguments).with_context(cannot_run)?;
    let deadline = Instant::now() + timeout;
    let output = output_of(&mut group).with_context(cannot_run)?;
    let mut printed = None;
    let status = loop {
        printed = printed.or_else(|| output.try_recv().ok());
        if let Some(Ok(secret)) = &printed {
            check_size(program, secret)?;
        }
        if let Some(status) = group.child().try_wait().with_context(cannot_run)? {
            break status;
        }
        ensure!(
            Instant::now() < deadline,
            "the secret command {program} did not end within {} s and was stopped; if it needs longer, \
             set `timeout_s` beside `command`",
            timeout.as_secs()
        );
        thread::sleep(STEP);
    };
    // A process that it left behind would keep the output open, and outlive this program.
    drop(group);
    ensure!(status.success(), "the secret command {program} failed: {status}");
    let printed = match printed {
        Some(printed) => printed,
        None => output.recv_timeout(DRAIN).map_err(io::Error::other).with_context(cannot_run)?,
    };
    let secret = printed.with_context(cannot_run)?;
    check_size(program, &secret)?;
    secret_text::decode(&secret).with_context(|| format!("cannot use what {program} printed"))
}

fn check_size(program: &str, secret: &[u8]) -> anyhow::Result<()> {
    let is_secret = secret.len() as u64 <= MAX_BYTES;
    ensure!(is_secret, "the secret command {program} printed too much for a secret");
    Ok(())
}

/// Starts a command whose output is read.
fn spawn(program: &str, arguments: &[String]) -> io::Result<ProcessGroup> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    ProcessGroup::spawn(command.stderr(Stdio::inherit()))
}

/// Reads what a command prints, on a thread of its own, since there is no time limit for a read.
fn output_of(
    group: &mut ProcessGroup,
) -> io::Result<mpsc::Receiver<io::Result<Zeroizing<Vec<u8>>>>> {
    let printed = group.child().stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (sender, receiver) = mpsc::channel();
    let read = move || {
        // Large enough at once: a buffer that grows leaves copies of what was in it.
        let mut secret = Zeroizing::new(Vec::with_capacity(BUFFER_BYTES));
        let read = printed.take(MAX_BYTES + 1).read_to_end(&mut secret);
        // The receiver is gone after the time limit.
        let _ = sender.send(read.map(|_| secret));
    };
    thread::Builder::new().name("secret".to_owned()).spawn(read)?;
    Ok(receiver)
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use core_process::kill_running;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(300);

    /// Held by each test that runs commands, since one of them kills all that run.
    static ALONE: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    /// Returns whether a process exists that waits for so many seconds, which no other test does.
    fn is_sleeping(seconds: u32) -> bool {
        let sleep = format!("sleep\0{seconds}\0");
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut lines =
            processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        lines.any(|line| line == sleep.as_bytes())
    }

    /// Returns whether such a process ends soon: one that was killed takes a moment to go, and only the command itself is
    /// waited for.
    fn is_gone(seconds: u32) -> bool {
        let began = Instant::now();
        while is_sleeping(seconds) && began.elapsed() < Duration::from_secs(20) {
            thread::sleep(STEP);
        }
        !is_sleeping(seconds)
    }

    #[test]
    fn j21_a_command_that_hangs_is_stopped_with_all_that_it_has_started() {
        let _alone = alone();
        for (seconds, script) in [
            (98_701, "sleep 98701"),
            (98_702, "exec >&-; sleep 98702"),
            (98_703, "echo secret; sleep 98703 & sleep 98703"),
            (98_704, "trap '' TERM INT HUP; sleep 98704 & sleep 98704"),
        ] {
            let began = Instant::now();
            let error = read_output(&shell(script), LIMIT).expect_err(script).to_string();
            assert!(error.starts_with("the secret command sh did not end within 0 s"), "{error}");
            assert!(!error.contains("secret;"), "{error}");
            assert!(began.elapsed() < Duration::from_secs(20), "{script}");
            assert!(is_gone(seconds), "{script}");
        }
    }

    #[test]
    fn what_a_command_leaves_behind_neither_delays_the_secret_nor_stays() {
        let _alone = alone();
        let began = Instant::now();
        let secret = read_output(&shell("sleep 98705 & echo s3cret"), Duration::from_mins(1));
        assert_eq!(secret.expect("it has ended").as_str(), "s3cret\n");
        assert!(began.elapsed() < Duration::from_secs(20));
        assert!(is_gone(98_705));
    }

    #[test]
    fn a_command_that_prints_without_end_is_refused_before_its_time_is_over() {
        let _alone = alone();
        let endless = read_output(&shell("yes"), Duration::from_mins(1)).expect_err("endless");
        assert!(endless.to_string().ends_with("printed too much for a secret"), "{endless}");
        let failed = read_output(&shell("exit 3"), Duration::from_mins(1)).expect_err("it failed");
        assert_eq!(failed.to_string(), "the secret command sh failed: exit status: 3");
    }

    #[test]
    fn j21_the_end_of_the_program_stops_a_command() {
        let _alone = alone();
        let waiting =
            thread::spawn(|| read_output(&shell("sleep 98706"), Duration::from_mins(1)).map(drop));
        let began = Instant::now();
        while !is_sleeping(98_706) && began.elapsed() < Duration::from_secs(20) {
            thread::sleep(STEP);
        }
        kill_running();
        let error = waiting.join().expect("no panic").expect_err("it was killed");
        assert!(error.to_string().contains("signal: 9"), "{error}");
        assert!(is_gone(98_706));
    }
}
