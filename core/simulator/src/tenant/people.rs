//! Invented people: the spellings of a user's names in the columns of a tenant.

use super::dice::Dice;

/// Given name and ASCII spelling.
const GIVEN: &[(&str, &str)] = &[
    ("Jane", "jane"),
    ("John", "john"),
    ("Rémi", "remi"),
    ("Chloé", "chloe"),
    ("Øyvind", "oyvind"),
    ("Zoë", "zoe"),
    ("José", "jose"),
    ("Łukasz", "lukasz"),
    ("Anne-Marie", "anne-marie"),
    ("小明", "xiaoming"),
    ("Ольга", "olga"),
    ("Priya", "priya"),
    ("Kwame", "kwame"),
    ("Siân", "sian"),
    ("Mehmet", "mehmet"),
    ("Ingrid", "ingrid"),
];

/// Family name and ASCII spelling.
const FAMILY: &[(&str, &str)] = &[
    ("Doe", "doe"),
    ("Roe", "roe"),
    ("Lefèvre", "lefevre"),
    ("Müller", "muller"),
    ("O'Neil", "oneil"),
    ("García Márquez", "garcia"),
    ("王", "wang"),
    ("Иванова", "ivanova"),
    ("Nguyễn", "nguyen"),
    ("Sørensen", "sorensen"),
    ("van den Berg", "vandenberg"),
    ("Öztürk", "ozturk"),
    ("Okafor", "okafor"),
    ("Smith, Jr.", "smithjr"),
    ("D\"Angelo", "dangelo"),
    ("Sharma", "sharma"),
];

/// A person of the estate.
pub(crate) struct Person {
    given: (&'static str, &'static str),
    family: (&'static str, &'static str),
    number: u64,
}

impl Person {
    pub(crate) fn new(dice: &mut Dice, number: u64) -> Self {
        let given = GIVEN[dice.index(GIVEN.len())];
        let family = FAMILY[dice.index(FAMILY.len())];
        Self { given, family, number }
    }

    /// `Rémi Lefèvre`
    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.given.0, self.family.0)
    }

    /// `remi.lefevre12`, unique in the estate.
    pub(crate) fn mailbox(&self) -> String {
        format!("{}.{}{}", self.given.1, self.family.1, self.number)
    }

    /// `rlefevre12`, unique in the estate.
    pub(crate) fn account(&self) -> String {
        format!("{}{}{}", &self.given.1[..1], self.family.1, self.number)
    }
}
