//! The first run, with nothing configured.

use std::fs;
use std::path::Path;
use std::time::Duration;

use arrow_array::types::Int64Type;
use arrow_array::{RecordBatch, cast::AsArray as _};
use core_query::questions::Questions;
use core_query::{QuerySession, QuerySettings};
use core_simulator::TenantSpec;
use core_store::{Location, Store};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::kit::{Ended, Scene, start, table_files, until};

const STORE: &str = "nexthink-graph-demo";

/// The time that the explorer may take to start.
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
    let fetched = |row: &&str| !row.contains("skipped") && !row.contains("off, until");
    let mut planned: Vec<&str> = answers[1]
        .lines()
        .filter(fetched)
        .filter_map(|row| row.split_whitespace().nth(1))
        .collect();
    planned.sort_unstable();
    let mut run: Vec<&str> = rows.iter().filter_map(|row| row.split(' ').next()).collect();
    run.sort_unstable();
    assert_eq!(planned, run, "the plan is that of the demo: {}", answers[1]);
    assert_status_and_support_bundle_read_it(&folder);
}

/// The suggested explorer, on a port of the system's choice and without a browser.
fn assert_explorer_opens(folder: &TempDir) {
    let explorer = start(folder.path(), &["serve", "--listen", "127.0.0.1:0"], &[]);
    let printed = until(PATIENCE, || explorer.printed().contains("/session?token=").then_some(()));
    explorer.signal("INT");
    let ended = explorer.wait();
    assert_eq!((printed, ended.exit), (Some(()), Some(0)), "{}", ended.stderr);
}

/// Commands about a tenant's store read the demo as queries do.
fn assert_status_and_support_bundle_read_it(folder: &TempDir) {
    let status = program(folder, &["status", "--max-age", "1h"]);
    assert_eq!(status.exit, Some(0), "{}", status.stderr);
    assert!(status.stderr.contains("so this reads the demo"), "{}", status.stderr);
    assert!(status.stdout.contains("complete"), "{}", status.stdout);
    let bundle = program(folder, &["support-bundle", "bundle.json"]);
    assert_eq!(bundle.exit, Some(0), "{}", bundle.stderr);
    let text = fs::read_to_string(folder.path().join("bundle.json")).expect("it was written");
    assert!(text.contains("\"stored\"") && text.contains("nexthink_device"), "{text}");
}

#[test]
fn the_demo_makes_one_folder_and_its_second_run_shows_changes() {
    let folders = [(); 2].map(|()| TempDir::new().expect("a folder can be made"));
    let run = |folder: &TempDir| {
        let demo = program(folder, &["--quiet"]);
        assert_eq!((demo.exit, demo.stderr.as_str()), (Some(0), ""));
        assert_eq!(names(folder.path()), [STORE]);
        let generations = folder.path().join(STORE).join("demo").join("generations");
        let newest = names(&generations).pop().expect("it has published");
        table_files(&generations.join(newest))
    };
    let first = folders.each_ref().map(run);
    assert_eq!(first[0].len(), 10, "{:?}", first[0].keys());
    assert_eq!(first[0], first[1], "the first run makes the same graph everywhere");
    assert_ne!(run(&folders[0]), first[0]);
    let changes = "select change, count(*) n from diff_entities group by 1 order by 1";
    let arguments = ["query", "--diff", "previous", "current", "--output", "csv", changes];
    let changes = program(&folders[0], &arguments);
    let kinds: Vec<&str> =
        changes.stdout.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(kinds, ["added", "changed", "removed"], "{}", changes.stderr);
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
    for arguments in [&["status"][..], &["support-bundle", "bundle.json"]] {
        let ended = program(&folder, arguments);
        assert_eq!(ended.exit, Some(2));
        assert!(ended.stderr.contains("there is nothing to read"), "{}", ended.stderr);
    }
    let run = program(&folder, &["run"]);
    assert_eq!(run.exit, Some(2));
    assert_eq!(names(folder.path()), [""; 0]);
}

/// The questions without an answer on the demo, and the reason.
const WITHOUT_ANSWER: [&str; 7] = [
    // The two critical alerts that are open are about devices.
    "critical-alerts-by-user",
    // There is no generation that is older than a week.
    "new-software",
    // The estate has neither.
    "remote-control-software",
    "shared-serials",
    // `queries.device_users` is not configured.
    "devices-without-user",
    "users-with-several-devices",
    "devices-with-several-users",
];

#[test]
fn every_shipped_question_has_an_answer_on_the_demo() {
    let folder = TempDir::new().expect("a folder can be made");
    assert_eq!(program(&folder, &["--quiet"]).exit, Some(0));
    let store = Store::open(Location::Folder(folder.path().join(STORE))).expect("a store");
    let tenant = store.tenant("demo").expect("a name");
    let generation = tenant.current().expect("readable").expect("published");
    let questions = Questions::shipped().expect("they are valid");
    let given = [
        ("entity", "Zürich"),
        ("software", "Nexthink Collector"),
        ("software_name", "collector"),
        ("package", "microsoft edge"),
        ("package_name", "microsoft edge"),
        ("publisher", "Microsoft"),
        ("version", "999"),
        ("version_begins_with", "137"),
    ];
    Runtime::new().expect("threads can be started").block_on(async {
        let session = QuerySession::open(&generation, QuerySettings::default()).await;
        let session = session.expect("opened");
        let now =
            session.sql("select cast(to_unixtime(now()) as bigint) * 1000 now").expect("valid");
        let now = now.collect().await.expect("answered");
        let now_ms = now[0].column(0).as_primitive::<Int64Type>().value(0);
        for question in questions.list() {
            if WITHOUT_ANSWER.contains(&question.id.as_str()) {
                continue;
            }
            let needed = question.parameters.iter().filter(|parameter| parameter.default.is_none());
            let values = needed.map(|parameter| {
                let known = given.iter().find(|(name, _)| *name == parameter.name);
                let (name, value) = known.unwrap_or_else(|| panic!("no {}", parameter.name));
                ((*name).to_owned(), (*value).to_owned())
            });
            let answer = session.ask(question, &values.collect(), now_ms).expect(&question.id);
            let rows = answer.collect().await.expect(&question.id);
            let rows: usize = rows.iter().map(RecordBatch::num_rows).sum();
            assert!(rows > 0, "{} answers nothing", question.id);
        }
    });
}
