//! The action of a delivery on each type, as a pure function of its present and its wanted state.

use std::collections::{BTreeMap, BTreeSet};

use super::{MirroredType, MirroredTypes};

/// The entry that a database has of one of its types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The mark of the rows that were delivered last.
    pub mark: String,
    /// True if it has exactly those rows, and none from before.
    pub is_exact: bool,
    /// The types of both ends of a relationship type.
    pub ends: Option<(String, String)>,
    /// True if nothing of it was removed by the last delivery.
    pub is_partial: bool,
}

/// The action on the rows of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The database does not have it: it is created and filled.
    Create,
    /// Its rows become those of the generation; others are removed from it if `removes` says so.
    Merge {
        /// True if rows that the generation does not have are removed.
        removes: bool,
    },
    /// It has these rows already.
    Unchanged,
    /// It is removed with all its rows.
    Drop,
    /// The generation knows nothing of it.
    Keep,
}

/// The actions of a delivery.
pub struct Wanted<'a> {
    /// The types that the database is to have.
    pub types: &'a MirroredTypes,
    /// The types that are removed.
    pub withheld: &'a BTreeSet<String>,
    /// True if every type is written, whatever its record in the database says.
    pub is_full: bool,
    /// True if people were erased since the last delivery: then nothing stays that the generation does not have.
    pub after_erasure: bool,
    /// Returns true if objects of a type go when a person or device is erased.
    pub may_be_erased: fn(&str) -> bool,
}

/// Decides the action on each type of the database and of the delivery, by name.
#[must_use]
pub fn decide(held: &BTreeMap<String, Held>, wanted: &Wanted<'_>) -> BTreeMap<String, Action> {
    let mut actions = BTreeMap::new();
    for (name, table) in wanted.types {
        let removes = wanted.after_erasure || !table.is_partial;
        let action = match held.get(name) {
            None => Action::Create,
            // A table with rows from before is written each time: those may have to go now, or lose an end.
            Some(held) if held.mark == table.mark && held.is_exact && !wanted.is_full => {
                Action::Unchanged
            }
            Some(_) => Action::Merge { removes },
        };
        actions.insert(name.clone(), action);
    }
    for (name, held) in held.iter().filter(|(name, _)| !wanted.types.contains_key(*name)) {
        let may_be_erased = wanted.may_be_erased;
        let touches = |(from, to): &(String, String)| may_be_erased(from) || may_be_erased(to);
        let may_have_people = may_be_erased(name) || held.ends.as_ref().is_some_and(touches);
        let is_dropped =
            wanted.withheld.contains(name) || (wanted.after_erasure && may_have_people);
        actions.insert(name.clone(), if is_dropped { Action::Drop } else { Action::Keep });
    }
    actions
}

/// Returns the types that stay although the generation does not have them, as the record of a delivery needs them.
pub fn kept(
    actions: &BTreeMap<String, Action>,
    held: &BTreeMap<String, Held>,
) -> impl Iterator<Item = (String, MirroredType)> {
    let kept = actions.iter().filter(|(_, action)| **action == Action::Keep);
    kept.filter_map(|(name, _)| Some((name.clone(), held.get(name)?.clone().into())))
}

/// Returns true if the database has every type as it is to be. The types of `wanted` say which are to be partial.
#[must_use]
pub fn is_nothing_to_do(
    actions: &BTreeMap<String, Action>,
    held: &BTreeMap<String, Held>,
    wanted: &MirroredTypes,
) -> bool {
    actions.iter().all(|(name, action)| match action {
        Action::Keep => true,
        Action::Unchanged => held
            .get(name)
            .zip(wanted.get(name))
            .is_some_and(|(held, wanted)| held.is_partial == wanted.is_partial),
        Action::Create | Action::Merge { .. } | Action::Drop => false,
    })
}

impl From<Held> for MirroredType {
    fn from(held: Held) -> Self {
        Self { ends: held.ends, mark: held.mark, is_partial: held.is_partial }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(
        name: &str,
        held: Option<(&str, bool)>,
        table: Option<(&str, bool)>,
        is_full: bool,
        after_erasure: bool,
        is_withheld: bool,
    ) -> Action {
        let ends = name.contains('_').then(|| ("user".to_owned(), "device".to_owned()));
        let there = held.map(|(mark, is_exact)| {
            let mark = mark.to_owned();
            (name.to_owned(), Held { mark, is_exact, ends: ends.clone(), is_partial: false })
        });
        let types = table.map(|(mark, is_partial)| {
            let mark = mark.to_owned();
            (name.to_owned(), MirroredType { ends: ends.clone(), mark, is_partial })
        });
        let types: MirroredTypes = types.into_iter().collect();
        let withheld = is_withheld.then(|| name.to_owned()).into_iter().collect();
        let wanted = Wanted {
            types: &types,
            withheld: &withheld,
            is_full,
            after_erasure,
            may_be_erased: |name| name == "user",
        };
        decide(&there.into_iter().collect(), &wanted)[name]
    }

    #[test]
    fn rows_go_only_from_complete_types_and_after_an_erasure() {
        let (removes, keeps) = (Action::Merge { removes: true }, Action::Merge { removes: false });
        for (held, table, is_full, after_erasure, expected) in [
            (None, ("a", false), false, false, Action::Create),
            (Some(("a", true)), ("a", false), false, false, Action::Unchanged),
            (Some(("a", true)), ("a", true), false, false, Action::Unchanged),
            (Some(("a", true)), ("a", false), true, false, removes),
            (Some(("a", true)), ("b", false), false, false, removes),
            (Some(("a", true)), ("b", true), false, false, keeps),
            (Some(("a", true)), ("b", true), false, true, removes),
            (Some(("a", true)), ("a", true), false, true, Action::Unchanged),
            (Some(("a", false)), ("a", false), false, false, removes),
            (Some(("a", false)), ("a", true), false, false, keeps),
            (Some(("a", false)), ("a", true), false, true, removes),
        ] {
            let found = action("user", held, Some(table), is_full, after_erasure, false);
            assert_eq!(found, expected, "{held:?} {table:?} {is_full} {after_erasure}");
        }
    }

    #[test]
    fn a_type_that_is_not_delivered_stays_unless_it_is_purged_or_may_have_the_erased() {
        for (name, after_erasure, is_withheld, expected) in [
            ("user", false, false, Action::Keep),
            ("user", false, true, Action::Drop),
            ("user", true, false, Action::Drop),
            ("user_device", true, false, Action::Drop),
            ("user_device", false, false, Action::Keep),
            ("package", true, false, Action::Keep),
        ] {
            let found = action(name, Some(("a", true)), None, false, after_erasure, is_withheld);
            assert_eq!(found, expected, "{name} {after_erasure} {is_withheld}");
        }
    }

    #[test]
    fn there_is_nothing_to_do_if_each_type_is_whole_or_partial_as_it_is_to_be() {
        for (action, is_partial, is_done) in [
            (Action::Unchanged, false, true),
            (Action::Unchanged, true, false),
            (Action::Keep, true, true),
            (Action::Create, false, false),
            (Action::Merge { removes: true }, false, false),
            (Action::Drop, false, false),
        ] {
            let actions = BTreeMap::from([("user".to_owned(), action)]);
            let held = BTreeMap::from([("user".to_owned(), Held::default())]);
            let wanted = MirroredType { is_partial, ..MirroredType::default() };
            let wanted = BTreeMap::from([("user".to_owned(), wanted)]);
            assert_eq!(is_nothing_to_do(&actions, &held, &wanted), is_done, "{action:?}");
            let expected = usize::from(action == Action::Keep);
            assert_eq!(kept(&actions, &held).count(), expected, "{action:?}");
        }
    }
}
