//! The sentences of the help, and their form.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command};

use crate::commands::{FOOTER, Visible, visible};

fn text(styled: Option<&StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

/// Returns what is wrong with a text that should begin with an imperative.
fn fault(text: &str) -> Option<&'static str> {
    let line = text.lines().next().unwrap_or_default();
    let first = line.split([' ', ',']).next().unwrap_or_default();
    let is_imperative = first.starts_with(|letter: char| letter.is_ascii_uppercase())
        && first.chars().skip(1).all(|letter| letter.is_ascii_lowercase() || letter == '-')
        // A third person has another end.
        && !first.ends_with('s')
        && !first.ends_with("ing");
    match () {
        () if line.is_empty() => Some("it says nothing"),
        () if !is_imperative => Some("it does not begin with an imperative"),
        () if line.ends_with('.') => Some("it ends with a full stop"),
        () => None,
    }
}

#[test]
fn every_command_says_in_an_imperative_of_at_most_ten_words_what_it_does() {
    for Visible { words, command } in visible() {
        let about = text(command.get_about());
        // The first line of the program's own help is a sentence of a page.
        let about = if words.is_empty() { about.trim_end_matches('.') } else { &about };
        assert_eq!(fault(about), None, "`{words}`: {about}");
        assert!((2..=10).contains(&about.split_whitespace().count()), "`{words}`: {about}");
    }
}

#[test]
fn a_text_in_another_form_is_found() {
    for (text, expected) in [
        ("Write the page", None),
        ("Re-read a period of the audit trail", None),
        ("", Some("it says nothing")),
        ("Writes the page", Some("it does not begin with an imperative")),
        ("writing", Some("it does not begin with an imperative")),
        ("Writing the page", Some("it does not begin with an imperative")),
        ("Write the page.", Some("it ends with a full stop")),
    ] {
        assert_eq!(fault(text), expected, "{text}");
    }
}

/// The arguments that people can see, without those that clap adds.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_own = |argument: &&Arg| {
        !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
    };
    command.get_arguments().filter(is_own)
}

#[test]
fn every_option_says_in_the_same_form_what_it_does() {
    // What stands alone is named, not done: a key, a name, a query.
    let names = ["A ", "An ", "The ", "In ", "Only ", "Also "];
    for Visible { words, command } in visible() {
        for argument in arguments(&command) {
            let (id, help) = (argument.get_id(), text(argument.get_help()));
            let is_name = names.iter().any(|start| help.starts_with(start));
            let fault = fault(&help).filter(|fault| !is_name || fault.contains("stop"));
            assert_eq!(fault, None, "`{words}`, {id}: {help}");
        }
    }
}

#[test]
fn a_value_is_named_in_capitals_unless_the_choices_are_listed() {
    for Visible { words, command } in visible() {
        for argument in arguments(&command).filter(|argument| argument.get_long().is_some()) {
            let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
            for name in argument.get_value_names().unwrap_or_default() {
                let is_value = ["previous"].iter().fold(name.to_string(), |name, word| {
                    // A word that is typed as it is.
                    name.replace(word, "")
                });
                let is_loud = !is_value.chars().any(|letter| letter.is_ascii_lowercase());
                assert!(!takes_value || is_loud, "`{words}`, {}: {name}", argument.get_id());
            }
        }
    }
}

#[test]
fn every_option_has_one_meaning_of_its_short_form_in_all_commands() {
    let mut known = std::collections::BTreeMap::new();
    for Visible { words, command } in visible() {
        for argument in arguments(&command) {
            let Some(short) = argument.get_short() else { continue };
            let long = argument.get_long().unwrap_or_default().to_owned();
            let first = known.entry(short).or_insert_with(|| long.clone());
            assert_eq!(*first, long, "`{words}` gives -{short} another meaning");
        }
    }
    assert_eq!(known.get(&'o').map(String::as_str), Some("output"));
    assert_eq!(known.get(&'n').map(String::as_str), Some("lines"));
}

#[test]
fn every_form_of_output_is_chosen_by_the_same_option() {
    for Visible { words, command } in visible() {
        let output = arguments(&command).find(|argument| argument.get_id() == "output");
        let Some(output) = output else { continue };
        assert_eq!(output.get_short(), Some('o'), "`{words}`");
        let values = output.get_possible_values();
        let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        let default = output.get_default_values().first().expect("it has a default");
        let default = default.to_string_lossy();
        assert_eq!(names.first(), Some(&&*default), "`{words}` lists its default first: {names:?}");
        assert!(names.contains(&"json"), "`{words}` has no JSON: {names:?}");
    }
}

#[test]
fn the_options_of_every_command_stand_apart_in_every_help() {
    for Visible { words, mut command } in visible() {
        let help = command.render_help().to_string();
        let (_, globals) = help.split_once("Global options:\n").unwrap_or_default();
        for option in ["--config", "--tenant", "--quiet", "--verbose", "--log-format"] {
            // A command with an option of this name shows its own.
            let is_own = ["init", "destroy"].contains(&&*words) && option == "--tenant";
            assert!(globals.contains(option) || is_own, "`{words}` lacks {option}:\n{help}");
        }
    }
}

#[test]
fn the_help_of_the_program_ends_with_what_it_hands_in() {
    for Visible { words, mut command } in visible() {
        let help = command.render_long_help().to_string();
        assert_eq!(help.trim_end().ends_with(FOOTER), words.is_empty(), "`{words}`:\n{help}");
    }
}

#[test]
fn what_processes_of_the_program_say_to_each_other_is_hidden() {
    for Visible { words, mut command } in visible() {
        let help = command.render_long_help().to_string();
        for hidden in ["--worker", "--if-due", "--web", "  evaluate", "--json"] {
            assert!(!help.contains(&format!("{hidden} ")), "`{words}` shows {hidden}:\n{help}");
            assert!(!help.contains(&format!("{hidden}\n")), "`{words}` shows {hidden}:\n{help}");
        }
    }
}
