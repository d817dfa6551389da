//! The program under test: the runner's `main`, built here because Cargo builds the binaries of a
//! package before it runs that package's tests.
//!
//! It has one step more than the program that ships, just as `cargo xtask new-step` makes it, so that
//! a test that a new step would break is broken already.

use step_rehearsal as _;

fn main() -> std::process::ExitCode {
    runner::main()
}
