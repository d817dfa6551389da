//! Suggests known names for misspelt ones.

use core_terminal::plural;

/// The least similarity of two names, from 0 to 1, if neither contains the other as a word.
const SIMILAR: f64 = 0.6;

/// Returns a message about an unknown name, with the most similar known name, if there is one, and all known names.
pub fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    let kinds = plural(kind);
    let all = known.join(", ");
    match nearest(name, known) {
        Some(nearest) => {
            format!("there is no {kind} `{name}`; did you mean `{nearest}`? The {kinds} are {all}")
        }
        None => format!("there is no {kind} `{name}`; the {kinds} are {all}"),
    }
}

/// Returns the known name that contains this one as a word (`devices` in `fetch-devices`), or else the most
/// similar one.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let is_word_of = |known: &str| known.split(['-', '_']).any(|word| word == name);
    if let Some(found) = known.iter().find(|known| is_word_of(known)) {
        return Some(found);
    }
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(&name, known);
    let best = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(best) >= SIMILAR).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_name_or_a_similar_name_is_suggested() {
        let steps = ["fetch-account", "fetch-alerts", "fetch-devices"];
        let table = [
            ("devices", Some("fetch-devices")),
            ("Devices", Some("fetch-devices")),
            ("fetch-alert", Some("fetch-alerts")),
            ("fetchalerts", Some("fetch-alerts")),
            ("packages", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(nearest(name, &steps), expected, "{name}");
        }
        assert_eq!(nearest("device", &[]), None);
    }

    #[test]
    fn the_message_lists_what_there_is() {
        let known = ["devices", "users"];
        let table = [
            (
                "device",
                "there is no query `device`; did you mean `devices`? The queries are devices, users",
            ),
            ("x", "there is no query `x`; the queries are devices, users"),
        ];
        for (name, expected) in table {
            assert_eq!(unknown("query", name, &known), expected);
        }
    }
}
