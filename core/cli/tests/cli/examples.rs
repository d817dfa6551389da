//! The examples of the help: each can be typed.

use std::ffi::OsString;

use crate::commands::{FOOTER, Visible, visible};

/// The groups of commands, whose commands have the examples.
const GROUPS: [&str; 16] = [
    "",
    "audit",
    "config",
    "export",
    "findings",
    "fleet",
    "notify",
    "privacy",
    "privacy key",
    "privacy ledger",
    "privacy suppression",
    "rules",
    "serve",
    "serve token",
    "software",
    "store",
];

/// The lines of a help that are commands for a shell.
fn examples(command: &clap::Command) -> Vec<String> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with("  "));
    lines
        .filter(|line| line.contains("nexthink-graph "))
        .map(|line| line.trim().to_owned())
        .collect()
}

/// The command lines of this program within a line for a shell, each without what the shell does with its output.
fn own_lines(example: &str) -> Vec<Vec<String>> {
    let inner = example.replace("$(", " ; ").replace(')', " ; ");
    // Words in quotes keep their pipes and semicolons.
    let words = shlex::split(&inner).unwrap_or_else(|| panic!("a shell cannot read {example}"));
    let ends = |word: &String| ["|", ">", ";"].contains(&word.as_str());
    let mut lines = Vec::new();
    for piece in words.split(ends) {
        let Some(start) = piece.iter().position(|word| word.ends_with("nexthink-graph")) else {
            continue;
        };
        lines.push(piece[start..].to_vec());
    }
    lines
}

fn parse(words: &[String]) -> Result<core_cli::Cli, core_cli::Error> {
    core_cli::parse(words.iter().map(OsString::from), FOOTER)
}

#[test]
fn every_command_has_an_example() {
    for Visible { words, command } in visible() {
        let is_group = GROUPS.contains(&&*words);
        assert!(is_group || !examples(&command).is_empty(), "`{words}` has no example");
    }
}

#[test]
fn every_example_can_be_typed_and_is_of_its_command() {
    let mut typed = 0;
    for Visible { words: name, command } in visible() {
        for example in examples(&command) {
            let lines = own_lines(&example);
            assert!(!lines.is_empty(), "`{name}` has an example of something else: {example}");
            for line in lines {
                let cli = parse(&line);
                let cli = cli.unwrap_or_else(|error| panic!("{example}\n{line:?}\n{error}"));
                assert_eq!(line[1], cli.words[0], "{example}");
                typed += 1;
            }
        }
    }
    assert!(typed > 90, "there are only {typed} examples");
}

#[test]
fn a_wrong_option_in_an_example_is_found() {
    let lines = own_lines(
        "graph=$(nexthink-graph query --tabels | tail -n 1) && nexthink-graph plan > a.txt",
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1], ["nexthink-graph", "plan"]);
    let error = parse(&lines[0]).expect_err("it is misspelt").to_string();
    assert!(error.contains("--tables"), "{error}");
}

#[test]
fn the_words_of_a_command_line_are_its_commands() {
    for (line, expected) in [
        ("run --output json", &["run"][..]),
        ("--quiet privacy key list -o json", &["privacy", "key", "list"]),
        ("serve token new --name a --role viewer", &["serve", "token", "new"]),
        ("backfill audit --from 7d", &["backfill"]),
        ("audit ask failed-logins", &["audit", "report"]),
    ] {
        let words: Vec<String> =
            ["nexthink-graph"].into_iter().chain(line.split(' ')).map(str::to_owned).collect();
        assert_eq!(parse(&words).expect("it can be read").words, expected, "{line}");
    }
    let alone = parse(&["nexthink-graph".to_owned()]).expect("it can be read");
    assert!(alone.words.is_empty() && alone.command.is_none());
}
