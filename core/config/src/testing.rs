//! Environments for tests.

use std::collections::BTreeMap;

// A step that nothing names is not linked in, and then not in the registry.
use step_account as _;
use step_alerts as _;
use step_audit as _;
use step_devices as _;
use step_packages as _;
use step_users as _;

use crate::environment::Environment;

/// An environment with these variables. None of them overrides a setting.
pub(crate) fn environment(variable: fn(&str) -> Option<String>) -> Environment {
    Environment { variable, variables: |_| BTreeMap::new(), own_command: || "nexthink-graph" }
}

/// An environment without variables.
pub(crate) fn empty_environment() -> Environment {
    environment(|_| None)
}
