//! The program under test: the runner's `main`, built here because Cargo builds the binaries of a
//! package before it runs that package's tests.

fn main() -> std::process::ExitCode {
    runner::main()
}
