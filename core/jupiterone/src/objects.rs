//! The two kinds of objects, by JupiterOne's names, and the frame that a list of them stands in.

use core_store::TableKind;

/// The kind of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Entities,
    Relationships,
}

/// The end of a list of objects.
pub(crate) const LIST_END: &[u8] = b"]}";

impl ObjectKind {
    /// The name of the list.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Entities => "entities",
            Self::Relationships => "relationships",
        }
    }

    /// Returns the beginning of a list of objects.
    pub(crate) fn list_start(self) -> &'static [u8] {
        match self {
            Self::Entities => b"{\"entities\":[",
            Self::Relationships => b"{\"relationships\":[",
        }
    }

    /// The tables that hold the objects.
    pub(crate) fn tables(self) -> TableKind {
        match self {
            Self::Entities => TableKind::Entity,
            Self::Relationships => TableKind::Relationship,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_frame_of_a_list_makes_an_object_with_the_list_under_its_name() {
        for kind in [ObjectKind::Entities, ObjectKind::Relationships] {
            for objects in ["", "{}", "{},{}"] {
                let bytes = [kind.list_start(), objects.as_bytes(), LIST_END].concat();
                let list: Value = serde_json::from_slice(&bytes).expect("it is JSON");
                let count = objects.matches("{}").count();
                assert_eq!(list, json!({ kind.name(): vec![json!({}); count] }));
            }
        }
    }

    #[test]
    fn entities_and_relationships_come_from_tables_of_their_kind() {
        assert_eq!(ObjectKind::Entities.tables(), TableKind::Entity);
        assert_eq!(ObjectKind::Relationships.tables(), TableKind::Relationship);
    }
}
