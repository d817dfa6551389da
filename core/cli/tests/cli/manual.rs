//! The manual pages.

use std::collections::BTreeSet;

use core_cli::{ManPage, man_pages};

use crate::commands::{FOOTER, Visible, visible};

fn pages() -> Vec<ManPage> {
    man_pages(FOOTER).expect("memory has room for them")
}

/// Returns the text of a page without what escapes it.
fn plain(page: &ManPage) -> String {
    let text = String::from_utf8_lossy(&page.text).replace("\\*(Aq", "'").replace("\\-", "-");
    text.replace("\\fB", "").replace("\\fR", "")
}

#[test]
fn every_command_has_a_page_and_no_two_have_the_same() {
    let files: BTreeSet<String> = pages().into_iter().map(|page| page.file_name).collect();
    let expected = visible().into_iter().map(|Visible { words, .. }| {
        let name = format!("nexthink-graph {words}").trim().replace(' ', "-");
        format!("{name}.1")
    });
    assert_eq!(files, expected.collect());
    assert_eq!(files.len(), pages().len());
}

#[test]
fn a_page_has_the_sentence_the_options_and_the_examples_of_its_command() {
    for (page, Visible { words, command }) in pages().iter().zip(visible()) {
        let text = plain(page);
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(text.contains(about.trim_end_matches('.')), "`{words}`: {text}");
        let options = command.get_arguments().filter(|argument| !argument.is_hide_set());
        for option in options.filter_map(clap::Arg::get_long) {
            assert!(text.contains(&format!("--{option}")), "`{words}` lacks --{option}: {text}");
        }
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let example = after.lines().find(|line| line.starts_with("  nexthink-graph "));
        let first = example
            .map_or("", |line| line.trim().split([' ', '\\', '"']).nth(1).unwrap_or_default());
        assert!(text.contains(first), "`{words}` lacks its example {first}: {text}");
    }
}

#[test]
fn the_page_of_the_program_alone_ends_with_what_it_hands_in() {
    for page in pages() {
        let is_first = page.file_name == "nexthink-graph.1";
        assert_eq!(plain(&page).contains(".SH \"EXIT CODES\""), is_first, "{}", page.file_name);
    }
}

#[test]
fn every_section_has_a_name_that_says_what_is_in_it() {
    for page in pages() {
        let text = plain(&page);
        assert!(!text.contains(".SH EXTRA"), "{}: {text}", page.file_name);
        let has_example = text.lines().any(|line| line.starts_with("  nexthink-graph "));
        assert!(!has_example || text.contains(".SH \"EXAMPLES\""), "{}", page.file_name);
    }
}
