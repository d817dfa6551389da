//! A store for tests.

// A step that nothing names is not linked in, and then not in the registry.
use step_account as _;
use step_alerts as _;
use step_audit as _;
use step_devices as _;
use step_packages as _;
use step_users as _;
