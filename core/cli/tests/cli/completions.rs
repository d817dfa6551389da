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
