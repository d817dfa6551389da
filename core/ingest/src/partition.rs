//! The parts in which an export is fetched if the whole is too large: patterns of NQL's string
//! comparison, their overlaps, and their further division.

use std::fmt;

/// The most characters in a pattern.
const MAX_CHARACTERS: usize = 256;

/// A pattern of NQL's string comparison: `*` stands for any text, `?` for one character (NQL syntax
/// overview, string operators). Letters match in either case, in ASCII: NQL's behaviour is
/// undocumented, and a row must not look as if it lay outside its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The text that is sent to Nexthink.
    text: String,
    items: Vec<Item>,
}

/// The reason why a text is not a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text is empty.
    #[error("a pattern is empty, so it matches no value")]
    Empty,
    /// The text has more than 256 characters.
    #[error("a pattern has more than 256 characters")]
    TooLong,
    /// The text has a control character.
    #[error("a pattern has a control character")]
    ControlCharacter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// This character.
    Literal {
        /// The character as written.
        written: char,
        /// The character in ASCII lower case.
        folded: char,
    },
    /// Any one character.
    One,
    /// Any text, also an empty one. Invariant: never two in a row.
    Any,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// The text is empty, too long, or has a control character.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.chars().count() > MAX_CHARACTERS {
            return Err(PatternError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PatternError::ControlCharacter);
        }
        let mut items: Vec<Item> = text.chars().map(Item::from_char).collect();
        items.dedup_by(|a, b| *a == Item::Any && *b == Item::Any);
        Ok(Self { text: text.to_owned(), items })
    }

    /// The text that is sent to Nexthink.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns true if a value matches, ignoring case.
    pub fn matches(&self, value: &str) -> bool {
        self.matches_by(value, Item::accepts)
    }

    /// Returns true if a value matches case-sensitively. Only then is the row certain to come in a
    /// part.
    pub fn matches_exactly(&self, value: &str) -> bool {
        let is_accepted = |item: Item, character| match item {
            Item::Literal { written, .. } => written == character,
            item => item.accepts(character),
        };
        self.matches_by(value, is_accepted)
    }

    fn matches_by(&self, value: &str, is_accepted: impl Fn(Item, char) -> bool) -> bool {
        let mut items = 0;
        let mut rest = value.chars();
        // Where to resume if the last `*` has to take one more character.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (self.items.get(items), rest.next()) {
                (None, None) => return true,
                (Some(Item::Any), _) => {
                    items += 1;
                    retry = Some((items, before.clone()));
                    rest = before;
                    continue;
                }
                (Some(&item), Some(character)) if is_accepted(item, character) => {
                    items += 1;
                    continue;
                }
                _ => {}
            }
            let Some((after_any, longer)) = &mut retry else { return false };
            if longer.next().is_none() {
                return false;
            }
            items = *after_any;
            rest = longer.clone();
        }
    }

    /// Returns true if some value matches both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (rows, columns) = (self.items.len(), other.items.len());
        // `share[i][j]`: the items from `i` on here and those from `j` on there match a common
        // value.
        let mut share = vec![vec![false; columns + 1]; rows + 1];
        share[rows][columns] = true;
        for i in (0..=rows).rev() {
            for j in (0..=columns).rev() {
                let (a, b) = (self.items.get(i), other.items.get(j));
                share[i][j] |= match (a, b) {
                    (None, None) => true,
                    (Some(Item::Any), None) => share[i + 1][j],
                    (None, Some(Item::Any)) => share[i][j + 1],
                    (Some(Item::Any), Some(_)) | (Some(_), Some(Item::Any)) => {
                        share[i + 1][j] || share[i][j + 1]
                    }
                    (Some(a), Some(b)) => a.overlaps_with(*b) && share[i + 1][j + 1],
                    (None, Some(_)) | (Some(_), None) => false,
                };
            }
        }
        share[0][0]
    }

    /// Splits this pattern into sixteen by the next hexadecimal digit, if it is a text that ends in
    /// its only wildcard, `*`: `0*` gives `00*` to `0f*`. Together they match the values of this
    /// pattern in which a hexadecimal digit follows.
    pub fn split(&self) -> Option<Vec<Self>> {
        let (last, prefix) = self.items.split_last()?;
        if *last != Item::Any || prefix.iter().any(|item| !matches!(item, Item::Literal { .. })) {
            return None;
        }
        let prefix = self.text.trim_end_matches('*');
        let parts =
            "0123456789abcdef".chars().map(|digit| Self::parse(&format!("{prefix}{digit}*")));
        parts.collect::<Result<_, _>>().ok()
    }
}

/// Returns true if every text that begins with hexadecimal digits matches one of the patterns: they
/// are all sixteen digits of one position, or all sixteen of the next position below some of them.
///
/// Without this proof, rows that were never seen may belong to no part.
pub fn cover_hexadecimal(patterns: &[Pattern]) -> bool {
    let prefixes: Vec<String> = patterns
        .iter()
        .filter_map(|pattern| pattern.text.strip_suffix('*'))
        .filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_ascii_lowercase)
        .collect();
    covers_below(&mut String::new(), &prefixes)
}

fn covers_below(prefix: &mut String, prefixes: &[String]) -> bool {
    if prefixes.iter().any(|known| known == prefix) {
        return true;
    }
    if !prefixes.iter().any(|known| known.starts_with(prefix.as_str())) {
        return false;
    }
    "0123456789abcdef".chars().all(|digit| {
        prefix.push(digit);
        let covers = covers_below(prefix, prefixes);
        prefix.pop();
        covers
    })
}

impl Item {
    fn from_char(character: char) -> Self {
        match character {
            '*' => Self::Any,
            '?' => Self::One,
            written => Self::Literal { written, folded: written.to_ascii_lowercase() },
        }
    }

    /// Returns true if this item of one character stands for this character.
    fn accepts(self, character: char) -> bool {
        match self {
            Self::Literal { folded, .. } => folded == character.to_ascii_lowercase(),
            Self::One => true,
            Self::Any => false,
        }
    }

    /// Returns true if two items of one character can stand for the same character.
    fn overlaps_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Literal { folded: a, .. }, Self::Literal { folded: b, .. }) => a == b,
            _ => true,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
