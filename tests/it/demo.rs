//! The first run, with nothing configured.

use std::fs;
use std::path::Path;
use std::time::Duration;

use core_simulator::TenantSpec;
use tempfile::TempDir;

use crate::kit::{Ended, Scene, start, table_files, until};

const STORE: &str = "nexthink-graph-demo";

/// How long the explorer may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

fn program(folder: &TempDir, arguments: &[&str]) -> Ended {
    start(folder.path(), arguments, &[]).wait()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder can be listed");
    let names = entries.map(|entry| entry.expect("an entry can be read").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The arguments of the commands that the demo suggests, as a shell would split them.
fn suggested(stderr: &str, program: &str) -> Vec<Vec<String>> {
    let commands = stderr.lines().filter_map(|line| line.strip_prefix("  ")?.strip_prefix(program));
    commands.map(|command| split(command.trim())).collect()
}

/// Splits at spaces that are not between double quotes.
fn split(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for character in command.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            other => words.last_mut().expect("there is always one").push(other),
        }
    }
    words
}

#[test]
fn nothing_configured_gives_a_graph_an_explorer_and_commands_that_work() {
    // Cargo sets this variable for what it runs.
    assert_demo_works("cargo run -p runner -- ", &[("CARGO_MANIFEST_DIR", "runner")]);
}

#[test]
fn an_installed_program_suggests_commands_under_its_own_name() {
    assert_demo_works("nexthink-graph ", &[]);
}

/// Runs the demo and all commands that it suggests, which begin with the name of the program.
fn assert_demo_works(name: &str, variables: &[(&str, &str)]) {
    let folder = TempDir::new().expect("a folder can be made");
    let demo = start(folder.path(), &[], variables).wait();
    assert_eq!(demo.exit, Some(0), "{}", demo.stderr);
    let first_cells = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().take(5).collect();
        cells.join(" ")
    };
    let rows: Vec<String> = demo.stdout.lines().map(first_cells).collect();
    let rows: Vec<&String> = rows.iter().filter(|row| row.starts_with("fetch-")).collect();
    assert_eq!(
        rows,
        [
            "fetch-account complete 1 1 0",
            "fetch-devices complete 500 500 500",
            "fetch-users complete 400 400 400",
            "fetch-packages complete 20000 1270 20000",
            "fetch-alerts complete 120 120 117",
        ]
    );
    assert!(demo.stderr.starts_with("Nothing is configured, so this is a demo"), "{}", demo.stderr);

    let commands = suggested(&demo.stderr, name);
    let first_words: Vec<&str> = commands.iter().map(|words| words[0].as_str()).collect();
    assert_eq!(first_words, ["serve", "query", "plan"]);
    assert_explorer_opens(&folder);
    let answers = commands.iter().skip(1).map(|words| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = program(&folder, &words);
        assert_eq!(ended.exit, Some(0), "{words:?}: {}", ended.stderr);
        ended.stdout
    });
    let answers: Vec<String> = answers.collect();
    // Five rows between the head and the lower line.
    assert_eq!(answers[0].lines().count(), 3 + 5 + 1, "{}", answers[0]);
    assert!(answers[1].contains("fetch-packages"), "{}", answers[1]);
}

/// The suggested explorer, on a port of the system's choice and without a browser.
fn assert_explorer_opens(folder: &TempDir) {
    let explorer = start(folder.path(), &["serve", "--listen", "127.0.0.1:0"], &[]);
    let printed = until(PATIENCE, || explorer.printed().contains("/session?token=").then_some(()));
    explorer.signal("INT");
    let ended = explorer.wait();
    assert_eq!((printed, ended.exit), (Some(()), Some(0)), "{}", ended.stderr);
}

#[test]
fn the_demo_makes_one_folder_and_the_same_graph_each_time() {
    let folder = TempDir::new().expect("a folder can be made");
    for _ in 0..2 {
        let demo = program(&folder, &["--quiet"]);
        assert_eq!((demo.exit, demo.stderr.as_str()), (Some(0), ""));
    }
    assert_eq!(names(folder.path()), [STORE]);
    let generations = folder.path().join(STORE).join("demo").join("generations");
    let [first, second] = &names(&generations)[..] else {
        panic!("two runs make two generations: {:?}", names(&generations));
    };
    let tables = table_files(&generations.join(first));
    assert_eq!(tables.len(), 10, "{:?}", tables.keys());
    assert_eq!(tables, table_files(&generations.join(second)));
}

#[test]
fn with_a_configuration_there_is_no_demo() {
    let scene = Scene::of(TenantSpec::default());
    let run = scene.program(&[]);
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    assert_eq!(names(scene.folder()), ["nexthink-graph.toml", "secret", "store"]);
    assert!(scene.published().manifest().tables.iter().any(|table| table.rows > 0));
}

#[test]
fn the_run_command_never_falls_back_to_the_demo() {
    let folder = TempDir::new().expect("a folder can be made");
    let run = program(&folder, &["run"]);
    assert_eq!(run.exit, Some(2));
    assert_eq!(names(folder.path()), [""; 0]);
}
