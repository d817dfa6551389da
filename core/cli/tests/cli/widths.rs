//! The help on terminals of 60 and of 100 columns.

use crate::commands::{Visible, visible};

const WIDTHS: [usize; 2] = [60, 100];

fn rendered(command: &clap::Command, width: usize, is_long: bool) -> String {
    let hide = |argument: clap::Arg| argument.hide_env_values(true);
    let mut command = command.clone().mut_arg("config", hide).term_width(width);
    let help = if is_long { command.render_long_help() } else { command.render_help() };
    help.to_string()
}

fn words(help: &str) -> Vec<&str> {
    help.split_whitespace().collect()
}

#[test]
fn nothing_is_wider_than_the_terminal_but_what_has_no_place_to_break() {
    for Visible { words, command } in visible() {
        for width in WIDTHS {
            for line in rendered(&command, width, false).lines() {
                let is_one_word = line.split_whitespace().count() == 1;
                // Clap breaks usages between arguments only where it is asked to.
                let is_usage = line.starts_with("Usage:");
                let is_choice = line.trim_start().starts_with(['-', '[']);
                let is_too_wide = line.chars().count() > width;
                assert!(
                    !is_too_wide || is_one_word || is_usage || is_choice,
                    "`{words}` on {width} columns: {line}"
                );
            }
        }
    }
}

#[test]
fn the_width_changes_where_lines_break_and_nothing_else() {
    for Visible { words: name, command } in visible() {
        for is_long in [false, true] {
            let [narrow, wide] = WIDTHS.map(|width| rendered(&command, width, is_long));
            assert_eq!(words(&narrow), words(&wide), "`{name}`");
        }
    }
}

#[test]
fn a_paragraph_below_the_options_breaks_only_where_the_next_word_has_no_room() {
    for Visible { words, command } in visible() {
        for width in WIDTHS {
            let help = rendered(&command, width, true);
            let (_, below) = help.split_once("Global options:").unwrap_or_default();
            for pair in below.lines().collect::<Vec<_>>().windows(2) {
                let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
                if !is_prose(pair[0]) || !is_prose(pair[1]) || pair[0].ends_with(':') {
                    continue;
                }
                let next = pair[1].split(' ').next().unwrap_or_default();
                let joined = format!("{} {next}", pair[0]);
                assert!(joined.chars().count() > width, "`{words}` on {width} columns: {joined}");
            }
        }
    }
}

#[test]
fn three_helps_look_like_this_on_a_narrow_terminal() {
    for name in ["", "query", "privacy key"] {
        let all = visible();
        let found = all.iter().find(|visible| visible.words == name).expect("it is there");
        let label = if name.is_empty() { "program".to_owned() } else { name.replace(' ', "-") };
        insta::assert_snapshot!(label, rendered(&found.command, 60, false));
    }
}
