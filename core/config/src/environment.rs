//! The environment of a process, as its caller passes it in: no test depends on the variables that it runs with.

use std::collections::BTreeMap;
use std::fmt;

/// The environment of a process.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    /// Returns the value of a variable.
    pub variable: fn(&str) -> Option<String>,
    /// Returns the variables whose names begin with a prefix, and their values.
    pub variables: fn(&str) -> BTreeMap<String, String>,
    /// Returns what the user types to start this program, for messages.
    pub own_command: fn() -> &'static str,
}

/// A variable of an environment, which is read when its value is needed.
#[derive(Clone)]
pub struct Variable {
    name: String,
    environment: Environment,
}

impl Environment {
    /// Returns the value of the first of some variables that is set.
    pub(crate) fn first(&self, names: [&str; 2]) -> Option<String> {
        names.into_iter().find_map(self.variable)
    }
}

impl Variable {
    /// The variable of this name.
    pub fn new(name: String, environment: Environment) -> Self {
        Self { name, environment }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn value(&self) -> Option<String> {
        (self.environment.variable)(&self.name)
    }
}

/// Shows the name, and never the value.
impl fmt::Debug for Variable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(formatter)
    }
}
