//! The step crates that are part of the program.
//!
//! A step registers itself by being linked in, and a crate that nothing names is not linked in.
//! `unused_crate_dependencies` makes a missing line here a build error.

use step_account as _;
use step_alerts as _;
use step_audit as _;
use step_device_users as _;
use step_devices as _;
use step_packages as _;
use step_users as _;
