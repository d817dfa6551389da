//! Help for mistakes, with the names that stand in the query.

use crate::diagnostic::J1qlError;
use crate::graph::{Graph, PossibleType};
use crate::syntax::{Direction, Step};

use super::{Plan, is_meant};

impl J1qlError {
    /// Says how to get the type that is lacking.
    pub(super) fn yet_to_be_made(mut self, possible: &PossibleType) -> Self {
        self.message.push_str(" yet");
        self.with_help(possible.how_to_get())
    }
}

impl Plan<'_> {
    /// Returns a type of relationships that the graph lacks and can get, and that a step between two nodes would follow.
    pub(super) fn absent<'a>(
        &self,
        step: &Step,
        left: usize,
        right: usize,
        graph: &'a Graph,
    ) -> Option<&'a PossibleType> {
        let has =
            |node: usize, name: &str| self.nodes[node].types.iter().any(|known| known.name == name);
        let leads = |(possible, from, to): &(&PossibleType, &String, &String)| {
            let is_class = possible.classes.iter().any(|class| is_meant(&step.verb.value, class));
            let goes_out = has(left, from) && has(right, to) && step.direction != Direction::In;
            let comes_in = has(left, to) && has(right, from) && step.direction != Direction::Out;
            is_class && (goes_out || comes_in)
        };
        graph.absent_relationships().find(leads).map(|(possible, ..)| possible)
    }

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
