//! The given and the family name of a person, for whom the source has only one text.
//!
//! Both come from a form that tells them apart, `Jane Doe` or `Doe, Jane`, or neither is set: a
//! name in the wrong order is the name of another person.

use std::borrow::Cow;

/// Words that begin a family name, in lower case.
const PARTICLES: &[&str] = &[
    "'t", "af", "al", "am", "av", "bin", "bint", "da", "dal", "das", "de", "degli", "dei", "del",
    "dell'", "della", "den", "der", "des", "di", "do", "dos", "du", "el", "ibn", "la", "las", "le",
    "les", "lo", "los", "st", "st.", "te", "ten", "ter", "van", "vom", "von", "zu", "zum", "zur",
];

/// Titles before a name, in lower case.
const TITLES: &[&str] = &[
    "dipl.-ing.",
    "dr",
    "dr.",
    "frau",
    "herr",
    "ing.",
    "mag.",
    "miss",
    "mr",
    "mr.",
    "mrs",
    "mrs.",
    "ms",
    "ms.",
    "prof",
    "prof.",
];

/// Suffixes that follow a name after a comma and are not given names, in lower case.
const SUFFIXES: &[&str] = &[
    "ba", "bsc", "cpa", "dds", "esq", "esq.", "ii", "iii", "iv", "jr", "jr.", "ma", "mba", "md",
    "msc", "ph.d.", "phd", "sr", "sr.",
];

/// The given name: the first word of `Jane van der Berg`, or the text after the comma of `van der
/// Berg, Jane`.
pub fn first_name(cell: &str) -> Option<Cow<'_, str>> {
    split(cell).map(|(first, _)| first)
}

/// The family name: the remaining words of `Jane van der Berg`, or the text before the comma of
/// `van der Berg, Jane`.
pub fn last_name(cell: &str) -> Option<Cow<'_, str>> {
    split(cell).map(|(_, last)| last)
}

fn split(cell: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    // Most names need no cleaning, and splitting them in place copies nothing.
    if !needs_cleaning(cell) {
        return split_clean(cell).map(|(first, last)| (first.into(), last.into()));
    }
    let name = cleaned(cell)?;
    split_clean(&name).map(|(first, last)| (first.to_owned().into(), last.to_owned().into()))
}

fn needs_cleaning(cell: &str) -> bool {
    let is_odd = |character: char| {
        matches!(character, '(' | ')' | '[' | ']')
            || (character.is_whitespace() && character != ' ')
    };
    cell.contains(is_odd) || cell.contains("  ")
}

/// Removes the text in brackets and collapses white space; `None` if a bracket is unmatched.
fn cleaned(cell: &str) -> Option<String> {
    let (mut name, mut open) = (String::new(), None);
    for character in cell.chars() {
        match (open, character) {
            (None, '(') => open = Some(')'),
            (None, '[') => open = Some(']'),
            (None, ')' | ']') => return None,
            (None, _) => name.push(character),
            (Some(end), _) if character == end => {
                open = None;
                name.push(' ');
            }
            (Some(_), _) => {}
        }
    }
    open.is_none().then(|| name.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn split_clean(name: &str) -> Option<(&str, &str)> {
    // These never occur in the name of one person written in one of the two forms.
    if name.contains([';', '/', '\\', '|', '@']) {
        return None;
    }
    match name.split_once([',', '，']) {
        Some((last, first)) => split_reversed(last.trim(), first.trim()),
        None => split_words(name),
    }
}

/// Splits `Doe, Jane`. Several words before the comma are a family name only if the first is a
/// particle: `Garcia Lopez, Ana` has the same form as `Jane Doe, Accounting`.
fn split_reversed<'a>(last: &'a str, first: &'a str) -> Option<(&'a str, &'a str)> {
    let is_whole = !last.is_empty() && !first.is_empty() && !first.contains([',', '，']);
    let is_family_name = !last.contains(' ') || is_one_of(PARTICLES, first_word(last));
    let is_given_name =
        !is_one_of(SUFFIXES, first_word(first)) && !is_one_of(TITLES, first_word(first));
    (is_whole && is_family_name && is_given_name).then_some((first, last))
}

/// Splits `Jane Doe`, which may have titles before it.
fn split_words(mut name: &str) -> Option<(&str, &str)> {
    loop {
        let (first, rest) = name.split_once(' ')?;
        if !is_one_of(TITLES, first) {
            // `van der Berg Jan` begins with the family name, and nothing shows where that ends.
            return (!is_one_of(PARTICLES, first)).then_some((first, rest));
        }
        name = rest;
    }
}

fn first_word(text: &str) -> &str {
    text.split_once(' ').map_or(text, |(first, _)| first)
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    // All words of the lists are ASCII.
    words.iter().any(|entry| entry.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g20_a_full_name_is_split_only_if_its_form_shows_the_order() {
        let table = [
            ("Jane Doe", Some(("Jane", "Doe"))),
            ("Doe, Jane", Some(("Jane", "Doe"))),
            ("Doe,Jane", Some(("Jane", "Doe"))),
            ("Doe , Jane Marie", Some(("Jane Marie", "Doe"))),
            ("Ana  María de la Cruz", Some(("Ana", "María de la Cruz"))),
            ("Jane\u{a0}Doe", Some(("Jane", "Doe"))),
            ("Jan van   der Berg", Some(("Jan", "van der Berg"))),
            ("van der Berg, Jan (IT)", Some(("Jan", "van der Berg"))),
            ("Van den Berg,  Jan [external]", Some(("Jan", "Van den Berg"))),
            ("Jane Doe (IT)", Some(("Jane", "Doe"))),
            ("Jane (Janie) Doe", Some(("Jane", "Doe"))),
            ("Prof. Dr. Jane Doe", Some(("Jane", "Doe"))),
            ("O'Neill, Sean", Some(("Sean", "O'Neill"))),
            ("Seán O'Neill", Some(("Seán", "O'Neill"))),
            ("Smith-Jones, Al", Some(("Al", "Smith-Jones"))),
            ("van der Berg Jan", None),
            ("Jane Doe, PhD", None),
            ("Doe, Jr.", None),
            ("Jane Doe, Accounting", None),
            ("Doe, Jane, PhD", None),
            ("Doe,", None),
            (", Jane", None),
            (",", None),
            ("Doe; Jane", None),
            ("Jane Doe / John Roe", None),
            ("Jane Smith, Jr.", None),
            ("Jane (IT", None),
            ("Dr. Doe", None),
            ("Madonna", None),
            ("(IT)", None),
            ("", None),
        ];
        for (cell, expected) in table {
            let found = first_name(cell).zip(last_name(cell));
            let found = found.as_ref().map(|(first, last)| (first.as_ref(), last.as_ref()));
            assert_eq!(found, expected, "{cell}");
        }
    }
}
