//! The completion scripts.

use core_cli::{Shell, completion_script};

use crate::commands::{Visible, visible};

#[test]
fn every_shell_completes_every_command_and_its_options() {
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        let script = completion_script(shell);
        assert!(script.contains("nexthink-graph"), "{shell} completes another program");
        for Visible { words, command } in visible() {
            let name = words.split(' ').next_back().unwrap_or_default();
            assert!(script.contains(name), "{shell} does not complete `{words}`");
            let options = command.get_arguments().filter(|argument| !argument.is_hide_set());
            for option in options.filter_map(clap::Arg::get_long) {
                assert!(
                    script.contains(option),
                    "{shell} does not complete --{option} of `{words}`"
                );
            }
        }
    }
}

#[test]
fn no_shell_offers_what_the_help_hides() {
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        let script = completion_script(shell);
        for hidden in ["worker", "if-due", "--json", " -l json", "web", "evaluate"] {
            let offered = script.lines().find(|line| line.contains(hidden));
            assert_eq!(offered, None, "{shell} offers {hidden}");
        }
    }
}

#[test]
fn bash_finds_the_options_of_each_command_that_it_recognizes() {
    let script = completion_script(Shell::Bash);
    let (recognized, options) = script.split_once("case \"${cmd}\" in").expect("it has both parts");
    let labels: Vec<_> = recognized
        .lines()
        .filter_map(|line| line.trim().strip_prefix("cmd=\"")?.strip_suffix('"'))
        .filter(|label| !label.is_empty())
        .collect();
    assert!(labels.len() > visible().len(), "{labels:?}");
    for label in labels {
        assert!(options.contains(&format!("\n        {label})\n")), "nothing completes {label}");
    }
}
