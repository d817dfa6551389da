//! A machine: a folder with a configuration and a working copy, and processes that can be stopped and killed together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::kit::{Ended, Running, start, until};

/// The time that something on one machine may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A machine that reaches the bucket.
pub(crate) struct Machine {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// A scheduler on a machine, with the runs that it starts.
pub(crate) struct Scheduler {
    running: Running,
}

impl Machine {
    pub(crate) fn new(configuration: &str, bucket: &str, variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        fs::write(folder.path().join("nexthink-graph.toml"), configuration).expect("it is ours");
        let client = [
            ("AWS_ENDPOINT_URL", bucket),
            ("AWS_ACCESS_KEY_ID", "demo"),
            ("AWS_SECRET_ACCESS_KEY", "demo"),
            ("AWS_REGION", "us-east-1"),
        ];
        let variables = client.iter().chain(variables);
        let variables = variables.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Self { variables: variables.collect(), folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let variables = self.variables.iter();
        let variables: Vec<_> =
            variables.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        start(self.folder.path(), arguments, &variables)
    }

    /// Runs the program to its end.
    pub(crate) fn program(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// Starts `schedule`.
    pub(crate) fn schedule(&self) -> Scheduler {
        Scheduler { running: self.start(&["schedule"]) }
    }
}

impl Scheduler {
    /// Waits until it or one of its runs has said something so many times.
    pub(crate) fn wait_until_said(&self, text: &str, times: usize) {
        let said = || (self.said().matches(text).count() >= times).then_some(());
        assert!(until(PATIENCE, said).is_some(), "it never said {text:?}:\n{}", self.said());
    }

    pub(crate) fn said(&self) -> String {
        self.running.said()
    }

    /// Stops every process of the machine, as if it were suspended.
    pub(crate) fn pause(&self) {
        signal("STOP", &self.processes());
    }

    pub(crate) fn resume(&self) {
        signal("CONT", &self.processes());
    }

    /// Ends every process of the machine at once, as if it lost its power.
    pub(crate) fn lose(self) {
        // Stopped first, so that none starts another meanwhile.
        self.pause();
        signal("KILL", &self.processes());
        let _ = self.running.wait();
    }

    /// Asks it to end, and returns what it has said.
    pub(crate) fn end(self) -> String {
        self.running.signal("TERM");
        let ended = self.running.wait();
        assert_eq!(ended.exit, Some(143), "{}", ended.stderr);
        ended.stderr
    }

    fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.running.id()];
        let mut next = 0;
        while let Some(&id) = all.get(next) {
            all.extend(children(id));
            next += 1;
        }
        all
    }
}

/// The child processes of a process.
fn children(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(Path::new("/proc").join(id.to_string()).join("task"));
    let tasks = tasks.into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let ids = lists.flat_map(|list| {
        list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
    });
    ids.collect()
}

fn signal(name: &str, processes: &[u32]) {
    let ids = processes.iter().map(u32::to_string);
    // One that has ended by now is no failure.
    let _ = Command::new("kill").arg(format!("-{name}")).args(ids).output();
}
