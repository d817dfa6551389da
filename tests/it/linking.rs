//! A step crate that the runner does not name is not linked in, and its step would be missing
//! without a word. The runner's `unused_crate_dependencies` makes that a build error.
//!
//! Building the runner again takes minutes, so a crate is built that has nothing but what the rule
//! is about: the runner's attribute, its list of step crates, and these as its dependencies.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const RULE: &str = "#![deny(unused_crate_dependencies)]";

/// A crate that names some steps, and depends on all that the runner depends on.
struct Sketch {
    folder: PathBuf,
    dependencies: Vec<String>,
}

impl Sketch {
    fn new(workspace: &Path, manifest: &str) -> Sketch {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linking");
        fs::create_dir_all(folder.join("src")).expect("a folder can be made");
        // The tests of the runner link one step more.
        let linked = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        let names = linked.lines().filter_map(|line| line.split(['.', ' ']).next());
        let dependencies: Vec<String> =
            names.filter(|name| name.starts_with("step-")).map(str::to_owned).collect();
        let mut manifest = "[workspace]\n[package]\nname = \"linking\"\nedition = \"2024\"\n\
                            [dependencies]\n"
            .to_owned();
        for name in &dependencies {
            // The folder has the underscores of the step's name, the package hyphens.
            let folder = name["step-".len()..].replace('-', "_");
            let path = workspace.join("steps").join(folder);
            let _ = writeln!(manifest, "{name} = {{ path = '{}' }}", path.display());
        }
        fs::write(folder.join("Cargo.toml"), manifest).expect("a file can be written");
        // The versions that are there already.
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).expect("it is there");
        Sketch { folder, dependencies }
    }

    /// Returns the compiler's messages about these lines below the rule, and whether it builds them.
    fn build(&self, steps: &str) -> (bool, String) {
        fs::write(self.folder.join("src/lib.rs"), format!("{RULE}\n{steps}"))
            .expect("a file can be written");
        let cargo = env!("CARGO");
        let output = Command::new(cargo)
            .args(["check", "--offline", "--quiet"])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .output()
            .expect("cargo starts");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn a_step_that_the_runner_does_not_name_fails_the_build() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate of a workspace");
    let read = |path: &str| {
        fs::read_to_string(workspace.join("runner").join(path)).expect("the runner has this file")
    };
    let root = read("src/lib.rs");
    assert!(root.lines().any(|line| line == RULE), "{root}");
    let sketch = Sketch::new(workspace, &read("Cargo.toml"));
    // Inner comments may only be at the very beginning.
    let lines = read("src/steps.rs");
    let lines: Vec<&str> = lines.lines().filter(|line| line.starts_with("use ")).collect();
    assert_eq!(sketch.dependencies.len(), lines.len());

    let (builds, output) = sketch.build(&lines.join("\n"));
    assert!(builds, "{output}");
    for name in &sketch.dependencies {
        let name = name.replace('-', "_");
        let line = format!("use {name} as _;");
        let without: Vec<&str> = lines.iter().copied().filter(|other| *other != line).collect();
        assert_eq!(without.len() + 1, lines.len(), "{line}");
        let (builds, output) = sketch.build(&without.join("\n"));
        assert!(!builds, "{line}");
        assert!(output.contains(&format!("extern crate `{name}` is unused")), "{output}");
    }
}
