//! Profiles: the redaction of each column before its first byte is stored. It derives from the
//! column's relation to people, and the operator can override it column by column.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use core_model::column::{Column, ColumnClass, ColumnForm, IdentifierKind};

/// The amount of personal data that an installation stores.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// All declared columns.
    #[default]
    Full,
    /// Pseudonyms for identifiers, days for times, networks for addresses; no full names and no
    /// free text.
    Pseudonymous,
    /// Technical data, and pseudonyms for the keys of rows.
    Minimal,
}

/// The redaction of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The values are kept.
    Keep,
    /// The values are dropped.
    Drop,
    /// Pseudonyms replace the values.
    Pseudonym,
    /// Times are reduced to their day.
    Day,
    /// IP addresses are reduced to their network: 24 bits of IPv4, 48 of IPv6.
    Network,
}

/// The redaction of all columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    profile: Profile,
    columns: BTreeMap<&'static str, (&'static Column, Action)>,
    /// The operator's overrides.
    overrides: BTreeMap<&'static str, Action>,
}

/// The reason why an action is not possible for a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// No step declares the column.
    #[error("is not a column of any step; `privacy inventory` lists the columns")]
    UnknownColumn,
    /// Without the column rows could not be distinguished.
    #[error("identifies the rows, so it cannot be dropped; use `pseudonym` or `keep`")]
    Key,
    /// A key of technical objects.
    #[error("identifies technical objects, so it must be kept")]
    TechnicalKey,
    /// The action needs values of another form.
    #[error("cannot be `{action}`: {needs}")]
    Form {
        /// The action.
        action: Action,
        /// The form that the values would need.
        needs: &'static str,
    },
}

impl Policy {
    /// Makes the policy of a profile for the declared columns, changed by `overrides`. `keys` are
    /// the columns that identify rows.
    ///
    /// # Errors
    ///
    /// Each impossible override, with its column.
    pub fn new(
        profile: Profile,
        declared: &[&'static Column],
        keys: &[&str],
        overrides: &[(String, Action)],
    ) -> Result<Self, Vec<(String, OverrideError)>> {
        let defaults = declared.iter().map(|&column| {
            (column.name, (column, profile.action(column, keys.contains(&column.name))))
        });
        let mut policy = Self { profile, columns: defaults.collect(), overrides: BTreeMap::new() };
        let mut errors = Vec::new();
        for (name, action) in overrides {
            match policy.columns.get_mut(name.as_str()) {
                None => errors.push((name.clone(), OverrideError::UnknownColumn)),
                Some((column, current)) => {
                    let is_key = keys.contains(&column.name);
                    if let Err(error) = check(column, *action, is_key) {
                        errors.push((name.clone(), error));
                        continue;
                    }
                    if current != action {
                        policy.overrides.insert(column.name, *action);
                        *current = *action;
                    }
                }
            }
        }
        if errors.is_empty() { Ok(policy) } else { Err(errors) }
    }

    /// The profile of the policy.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The operator's overrides, by column, without those that equal the profile.
    pub fn overrides(&self) -> impl Iterator<Item = (&'static str, Action)> {
        self.overrides.iter().map(|(name, action)| (*name, *action))
    }

    /// Every declared column with its action, by name.
    pub fn columns(&self) -> impl Iterator<Item = (&'static Column, Action)> {
        self.columns.values().copied()
    }

    /// The action of a column; undeclared columns are dropped.
    pub fn action(&self, column: &str) -> Action {
        self.columns.get(column).map_or(Action::Drop, |(_, action)| *action)
    }

    /// Finds a declared column.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.get(name).map(|(column, _)| *column)
    }

    /// Returns true if the policy changes any value.
    pub fn changes_anything(&self) -> bool {
        self.columns.values().any(|(_, action)| *action != Action::Keep)
    }

    /// Returns true if the policy makes pseudonyms, so that a key is needed.
    pub fn needs_key(&self) -> bool {
        self.columns.values().any(|(_, action)| *action == Action::Pseudonym)
    }
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Full, Self::Pseudonymous, Self::Minimal];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Pseudonymous => "pseudonymous",
            Self::Minimal => "minimal",
        }
    }

    /// The action of a column without an override.
    pub fn action(self, column: &Column, is_key: bool) -> Action {
        match self {
            Self::Full => Action::Keep,
            Self::Pseudonymous => pseudonymous(column),
            Self::Minimal => minimal(column, is_key),
        }
    }
}

fn pseudonymous(column: &Column) -> Action {
    match (column.class, column.form) {
        // Nothing joins by a full name, so its pseudonym would only add risk.
        (_, ColumnForm::Identifier(IdentifierKind::PersonName) | ColumnForm::FreeText) => {
            Action::Drop
        }
        (_, ColumnForm::Identifier(_)) => Action::Pseudonym,
        (ColumnClass::Behaviour, ColumnForm::Time) => Action::Day,
        (_, ColumnForm::IpAddresses) => Action::Network,
        (_, ColumnForm::Time | ColumnForm::Plain) => Action::Keep,
    }
}

fn minimal(column: &Column, is_key: bool) -> Action {
    match (column.class, column.form) {
        (_, ColumnForm::Identifier(_)) if is_key => Action::Pseudonym,
        // Without these times, removed objects could not be told from present ones.
        (ColumnClass::Behaviour, ColumnForm::Time) => Action::Day,
        (ColumnClass::Technical, ColumnForm::Time | ColumnForm::Plain) => Action::Keep,
        _ => Action::Drop,
    }
}

/// Checks that an action is possible for a column.
fn check(column: &Column, action: Action, is_key: bool) -> Result<(), OverrideError> {
    let is_identifier = matches!(column.form, ColumnForm::Identifier(_));
    if is_key && !is_identifier && action != Action::Keep {
        return Err(OverrideError::TechnicalKey);
    }
    let needs = match action {
        Action::Drop if is_key => return Err(OverrideError::Key),
        Action::Pseudonym if !is_identifier => "its values are no identifiers",
        Action::Day if column.form != ColumnForm::Time => "its values are no times",
        Action::Network if column.form != ColumnForm::IpAddresses => {
            "its values are no IP addresses"
        }
        _ => return Ok(()),
    };
    Err(OverrideError::Form { action, needs })
}

impl Action {
    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::Pseudonym => "pseudonym",
            Self::Day => "day",
            Self::Network => "prefix/24",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let all = [Self::Keep, Self::Drop, Self::Pseudonym, Self::Day, Self::Network];
        let action = all.into_iter().find(|action| action.name() == text);
        action.ok_or("the actions are keep, drop, pseudonym, day and prefix/24")
    }
}

impl FromStr for Profile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let profile = Self::ALL.into_iter().find(|profile| profile.name() == text);
        profile.ok_or("the profiles are full, pseudonymous and minimal")
    }
}

#[cfg(test)]
mod tests {
    use core_model::column::{behaviour, direct, free_text, persistent, quasi, technical};

    use super::*;

    static COLUMNS: [Column; 9] = [
        persistent("user.uid", IdentifierKind::UserUid),
        direct("user.name", IdentifierKind::Login),
        direct("user.ad.full_name", IdentifierKind::PersonName),
        quasi("user.ad.department", ColumnForm::Plain),
        quasi("device.connectivity.last_local_ip", ColumnForm::IpAddresses),
        behaviour("user.last_seen"),
        technical("package.uid"),
        technical("package.name"),
        free_text("alert.trigger_value"),
    ];

    fn policy(
        profile: Profile,
        overrides: &[(&str, Action)],
    ) -> Result<Policy, Vec<(String, OverrideError)>> {
        let declared: Vec<&'static Column> = COLUMNS.iter().collect();
        let overrides: Vec<_> =
            overrides.iter().map(|(name, to)| ((*name).to_owned(), *to)).collect();
        Policy::new(profile, &declared, &["user.uid", "package.uid"], &overrides)
    }

    #[test]
    fn a_profile_derives_from_the_column_classes() {
        use Action::{Day, Drop, Keep, Network, Pseudonym};
        let table = [
            ("user.uid", Pseudonym, Pseudonym),
            ("user.name", Pseudonym, Drop),
            ("user.ad.full_name", Drop, Drop),
            ("user.ad.department", Keep, Drop),
            ("device.connectivity.last_local_ip", Network, Drop),
            ("user.last_seen", Day, Day),
            ("package.uid", Keep, Keep),
            ("package.name", Keep, Keep),
            ("alert.trigger_value", Drop, Drop),
            ("un.declared", Drop, Drop),
        ];
        let [full, pseudonymous, minimal] =
            Profile::ALL.map(|profile| policy(profile, &[]).expect("nothing is overridden"));
        for (column, in_pseudonymous, in_minimal) in table {
            assert_eq!(pseudonymous.action(column), in_pseudonymous, "{column}");
            assert_eq!(minimal.action(column), in_minimal, "{column}");
        }
        assert_eq!(full.action("user.name"), Keep);
        assert_eq!(full.action("un.declared"), Drop);
        assert!(!full.changes_anything() && !full.needs_key());
        assert!(pseudonymous.needs_key() && minimal.needs_key());
    }

    #[test]
    fn an_impossible_override_is_rejected_with_its_reason() {
        let table = [
            ("user.nane", Action::Drop, "is not a column of any step"),
            ("user.uid", Action::Drop, "cannot be dropped"),
            ("package.uid", Action::Drop, "it must be kept"),
            ("user.ad.department", Action::Pseudonym, "no identifiers"),
            ("user.name", Action::Day, "no times"),
            ("user.name", Action::Network, "cannot be `prefix/24`: its values are no IP addresses"),
        ];
        for (column, action, expected) in table {
            let errors = policy(Profile::Full, &[(column, action)]).expect_err("it makes no sense");
            assert_eq!(errors.len(), 1);
            assert_eq!(errors[0].0, column);
            assert!(errors[0].1.to_string().contains(expected), "{}", errors[0].1);
        }
    }

    #[test]
    fn all_errors_are_reported_at_once_and_a_redundant_override_is_dropped() {
        let wrong = [("user.nane", Action::Drop), ("user.uid", Action::Drop)];
        assert_eq!(policy(Profile::Full, &wrong).expect_err("both are wrong").len(), 2);
        let overrides = [("user.name", Action::Pseudonym), ("user.last_seen", Action::Drop)];
        let policy = policy(Profile::Pseudonymous, &overrides).expect("both make sense");
        assert_eq!(policy.overrides().collect::<Vec<_>>(), [("user.last_seen", Action::Drop)]);
        assert_eq!(policy.action("user.last_seen"), Action::Drop);
    }

    #[test]
    fn names_round_trip() {
        for action in ["keep", "drop", "pseudonym", "day", "prefix/24"] {
            assert_eq!(action.parse::<Action>().map(Action::name), Ok(action));
        }
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        assert!("Full".parse::<Profile>().is_err() && "hash".parse::<Action>().is_err());
    }
}
