//! Starts the worker process for the queries of rules, reads its output and ends it.

use std::io::{self, Read as _};
use std::process::{Child, ChildStderr, ChildStdout};
use std::time::Duration;

use core_rules::fingerprint::Fingerprints;
use core_rules::rule::Rule;
use tokio::time::Instant;

use crate::answers::Answers;
use crate::evaluate::RuleAnswers;

/// The memory limit for the queries of rules together. Bytes.
pub const MEMORY_BYTES: usize = 512 * 1024 * 1024;
/// The time limit for all rules.
const DEADLINE: Duration = Duration::from_mins(10);
/// The limit for reading the process's standard error. Bytes.
const MAX_COMPLAINTS: u64 = 64 * 1024;

/// Runs the queries of rules in a separate process.
pub struct WorkerProcess<Start> {
    /// Starts the process, with both outputs piped. It must end once [`answer_rules`](crate::answer_rules) has
    /// written the rows to its standard output.
    pub start: Start,
}

impl<Start: Fn(&[&Rule]) -> io::Result<Child>> RuleAnswers for WorkerProcess<Start> {
    /// Starts a process again for the rules that are left when one ends: one query that needs too much memory takes no
    /// other with it.
    async fn ask(&self, rules: &[&Rule], fingerprints: &Fingerprints) -> Answers {
        let deadline = Instant::now() + DEADLINE;
        let mut answers = Answers::default();
        let mut left = rules.to_vec();
        while !left.is_empty() {
            let (read, reason) = match (self.start)(&left) {
                Ok(child) => read(Worker(child), &left, fingerprints, deadline).await,
                Err(error) => {
                    return answers.or_else(format!("no process can be started for it: {error}"));
                }
            };
            answers.add(read, &reason);
            let before = left.len();
            left.retain(|rule| !answers.has(&rule.id));
            if left.len() == before || Instant::now() >= deadline {
                return answers.or_else(reason);
            }
        }
        answers
    }
}

/// Reads the answers of a process to its end, and returns them with the reason why others are missing.
async fn read(
    mut worker: Worker,
    rules: &[&Rule],
    fingerprints: &Fingerprints,
    deadline: Instant,
) -> (Answers, String) {
    let Some((out, err)) = worker.outputs() else {
        return (Answers::default(), "no process can be started for it".to_owned());
    };
    let owned: Vec<Rule> = rules.iter().map(|rule| (*rule).clone()).collect();
    let fingerprints = fingerprints.clone();
    let mut reading =
        tokio::task::spawn_blocking(move || Answers::read(out, &owned, &fingerprints));
    let complaints = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        // A killed process writes no error, and needs none.
        let _ = err.take(MAX_COMPLAINTS).read_to_string(&mut text);
        text
    });
    let in_time = tokio::time::timeout_at(deadline, &mut reading).await;
    let otherwise = match &in_time {
        Err(_) => {
            format!("the rules took longer than {} minutes together", DEADLINE.as_secs() / 60)
        }
        Ok(_) => {
            "its process ended early: its query needs too much memory, or is too deep".to_owned()
        }
    };
    worker.end();
    let complaints = complaints.await.unwrap_or_default();
    let complaint = complaints.lines().find_map(|line| line.strip_prefix("error: "));
    let answers = match in_time {
        Ok(answers) => answers,
        Err(_) => reading.await,
    };
    (answers.unwrap_or_default(), complaint.map_or(otherwise, str::to_owned))
}

/// The process while it runs. Dropped, it is killed.
struct Worker(Child);

impl Worker {
    fn outputs(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        Some((self.0.stdout.take()?, self.0.stderr.take()?))
    }

    fn end(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fmt::Write as _;
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use core_rules::book::Outcome;

    use super::*;
    use crate::testing::rule;

    /// Runs a shell script in place of the process, and returns the answer of a rule in words.
    async fn answer(script: &str) -> String {
        let start = |_: &[&Rule]| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).stdin(Stdio::null());
            shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        };
        let (rule, fingerprints) = (rule("fan", "select 1"), Fingerprints::new("acme", None));
        let mut answers = WorkerProcess { start }.ask(&[&rule], &fingerprints).await;
        match answers.take("fan") {
            Outcome::Failed { reason } => reason,
            Outcome::Rows { observed, .. } => format!("{} rows", observed.findings.len()),
        }
    }

    #[tokio::test]
    async fn rows_are_read_and_a_process_that_ends_early_says_why() {
        let rows = r#"echo '#{"rows":{"rule":"fan","columns":["_key"],"reads":[],"partial":[]}}'
            echo '{"_key":"a"}'"#;
        let end = r#"echo '#{"end":{"rule":"fan"}}'"#;
        let early = "its process ended early: its query needs too much memory, or is too deep";
        let table = [
            (format!("{rows}\n{end}"), "1 rows"),
            (rows.to_owned(), early),
            (format!("{rows}\nkill -9 $$"), early),
            (
                format!("{rows}\necho 'note: slow' >&2; echo 'error: no store' >&2; exit 1"),
                "no store",
            ),
            (format!("{rows}\n{end}\necho 'error: too late' >&2"), "1 rows"),
        ];
        for (script, expected) in table {
            assert_eq!(answer(&script).await, expected, "{script}");
        }
    }

    #[tokio::test]
    async fn a_query_that_ends_its_process_takes_no_other_rule_with_it() {
        let starts = AtomicUsize::new(0);
        let start = |rules: &[&Rule]| {
            starts.fetch_add(1, Ordering::Relaxed);
            let mut script = String::new();
            for Rule { id, .. } in rules {
                let _ = writeln!(script, r#"echo '#{{"start":{{"rule":"{id}"}}}}'"#);
                let end = match &**id {
                    "hog" => "kill -9 $$".to_owned(),
                    // The process has no memory left for the rest.
                    "last" => format!(r#"echo '#{{"end":{{"rule":"{id}"}}}}'; exit"#),
                    _ => format!(r#"echo '#{{"end":{{"rule":"{id}"}}}}'"#),
                };
                let columns = r#""columns":["_key"],"reads":[],"partial":[]"#;
                let _ = writeln!(script, r#"echo '#{{"rows":{{"rule":"{id}",{columns}}}}}'"#);
                let _ = writeln!(script, "{end}");
            }
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).stdin(Stdio::null());
            shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        };
        let rules = ["fan", "hog", "disk", "last", "noise"].map(|id| rule(id, "select 1"));
        let rules: Vec<&Rule> = rules.iter().collect();
        let worker = WorkerProcess { start };
        let mut answers = worker.ask(&rules, &Fingerprints::new("acme", None)).await;
        for Rule { id, .. } in rules {
            match answers.take(id) {
                Outcome::Failed { reason } => {
                    assert_eq!(id, "hog", "{reason}");
                    assert!(reason.contains("needs too much memory"), "{reason}");
                }
                Outcome::Rows { .. } => assert_ne!(id, "hog"),
            }
        }
        assert_eq!(starts.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_process_that_cannot_be_started_fails_each_rule_and_none_is_started_for_no_rule() {
        let start = |_: &[&Rule]| Err(io::Error::other("no room"));
        let (rule, fingerprints) = (rule("fan", "select 1"), Fingerprints::new("acme", None));
        let worker = WorkerProcess { start };
        let mut answers = worker.ask(&[&rule], &fingerprints).await;
        let Outcome::Failed { reason } = answers.take("fan") else { panic!("it has no rows") };
        assert_eq!(reason, "no process can be started for it: no room");
        let Outcome::Failed { reason } = worker.ask(&[], &fingerprints).await.take("fan") else {
            panic!("it has no rows")
        };
        assert_eq!(reason, "", "nothing was started");
    }

    #[tokio::test]
    async fn a_process_that_is_no_longer_waited_for_is_killed() {
        let child = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn();
        let worker = Worker(child.expect("it is there"));
        let id = worker.0.id().to_string();
        drop(worker);
        let asked = Command::new("kill").args(["-0", &id]).stderr(Stdio::null()).status();
        assert!(!asked.expect("it is there").success(), "it runs on");
    }
}
