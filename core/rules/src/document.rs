//! Reads a TOML document into a type and says where a mistake is: line, column, and the name that was
//! probably meant.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;

/// The least similarity of two names, from 0 to 1, for one to be offered in place of the other.
const SIMILAR: f64 = 0.6;

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The name of the file.
    pub file: String,
    /// The line, from 1; 0 for a mistake of the whole file.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The problem and its remedy, in lower case.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(formatter, "{}: {}", self.file, self.message);
        }
        write!(formatter, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// The text of a document, for places in it.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The name of its file, for messages.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Document<'_> {
    /// Reads the document.
    ///
    /// # Errors
    /// The first place that is not TOML, has an unknown name or a value of the wrong type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        toml::from_str(self.text).map_err(|error| {
            let message = with_near_name(error.message());
            match error.span() {
                Some(span) => self.problem(&span, &message),
                None => self.problem_of_file(&message),
            }
        })
    }

    /// A mistake at a place of the text.
    pub fn problem(&self, span: &Range<usize>, message: &str) -> Problem {
        let before = &self.text[..self.text.floor_char_boundary(span.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Problem { file: self.file.to_owned(), line, column, message: message.to_owned() }
    }

    /// A mistake of the document as a whole.
    pub fn problem_of_file(&self, message: &str) -> Problem {
        Problem { file: self.file.to_owned(), line: 0, column: 0, message: message.to_owned() }
    }
}

/// The name among several that is most like another one, if one is.
pub fn most_similar<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |other: &str| strsim::normalized_damerau_levenshtein(name, other);
    let likenesses = known.into_iter().map(|other| (likeness(other), other));
    let best = likenesses.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= SIMILAR).then_some(best.1)
}

/// Adds the most similar name to a message such as "unknown field `titel`, expected one of `title`, …".
fn with_near_name(message: &str) -> String {
    let message = message.trim().replace('\n', " ");
    if !message.starts_with("unknown ") {
        return message;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(name) = names.next() else { return message };
    match most_similar(name, names) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its name counts")]
        title: String,
    }

    #[test]
    fn a_mistake_has_its_place_and_the_name_that_was_meant() {
        let table = [
            (
                "\ntitel = 'x'",
                "r.toml:2:1: unknown field `titel`, expected `title`; did you mean `title`?",
            ),
            ("title = 3", "r.toml:1:9: invalid type: integer `3`, expected a string"),
            ("zebra = 3", "r.toml:1:1: unknown field `zebra`, expected `title`"),
        ];
        for (text, expected) in table {
            let problem = Document { file: "r.toml", text }.read::<Sample>().expect_err(text);
            assert_eq!(problem.to_string(), expected);
        }
    }
}
