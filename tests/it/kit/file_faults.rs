//! The program with a fault at one of its file operations.

use std::fs;

use super::{Ended, Scene, start};

impl Scene {
    /// The file operations of a command that ends well, each as its kind and path.
    pub(crate) fn operations_of(&self, arguments: &[&str]) -> Vec<String> {
        let operation = |line: &str| line.split_once(' ').map(|(_, rest)| rest.to_owned());
        self.operation_lines(arguments).lines().filter_map(operation).collect()
    }

    /// The highest number of a file operation of a command that ends well. Its other processes count for themselves.
    pub(crate) fn last_operation_of(&self, arguments: &[&str]) -> usize {
        let lines = self.operation_lines(arguments);
        let numbers = lines.lines().filter_map(|line| line.split_once(' ')?.0.parse().ok());
        numbers.max().unwrap_or(0)
    }

    fn operation_lines(&self, arguments: &[&str]) -> String {
        let log = self.path("file-operations");
        // The program appends.
        let _ = fs::remove_file(&log);
        let variables = [("FILE_OPERATIONS", log.to_str().expect("a temporary path is text"))];
        let ended = start(self.folder(), arguments, &variables).wait();
        assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
        fs::read_to_string(&log).expect("there is a line for each operation")
    }

    /// Runs a command with a fault, such as `kill@3`, to its end.
    pub(crate) fn program_with_fault(&self, arguments: &[&str], fault: &str) -> Ended {
        start(self.folder(), arguments, &[("FILE_FAULT", fault)]).wait()
    }
}
