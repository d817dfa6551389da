//! Names with `*` for any text, in any case.

use serde::Deserialize;

/// A pattern that a whole name must fit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Pattern(
    // Invariant: in lower case.
    String,
);

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self(text.trim().to_lowercase())
    }
}

impl Pattern {
    /// Returns whether nothing is asked of a name.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a name fits.
    pub(crate) fn fits(&self, name: &str) -> bool {
        let name = name.trim().to_lowercase();
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let table = [
            ("Google Chrome", "google chrome", true),
            ("Google Chrome", "Google Chrome Beta", false),
            ("google*", "Google Chrome", true),
            ("*chrome", "Google Chrome", true),
            ("g*e*e", "Google Chrome", true),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("a*b*c", "a-c-b", false),
        ];
        for (pattern, name, fits) in table {
            assert_eq!(Pattern::from(pattern.to_owned()).fits(name), fits, "{pattern} {name}");
        }
    }
}
