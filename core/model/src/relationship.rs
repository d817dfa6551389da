//! One type of relationship: an edge of the graph, drawn by each row that names both its ends.

use crate::class::RelationshipClass;
use crate::entity::EntityType;
use crate::property::Property;
use crate::text;

/// The column with the source's key of every relationship table.
pub const FROM_KEY: &str = "_fromEntityKey";

/// The column with the target's key of every relationship table.
pub const TO_KEY: &str = "_toEntityKey";

/// One type of relationship.
#[derive(Debug)]
pub struct RelationshipType {
    /// The graph's `_type`: the type of the source, the class, and the type of the target without
    /// the leading words that it shares with the source. Checked at compile time.
    pub type_name: &'static str,
    /// The source of the edge.
    pub from: End,
    /// The meaning of the edge.
    pub class: RelationshipClass,
    /// The target of the edge.
    pub to: End,
    /// The properties that the edge copies from its target.
    pub properties: &'static [EdgeProperty],
}

/// One end of an edge: the entity that a row points at.
#[derive(Debug)]
pub struct End {
    /// The type of the entity.
    pub entity: &'static EntityType,
    /// The column that holds its key; `None` for a type with only one entity.
    pub column: Option<&'static str>,
}

/// A property of an edge. It is always a property of the target entity, so it takes no memory per
/// edge.
#[derive(Debug)]
pub struct EdgeProperty {
    /// The name, which is that of the entity's property.
    pub name: &'static str,
    /// One sentence for the data-model page.
    pub description: &'static str,
}

/// Declares an end that is the only entity of its type.
pub const fn singleton(entity: &'static EntityType) -> End {
    End { entity, column: None }
}

/// Declares an end that a column of the row names.
pub const fn by_column(entity: &'static EntityType, column: &'static str) -> End {
    assert!(
        text::equal(entity.key_column, column),
        "the end of an edge is named by the key column of its type"
    );
    End { entity, column: Some(column) }
}

impl RelationshipType {
    /// Rejects, at compile time, a wrong type name and a property that the target lacks.
    #[must_use]
    pub const fn checked(self) -> Self {
        assert!(
            self.has_right_type_name(),
            "the type name is <from type>_<class>_<to type without the words both share>"
        );
        let mut i = 0;
        while i < self.properties.len() {
            assert!(
                self.to.entity.property(self.properties[i].name).is_some(),
                "the target has no property of this name"
            );
            i += 1;
        }
        self
    }

    /// The property of the target that an edge copies.
    pub fn target_property(&self, property: &EdgeProperty) -> &'static Property {
        self.to.entity.property(property.name).expect("checked at compile time")
    }

    const fn has_right_type_name(&self) -> bool {
        let name = self.type_name.as_bytes();
        let from = self.from.entity.type_name.as_bytes();
        let class = self.class.lower_case_name().as_bytes();
        let to = self.to.entity.type_name.as_bytes();
        let rest = shared_words(from, to);
        let expected_len = from.len() + 1 + class.len() + 1 + (to.len() - rest);
        name.len() == expected_len
            && text::equal_at(name, 0, from, 0, from.len())
            && name[from.len()] == b'_'
            && text::equal_at(name, from.len() + 1, class, 0, class.len())
            && name[from.len() + 1 + class.len()] == b'_'
            && text::equal_at(name, expected_len - (to.len() - rest), to, rest, to.len() - rest)
    }
}

/// The number of leading bytes of `to` that are whole words, with their underscore, with which
/// `from` begins too.
const fn shared_words(from: &[u8], to: &[u8]) -> usize {
    let (mut shared, mut i) = (0, 0);
    while i < from.len() && i < to.len() && from[i] == to[i] {
        i += 1;
        if from[i - 1] == b'_' {
            shared = i;
        }
    }
    shared
}
