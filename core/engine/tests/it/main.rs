//! Runs and deliveries in process, against a simulated tenant and a simulated JupiterOne: no environment, no terminal,
//! no exit code.

mod audits;
mod bucket;
mod checks;
mod deliveries;
mod delivery_rules;
mod destinations;
mod destructions;
mod erased_findings;
mod erasure_damage;
mod erasures;
mod estate;
mod export_files;
mod failures;
mod findings;
mod keys;
mod mirrors;
mod parts;
mod people;
mod plans;
mod records;
mod retention;
mod rules;
mod runs;
mod seeds;
mod settings;
mod stopping;
mod stored;
mod support;
mod trouble;
mod whole_runs;
mod world;
mod year;

// A step that no code names is not linked, and so not in the registry.
use step_account as _;
use step_alerts as _;
use step_audit as _;
use step_devices as _;
use step_packages as _;
use step_users as _;
