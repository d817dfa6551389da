//! The parts that an export is fetched in when the whole is too large: patterns of NQL's string
//! comparison, which of them share values, and how a part is split further.

use std::fmt;

/// The most characters of a pattern.
const MAX_CHARACTERS: usize = 256;

/// A pattern of NQL's string comparison: `*` stands for any characters or none, `?` for one (NQL
/// syntax overview, string operators). Letters match in either case, in ASCII: what NQL does is not
/// documented, and a part must not seem to lack what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As it is sent to Nexthink.
    text: String,
    items: Vec<Item>,
}

/// Why a text is no pattern of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It has no characters.
    #[error("a pattern is empty, so it matches no value")]
    Empty,
    /// It has more than 256 characters.
    #[error("a pattern has more than 256 characters")]
    TooLong,
    /// It has a control character.
    #[error("a pattern has a control character")]
    ControlCharacter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// This character.
    Literal {
        /// As it is written.
        written: char,
        /// In ASCII lower case.
        folded: char,
    },
    /// Any one character.
    One,
    /// Any characters or none. Invariant: never two in a row.
    Any,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// It is empty, too long, or has a control character.
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
        let mut items: Vec<Item> = text.chars().map(Item::of).collect();
        items.dedup_by(|a, b| *a == Item::Any && *b == Item::Any);
        Ok(Self { text: text.to_owned(), items })
    }

    /// The text as it is sent to Nexthink.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a value matches, whatever the case of its letters.
    pub fn matches(&self, value: &str) -> bool {
        self.matches_by(value, Item::takes)
    }

    /// Whether a value matches in the case in which the pattern is written. A row is sure to come in
    /// a part only then.
    pub fn matches_exactly(&self, value: &str) -> bool {
        let is_taken = |item: Item, character| match item {
            Item::Literal { written, .. } => written == character,
            item => item.takes(character),
        };
        self.matches_by(value, is_taken)
    }

    fn matches_by(&self, value: &str, is_taken: impl Fn(Item, char) -> bool) -> bool {
        let mut items = 0;
        let mut rest = value.chars();
        // Where to go on if the last `*` is to take one character more.
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
                (Some(&item), Some(character)) if is_taken(item, character) => {
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

    /// Whether there is a value that both patterns match.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (rows, columns) = (self.items.len(), other.items.len());
        // `share[i][j]`: whether what follows item `i` here and item `j` there share a value.
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
                    (Some(a), Some(b)) => a.meets(*b) && share[i + 1][j + 1],
                    (None, Some(_)) | (Some(_), None) => false,
                };
            }
        }
        share[0][0]
    }

    /// The sixteen parts of this one by the next hexadecimal digit, if it is a text that ends in its
    /// only wildcard, `*`: `0*` gives `00*` to `0f*`. Together they match the values of this one in
    /// which a hexadecimal digit follows.
    pub fn split(&self) -> Option<Vec<Self>> {
        let (last, prefix) = self.items.split_last()?;
        if *last != Item::Any || prefix.iter().any(|it| !matches!(it, Item::Literal { .. })) {
            return None;
        }
        let prefix = self.text.trim_end_matches('*');
        let parts =
            "0123456789abcdef".chars().map(|digit| Self::parse(&format!("{prefix}{digit}*")));
        parts.collect::<Result<_, _>>().ok()
    }
}

/// Whether every text of hexadecimal digits, with whatever follows them, matches one of the patterns:
/// they are the digits of one place, or of a further place below some of them, all sixteen each time.
///
/// Rows that nobody has seen can belong to no part otherwise.
pub fn cover_hexadecimal(patterns: &[Pattern]) -> bool {
    let prefixes: Vec<String> = patterns
        .iter()
        .filter_map(|it| it.text.strip_suffix('*'))
        .filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_ascii_lowercase)
        .collect();
    covers_below(&mut String::new(), &prefixes)
}

fn covers_below(prefix: &mut String, prefixes: &[String]) -> bool {
    if prefixes.iter().any(|it| it == prefix) {
        return true;
    }
    if !prefixes.iter().any(|it| it.starts_with(prefix.as_str())) {
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
    fn of(character: char) -> Self {
        match character {
            '*' => Self::Any,
            '?' => Self::One,
            written => Self::Literal { written, folded: written.to_ascii_lowercase() },
        }
    }

    /// Whether an item of one character stands for this one.
    fn takes(self, character: char) -> bool {
        match self {
            Self::Literal { folded, .. } => folded == character.to_ascii_lowercase(),
            Self::One => true,
            Self::Any => false,
        }
    }

    /// Whether two items of one character can stand for the same one.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Literal { folded: a, .. }, Self::Literal { folded: b, .. }) => a == b,
            _ => true,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
