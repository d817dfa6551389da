//! The built program while it runs.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::gathering::Gathering;
use super::{Ended, PATIENCE, until};

/// Starts the program in a folder, with no variables but these.
pub(crate) fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    start_and_read(u64::MAX, folder, arguments, variables)
}

/// The same with a reader that goes away after so many bytes of standard output.
pub(crate) fn start_and_read(
    bytes: u64,
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_program"));
    command.current_dir(folder).args(arguments).env_clear().envs(variables.iter().copied());
    start_command_and_read(bytes, command)
}

/// Starts a command that becomes the program, such as a shell with limits.
#[cfg(target_os = "linux")]
pub(crate) fn start_command(command: Command) -> Running {
    start_command_and_read(u64::MAX, command)
}

fn start_command_and_read(bytes: u64, mut command: Command) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let stdout = child.stdout.take().map(|pipe| Gathering::of(pipe.take(bytes)));
    let stderr = child.stderr.take().map(Gathering::of);
    let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    Running { arguments: arguments.join(" "), child, stdout, stderr }
}

/// The program while it runs. Dropped, it is killed.
pub(crate) struct Running {
    arguments: String,
    child: Child,
    stdout: Option<Gathering>,
    stderr: Option<Gathering>,
}

impl Running {
    /// Waits for the end, and fails if it does not come.
    pub(crate) fn wait(self) -> Ended {
        self.wait_for(PATIENCE)
    }

    /// Waits for the end for so long.
    pub(crate) fn wait_for(mut self, patience: Duration) -> Ended {
        let status = until(patience, || self.child.try_wait().expect("the child is ours"));
        if status.is_none() {
            let _ = self.child.kill();
        }
        let [stdout, stderr] = [self.stdout.take(), self.stderr.take()]
            .map(|pipe| pipe.expect("it is asked for once").whole());
        let status: ExitStatus = status.unwrap_or_else(|| {
            panic!("`{}` hangs after {patience:?}\n{stdout}\n{stderr}", self.arguments)
        });
        Ended { exit: status.code(), stdout, stderr }
    }

    /// Returns whether it has come to its end.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_some()
    }

    /// Returns whether it has said this on standard error by now.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.stderr.as_ref().is_some_and(|output| output.so_far().contains(text))
    }

    /// Its standard error so far.
    pub(crate) fn said(&self) -> String {
        self.stderr.as_ref().map(Gathering::so_far).unwrap_or_default()
    }

    /// Its standard output so far.
    pub(crate) fn printed(&self) -> String {
        self.stdout.as_ref().map(Gathering::so_far).unwrap_or_default()
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, so that it can do nothing more.
    pub(crate) fn kill(&self) {
        #[cfg(unix)]
        self.signal("KILL");
        #[cfg(not(unix))]
        Command::new("taskkill")
            .args(["/F", "/PID", &self.id().to_string()])
            .status()
            .expect("it can be ended");
    }

    /// Sends a signal, by the name without `SIG`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("/bin/sh").args(["-c", &kill]).status();
        assert!(status.is_ok_and(|status| status.success()), "{kill}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
