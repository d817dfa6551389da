//! libFuzzer with one of the targets, which the variable `FUZZ_TARGET` names. `cargo xtask fuzz` builds and starts it.

#![no_main]

mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

use self::targets::{TARGETS, Target};

/// The chosen target.
static CHOSEN: OnceLock<&Target> = OnceLock::new();

/// Returns the target that the environment names.
#[expect(clippy::disallowed_methods, reason = "libFuzzer keeps the command line for itself")]
fn chosen() -> &'static Target {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.expect("FUZZ_TARGET names a target")
}

fuzz_target!(|bytes: &[u8]| {
    (CHOSEN.get_or_init(chosen).run)(bytes);
});
