//! The program. It is a library with this one line, so that the end-to-end tests can build it too.

fn main() -> std::process::ExitCode {
    runner::main()
}
