//! Checks that the program compiles for other systems.
//!
//! It is no stage of the gate: each target compiles all dependencies anew, which takes minutes. The code of this
//! workspace is checked for every target. Some dependencies have parts in C, which are compiled only if there is a C
//! compiler for the target; without one a stand-in that compiles nothing takes its place, since a check links nothing.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::cargo::{cargo, run as run_command};

/// The arguments of `cargo xtask targets`.
#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// The targets; all if none is named.
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// The crates; the whole program if none is named. A crate without SQL is checked within a minute.
    #[arg(long = "package", short = 'p', value_name = "CRATE", default_value = "runner")]
    packages: Vec<String>,
}

/// A target, and how its C parts are compiled.
struct Target {
    triple: &'static str,
    /// The C compiler and the archiver, as Debian names them.
    tools: Option<[&'static str; 2]>,
    /// The way to get them.
    hint: &'static str,
}

const TARGETS: [Target; 3] = [
    Target {
        triple: "x86_64-unknown-linux-musl",
        tools: Some(["musl-gcc", "ar"]),
        hint: "`apt-get install musl-tools` has one",
    },
    Target {
        triple: "x86_64-pc-windows-gnu",
        tools: Some(["x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-ar"]),
        hint: "`apt-get install gcc-mingw-w64-x86-64` has one",
    },
    Target { triple: "aarch64-apple-darwin", tools: None, hint: "macOS has one" },
];

/// A program that succeeds and does nothing.
const STAND_IN: &str = "true";

/// Checks crates for the targets.
///
/// # Errors
///
/// A crate does not compile, or a target is unknown or not installed.
pub(crate) fn check(root: &Path, arguments: &TargetArguments) -> anyhow::Result<()> {
    for name in &arguments.targets {
        let known = TARGETS.map(|target| target.triple);
        ensure!(known.contains(&name.as_str()), "{name} is none of {}", known.join(", "));
    }
    let is_asked = |triple| {
        arguments.targets.is_empty() || arguments.targets.iter().any(|name| name == triple)
    };
    for target in TARGETS.iter().filter(|target| is_asked(target.triple)) {
        let triple = target.triple;
        ensure!(
            is_installed(triple)?,
            "the standard library for {triple} is missing: `rustup target add {triple}`"
        );
        let found = target.tools.filter(|tools| tools.iter().all(|tool| starts(tool)));
        let [compiler, archiver] = found.unwrap_or([STAND_IN, STAND_IN]);
        let mut command = cargo(root, &["check", "--target", triple]);
        command.args(arguments.packages.iter().flat_map(|name| ["--package", name]));
        let variable = triple.replace('-', "_");
        command.env(format!("CC_{variable}"), compiler).env(format!("AR_{variable}"), archiver);
        run_command(&mut command)?;
        match found {
            Some(_) => println!("{triple}: checked, with the C parts"),
            None => println!(
                "{triple}: checked without the C parts, for lack of a C compiler: {}",
                target.hint
            ),
        }
    }
    Ok(())
}

/// Returns whether the standard library of a target is installed.
fn is_installed(triple: &str) -> anyhow::Result<bool> {
    let mut rustc = Command::new("rustc");
    let printed = rustc.args(["--print", "target-libdir", "--target", triple]).output();
    let printed = printed.context("rustc does not start")?.stdout;
    Ok(Path::new(String::from_utf8(printed)?.trim()).is_dir())
}

fn starts(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok()
}
