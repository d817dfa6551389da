//! The changes of a delivery, in numbers of objects.

use serde::Serialize;

/// The remark of a plan after an erasure. An erasure also takes people out of the generation that was delivered last, so
/// a comparison with it no longer finds them.
pub const ERASED_NOT_COUNTED: &str = "erased people and devices are deleted too, with their relationships; this table does not count them";

/// The changes of a delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryPlan {
    /// The types in the order in which they would be delivered, then those that are gone.
    pub types: Vec<TypeChanges>,
    /// Types that were partial and are complete now: only now the destination may delete what it has of them
    /// and this program does not know.
    pub completed: Vec<String>,
}

/// The changes of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeChanges {
    /// The `_type`.
    pub type_name: String,
    /// Objects that the destination does not have.
    pub creates: u64,
    /// Objects that it has with other properties.
    pub updates: u64,
    /// Objects that it would delete, relationships that go with one of their ends included.
    pub deletes: u64,
    /// Objects that it keeps although they are not delivered, because the type is partial.
    pub kept: u64,
    /// Objects that stay as they are.
    pub unchanged: u64,
}

impl DeliveryPlan {
    /// The number of objects that the destination is expected to delete.
    pub fn deletes(&self) -> u64 {
        self.types.iter().map(|changes| changes.deletes).sum()
    }

    /// Returns true if nothing would change.
    pub fn is_empty(&self) -> bool {
        self.completed.is_empty() && self.types.iter().all(TypeChanges::is_empty)
    }
}

impl TypeChanges {
    /// Compares the rows of a type with those of the delivery before, each a key and a content. Objects that
    /// are missing now are deleted, or kept if the type is partial.
    pub fn between(
        type_name: &str,
        is_partial: bool,
        mut before: Vec<(u64, u64)>,
        now: impl IntoIterator<Item = (u64, u64)>,
    ) -> Self {
        let mut changes = Self { type_name: type_name.to_owned(), ..Self::default() };
        before.sort_unstable();
        let mut missing = before.len() as u64;
        for (key, content) in now {
            match before.binary_search_by_key(&key, |(key, _)| *key) {
                Ok(at) => {
                    missing = missing.saturating_sub(1);
                    if before[at].1 == content {
                        changes.unchanged += 1;
                    } else {
                        changes.updates += 1;
                    }
                }
                Err(_) => changes.creates += 1,
            }
        }
        if is_partial {
            changes.kept = missing;
        } else {
            changes.deletes = missing;
        }
        changes
    }

    /// Returns true if nothing would change.
    pub fn is_empty(&self) -> bool {
        self.creates + self.updates + self.deletes == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_object_is_created_updated_unchanged_deleted_or_kept() {
        let before = vec![(3, 30), (1, 10), (2, 20)];
        let now = [(2, 20), (3, 31), (4, 40)];
        let complete = TypeChanges::between("type", false, before.clone(), now);
        let counts = |changes: &TypeChanges| {
            [changes.creates, changes.updates, changes.deletes, changes.kept, changes.unchanged]
        };
        assert_eq!(counts(&complete), [1, 1, 1, 0, 1]);
        let partial = TypeChanges::between("type", true, before, now);
        assert_eq!(counts(&partial), [1, 1, 0, 1, 1]);
    }

    #[test]
    fn a_plan_is_empty_unless_something_changes_or_a_type_becomes_complete() {
        let unchanged = TypeChanges { unchanged: 5, kept: 3, ..TypeChanges::default() };
        let plan =
            |types: Vec<TypeChanges>, completed: Vec<String>| DeliveryPlan { types, completed };
        assert!(plan(vec![unchanged.clone()], Vec::new()).is_empty());
        assert!(!plan(vec![unchanged.clone()], vec!["type".to_owned()]).is_empty());
        for changes in [
            TypeChanges { creates: 1, ..unchanged.clone() },
            TypeChanges { updates: 1, ..unchanged.clone() },
            TypeChanges { deletes: 1, ..unchanged.clone() },
        ] {
            assert!(!plan(vec![changes], Vec::new()).is_empty());
        }
    }

    proptest! {
        #[test]
        fn the_counts_are_those_of_a_comparison_of_two_maps(
            before in btree_map(0_u64..20, 0_u64..3, 0..20),
            now in btree_map(0_u64..20, 0_u64..3, 0..20),
            is_partial: bool,
        ) {
            let pairs = |map: &BTreeMap<u64, u64>| map.iter().rev().map(|(key, value)| (*key, *value)).collect::<Vec<_>>();
            let changes = TypeChanges::between("type", is_partial, pairs(&before), pairs(&now));
            let count = |is_wanted: &dyn Fn(Option<&u64>, Option<&u64>) -> bool| {
                (0..20).filter(|key| is_wanted(before.get(key), now.get(key))).count() as u64
            };
            prop_assert_eq!(changes.creates, count(&|then, now| then.is_none() && now.is_some()));
            prop_assert_eq!(changes.updates, count(&|then, now| then.is_some() && now.is_some() && then != now));
            prop_assert_eq!(changes.unchanged, count(&|then, now| then.is_some() && then == now));
            let missing = count(&|then, now| then.is_some() && now.is_none());
            prop_assert_eq!((changes.kept, changes.deletes), if is_partial { (missing, 0) } else { (0, missing) });
        }
    }
}
