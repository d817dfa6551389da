//! The program from outside: the built executable against a simulated tenant over real HTTP.
//!
//! `kit` has what the tests share; every other module is one subject. `conformance`,
//! `integration_page`, and `linking` need no running program.

mod audit;
mod checks;
mod commands;
mod conformance;
mod counts;
mod crashes;
mod damage;
mod deletion;
mod demo;
mod destinations;
mod diff;
mod examples;
mod explorer;
mod failures;
mod faults;
mod fleet;
mod graph;
mod hostile;
mod integration_page;
mod j1ql;
mod kit;
mod leaks;
mod linking;
mod lock;
mod mcp;
mod monitoring;
mod parts;
mod postgres_wire;
mod privacy;
mod queries;
mod questions;
mod repetition;
mod resuming;
mod rules;
mod schedule;
mod service_manager;
mod software;
mod support_bundle;
mod waiting;

// A step that nothing names is not linked in, and `Step::all` would not have it.
use step_alerts as _;
use step_audit as _;
use step_device_users as _;
use step_devices as _;
use step_packages as _;
use step_users as _;
