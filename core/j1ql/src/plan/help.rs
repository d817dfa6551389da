//! Help for mistakes, with the names that stand in the query.

use super::Plan;

impl Plan<'_> {
    /// Returns how to count.
    pub(crate) fn counting_help(&self) -> String {
        match self.example_name() {
            Some(name) => format!("write count({name}) or count({name}.displayName)"),
            None => "give the entity a name with AS, and count that".to_owned(),
        }
    }

    /// Returns a name that a selector can begin with.
    fn example_name(&self) -> Option<&str> {
        self.names.keys().next().map(String::as_str)
    }

    /// Returns how to say whose property is meant.
    pub(crate) fn naming_help(&self, property: &str) -> String {
        match self.example_name() {
            Some(name) => format!("name the entity first: {name}.{property}"),
            None => format!("give the entity a name: … AS entity, then entity.{property}"),
        }
    }
}
