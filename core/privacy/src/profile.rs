//! Profiles: what happens to each column before its first byte is kept, decided by what the column
//! tells about people, and changed column by column where the operator says so.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use core_model::column::{Column, ColumnClass, ColumnForm, Family};

/// How much of people an installation keeps.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Everything that is declared.
    #[default]
    Full,
    /// Pseudonyms for identifiers, days for times, networks for addresses; no full names and no free
    /// text.
    Pseudonymous,
    /// Technical data, under pseudonyms of what rows are identified by.
    Minimal,
}

/// What happens to the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// They stay as they are.
    Keep,
    /// They are empty.
    Drop,
    /// Pseudonyms stand for them.
    Pseudonym,
    /// Of a point in time, the day.
    Day,
    /// Of an IP address, the network: 24 bits of IPv4, 48 of IPv6.
    Network,
}

/// What happens to every column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    profile: Profile,
    columns: BTreeMap<&'static str, (&'static Column, Action)>,
    /// What the operator changed.
    overrides: BTreeMap<&'static str, Action>,
}

/// Why an action cannot be that of a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// No step declares the column.
    #[error("is no column that a step reads; `privacy inventory` lists them")]
    UnknownColumn,
    /// The rows could not be told apart without it.
    #[error("identifies the rows, so it cannot be dropped; `pseudonym` or `keep` can stand there")]
    Key,
    /// A key of technical objects.
    #[error("identifies technical objects, so it is kept")]
    TechnicalKey,
    /// The action needs values of another form.
    #[error("cannot be `{action}`: {needs}")]
    Form {
        /// The action.
        action: Action,
        /// What its values would have to be.
        needs: &'static str,
    },
}

impl Policy {
    /// What a profile does to the declared columns, changed by `overrides`. `keys` are the columns that
    /// identify rows.
    ///
    /// # Errors
    ///
    /// Each override that makes no sense, with its column.
    pub fn new(
        profile: Profile,
        declared: &[&'static Column],
        keys: &[&str],
        overrides: &[(String, Action)],
    ) -> Result<Policy, Vec<(String, OverrideError)>> {
        let defaults =
            declared.iter().map(|&it| (it.name, (it, profile.action(it, keys.contains(&it.name)))));
        let mut policy =
            Policy { profile, columns: defaults.collect(), overrides: BTreeMap::new() };
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

    /// The profile that the policy began with.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// What the operator changed, by column; nothing that says what the profile says anyway.
    pub fn overrides(&self) -> impl Iterator<Item = (&'static str, Action)> {
        self.overrides.iter().map(|(name, action)| (*name, *action))
    }

    /// Every declared column with what happens to it, by name.
    pub fn columns(&self) -> impl Iterator<Item = (&'static Column, Action)> {
        self.columns.values().copied()
    }

    /// What happens to a column; one that nobody declared is dropped.
    pub fn action(&self, column: &str) -> Action {
        self.columns.get(column).map_or(Action::Drop, |(_, action)| *action)
    }

    /// A declared column.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.get(name).map(|(column, _)| *column)
    }

    /// Whether any value is changed.
    pub fn changes_anything(&self) -> bool {
        self.columns.values().any(|(_, action)| *action != Action::Keep)
    }

    /// Whether pseudonyms are made, so that a key is needed.
    pub fn needs_key(&self) -> bool {
        self.columns.values().any(|(_, action)| *action == Action::Pseudonym)
    }
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 3] = [Profile::Full, Profile::Pseudonymous, Profile::Minimal];

    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Full => "full",
            Profile::Pseudonymous => "pseudonymous",
            Profile::Minimal => "minimal",
        }
    }

    /// What happens to a column of which nothing else is said.
    pub fn action(self, column: &Column, is_key: bool) -> Action {
        match self {
            Profile::Full => Action::Keep,
            Profile::Pseudonymous => pseudonymous(column),
            Profile::Minimal => minimal(column, is_key),
        }
    }
}

fn pseudonymous(column: &Column) -> Action {
    match (column.class, column.form) {
        // Nothing joins by a full name, so that its pseudonym would only add risk.
        (_, ColumnForm::Identifier(Family::PersonName) | ColumnForm::FreeText) => Action::Drop,
        (_, ColumnForm::Identifier(_)) => Action::Pseudonym,
        (ColumnClass::Behaviour, ColumnForm::Time) => Action::Day,
        (_, ColumnForm::IpAddresses) => Action::Network,
        (_, ColumnForm::Time | ColumnForm::Plain) => Action::Keep,
    }
}

fn minimal(column: &Column, is_key: bool) -> Action {
    match (column.class, column.form) {
        (_, ColumnForm::Identifier(_)) if is_key => Action::Pseudonym,
        // Without it, what is gone cannot be told from what is there.
        (ColumnClass::Behaviour, ColumnForm::Time) => Action::Day,
        (ColumnClass::Technical, ColumnForm::Time | ColumnForm::Plain) => Action::Keep,
        _ => Action::Drop,
    }
}

/// Whether an action can be that of a column.
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
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Keep => "keep",
            Action::Drop => "drop",
            Action::Pseudonym => "pseudonym",
            Action::Day => "day",
            Action::Network => "prefix/24",
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

    fn from_str(text: &str) -> Result<Action, &'static str> {
        let all = [Action::Keep, Action::Drop, Action::Pseudonym, Action::Day, Action::Network];
        let action = all.into_iter().find(|it| it.name() == text);
        action.ok_or("the actions are keep, drop, pseudonym, day and prefix/24")
    }
}

impl FromStr for Profile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Profile, &'static str> {
        let profile = Profile::ALL.into_iter().find(|it| it.name() == text);
        profile.ok_or("the profiles are full, pseudonymous and minimal")
    }
}

#[cfg(test)]
mod tests {
    use core_model::column::{behaviour, direct, free_text, persistent, quasi, technical};

    use super::*;

    static COLUMNS: [Column; 9] = [
        persistent("user.uid", Family::UserUid),
        direct("user.name", Family::Login),
        direct("user.ad.full_name", Family::PersonName),
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
        let overrides: Vec<_> = overrides.iter().map(|(it, to)| ((*it).to_owned(), *to)).collect();
        Policy::new(profile, &declared, &["user.uid", "package.uid"], &overrides)
    }

    #[test]
    fn a_profile_follows_from_the_classes() {
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
            ("nobody.declared_this", Drop, Drop),
        ];
        let [full, pseudonymous, minimal] =
            Profile::ALL.map(|it| policy(it, &[]).expect("nothing is overridden"));
        for (column, in_pseudonymous, in_minimal) in table {
            assert_eq!(pseudonymous.action(column), in_pseudonymous, "{column}");
            assert_eq!(minimal.action(column), in_minimal, "{column}");
        }
        assert_eq!(full.action("user.name"), Keep);
        assert_eq!(full.action("nobody.declared_this"), Drop);
        assert!(!full.changes_anything() && !full.needs_key());
        assert!(pseudonymous.needs_key() && minimal.needs_key());
    }

    #[test]
    fn an_override_that_makes_no_sense_is_refused_with_its_reason() {
        let table = [
            ("user.nane", Action::Drop, "is no column that a step reads"),
            ("user.uid", Action::Drop, "cannot be dropped"),
            ("package.uid", Action::Drop, "it is kept"),
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
    fn all_mistakes_are_told_at_once_and_what_says_nothing_new_is_no_override() {
        let wrong = [("user.nane", Action::Drop), ("user.uid", Action::Drop)];
        assert_eq!(policy(Profile::Full, &wrong).expect_err("both are wrong").len(), 2);
        let overrides = [("user.name", Action::Pseudonym), ("user.last_seen", Action::Drop)];
        let policy = policy(Profile::Pseudonymous, &overrides).expect("both make sense");
        assert_eq!(policy.overrides().collect::<Vec<_>>(), [("user.last_seen", Action::Drop)]);
        assert_eq!(policy.action("user.last_seen"), Action::Drop);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for action in ["keep", "drop", "pseudonym", "day", "prefix/24"] {
            assert_eq!(action.parse::<Action>().map(Action::name), Ok(action));
        }
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        assert!("Full".parse::<Profile>().is_err() && "hash".parse::<Action>().is_err());
    }
}
