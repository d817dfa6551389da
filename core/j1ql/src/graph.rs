//! The schema of a graph: its types of entities and relationships and their properties. A query is checked
//! against it.

/// The property that says when the first kept generation that has an object was made. No table has it: it
/// comes from the history of the type.
pub const CREATED_ON: &str = "_createdOn";

/// The types of a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// The types of entities.
    pub entities: Vec<EntityTable>,
    /// The types of relationships.
    pub relationships: Vec<RelationshipTable>,
    /// The types that can be made, whether the graph has them or not. A query that asks for one that it lacks is told
    /// how to make it.
    pub possible: Vec<PossibleType>,
}

/// A type that a graph may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PossibleType {
    /// The `_type`, which is the table's name.
    pub name: String,
    /// The `_class`; that of a relationship is in upper case.
    pub classes: Vec<String>,
    /// The types that a relationship goes out from and goes to; none for entities.
    pub ends: Option<(String, String)>,
    /// The condition under which it is made, such as "`queries.packages` names a query".
    pub condition: String,
}

/// A type of entities: a table with a row for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTable {
    /// The `_type`, which is the table's name.
    pub name: String,
    /// The `_class`.
    pub classes: Vec<String>,
    /// The columns, in order, `_key`, `_type` and `_class` among them.
    pub properties: Vec<Property>,
    /// True if earlier generations may have the type.
    pub has_history: bool,
}

/// A type of relationships: a table with a row for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationshipTable {
    /// The `_type`, which is the table's name.
    pub name: String,
    /// The `_class`, in upper case.
    pub class: String,
    /// The type of the entities that it goes out from.
    pub from: String,
    /// The type of the entities that it goes to.
    pub to: String,
    /// The columns, in order, `_key`, `_type` and both ends among them.
    pub properties: Vec<Property>,
    /// True if earlier generations may have the type.
    pub has_history: bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub kind: Kind,
}

/// The type of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Whole or other numbers.
    Number,
    /// True or false.
    Boolean,
    /// A moment, compared in milliseconds since 1970-01-01 UTC.
    Time,
    /// A list of texts.
    TextList,
}

impl Kind {
    /// The kind in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Time => "a time",
            Self::TextList => "a list of texts",
        }
    }
}

impl Graph {
    /// The types of entities with this name or class.
    pub(crate) fn types_named(&self, name: &str) -> Vec<&EntityTable> {
        let is_it = |table: &&EntityTable| {
            table.name == name || table.classes.iter().any(|class| class == name)
        };
        self.entities.iter().filter(is_it).collect()
    }

    /// The types that can be made and that the graph lacks.
    fn absent(&self) -> impl Iterator<Item = &PossibleType> {
        self.possible.iter().filter(|possible| {
            let is_it = |name: &String| *name == possible.name;
            !self.entities.iter().any(|table| is_it(&table.name))
                && !self.relationships.iter().any(|table| is_it(&table.name))
        })
    }

    /// The condition under which the graph gets a type that it lacks; none for a type that it has or can never have.
    pub fn condition_of(&self, name: &str) -> Option<&str> {
        let mut absent = self.absent();
        absent.find(|possible| possible.name == name).map(|possible| &*possible.condition)
    }

    /// A type of entities with this name or class that the graph lacks and can get.
    pub(crate) fn absent_entity(&self, name: &str) -> Option<&PossibleType> {
        self.absent().filter(|possible| possible.ends.is_none()).find(|possible| {
            possible.name == name || possible.classes.iter().any(|class| class == name)
        })
    }

    /// The types of relationships that the graph lacks and can get, with both ends.
    pub(crate) fn absent_relationships(
        &self,
    ) -> impl Iterator<Item = (&PossibleType, &String, &String)> {
        self.absent()
            .filter_map(|possible| possible.ends.as_ref().map(|(from, to)| (possible, from, to)))
    }
}

impl PossibleType {
    /// The way to get it.
    pub(crate) fn how_to_get(&self) -> String {
        format!("{} is made once {} and a run has read it", self.name, self.condition)
    }
}

impl EntityTable {
    /// The kind of a property, if the type has it.
    pub fn kind(&self, property: &str) -> Option<Kind> {
        kind_in(&self.properties, self.has_history, property)
    }
}

impl RelationshipTable {
    /// The kind of a property, if the type has it.
    pub fn kind(&self, property: &str) -> Option<Kind> {
        kind_in(&self.properties, self.has_history, property)
    }
}

fn kind_in(properties: &[Property], has_history: bool, name: &str) -> Option<Kind> {
    if name == CREATED_ON {
        return has_history.then_some(Kind::Time);
    }
    properties.iter().find(|property| property.name == name).map(|property| property.kind)
}
