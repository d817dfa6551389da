//! The layout of the repository: its top level, and the files of every crate.

use crate::tidy::Violation;
use crate::workspace::{Crate, SourceFile};

/// All entries of the top level.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".git",
    ".gitattributes",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "core",
    "deny.toml",
    "docs",
    "runner",
    "rustfmt.toml",
    "steps",
    "target",
    "tests",
    "xtask",
];

/// The first line of a library's root file, which makes its README its documentation.
pub(super) const README_AS_DOCS: &str = "#![doc = include_str!(\"../README.md\")]";

/// The most lines of Rust that the program may have: what needs no process of its own belongs into a crate below it.
const MAX_RUNNER_LINES: usize = 5_500;

/// Returns the program itself if it has grown beyond its limit.
pub(super) fn check_runner(sources: &[SourceFile]) -> Vec<Violation> {
    let own = sources.iter().filter(|file| file.path.starts_with("runner/"));
    let lines: usize = own.map(|file| file.text.lines().count()).sum();
    if lines <= MAX_RUNNER_LINES {
        return Vec::new();
    }
    vec![Violation {
        path: "runner".to_owned(),
        what: format!("it has {lines} lines, and may have {MAX_RUNNER_LINES}"),
        mend: "move decisions, texts and formats into a crate below it".to_owned(),
    }]
}

/// Returns every unexpected entry of the top level. Entries that `.gitignore` lists by name are not
/// part of the repository.
pub(super) fn check_top_level(names: &[String], gitignore: &str) -> Vec<Violation> {
    let is_ignored = |name: &str| gitignore.lines().any(|line| line.trim_matches('/') == name);
    let strangers = names
        .iter()
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()) && !is_ignored(name.as_str()));
    let violation = |name: &String| Violation {
        path: name.clone(),
        what: "it has no place at the top level".to_owned(),
        mend: "move it into the folder it belongs to".to_owned(),
    };
    strangers.map(violation).collect()
}

/// Returns every crate without a README, and every library whose README is not its documentation.
pub(super) fn check_crates(crates: &[Crate], sources: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in crates {
        if !package.has_readme {
            violations.push(Violation {
                path: package.folder.clone(),
                what: "the crate has no README.md".to_owned(),
                mend: "say what the crate is for and what it is not".to_owned(),
            });
        }
        let is_library =
            package.folder.starts_with("core/") || package.folder.starts_with("steps/");
        let root = format!("{}/src/lib.rs", package.folder);
        let text = sources.iter().find(|file| file.path == root).map_or("", |file| &file.text);
        if is_library && !text.starts_with(README_AS_DOCS) {
            violations.push(Violation {
                path: root,
                what: "the README is not the documentation of the crate".to_owned(),
                mend: format!("begin with `{README_AS_DOCS}`"),
            });
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::lines;

    fn crate_in(folder: &str, has_readme: bool) -> Crate {
        Crate {
            name: "any".to_owned(),
            folder: folder.to_owned(),
            manifest: String::new(),
            dependencies: Vec::new(),
            forwarded_features: Vec::new(),
            has_readme,
        }
    }

    fn root_of(folder: &str, text: &str) -> SourceFile {
        SourceFile { path: format!("{folder}/src/lib.rs"), text: text.to_owned() }
    }

    #[test]
    fn only_what_belongs_to_the_top_level_or_is_ignored_may_be_there() {
        let names = ["core", "notes.txt", ".DS_Store", "target", "demo"].map(str::to_owned);
        let violations = check_top_level(&names, "/target\n*.snap.new\n.DS_Store\n/demo/\n");
        assert_eq!(
            lines(&violations),
            ["notes.txt: it has no place at the top level; move it into the folder it belongs to"]
        );
    }

    #[test]
    fn a_program_that_has_grown_too_much_is_found() {
        let file =
            |path: &str, lines| SourceFile { path: path.to_owned(), text: "\n".repeat(lines) };
        let sources =
            [file("runner/src/lib.rs", MAX_RUNNER_LINES), file("core/query/src/lib.rs", 50_000)];
        assert_eq!(check_runner(&sources), []);
        let sources = [file("runner/src/lib.rs", MAX_RUNNER_LINES), file("runner/src/cli.rs", 1)];
        let violations = check_runner(&sources);
        assert_eq!(
            lines(&violations),
            [format!(
                "runner: it has {} lines, and may have {MAX_RUNNER_LINES}; move decisions, texts and formats into \
                 a crate below it",
                MAX_RUNNER_LINES + 1
            )]
        );
    }

    #[test]
    fn a_crate_without_a_readme_is_found() {
        let sources = [root_of("core/thing", README_AS_DOCS)];
        assert_eq!(check_crates(&[crate_in("core/thing", true)], &sources), []);
        let violations = check_crates(&[crate_in("core/thing", false)], &sources);
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].what, "the crate has no README.md");
    }

    #[test]
    fn a_library_whose_readme_is_not_its_documentation_is_found() {
        let sources = [root_of("steps/thing", "//! Something else.\n")];
        let violations = check_crates(&[crate_in("steps/thing", true)], &sources);
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].path, "steps/thing/src/lib.rs");
        assert_eq!(check_crates(&[crate_in("runner", true)], &sources), []);
    }
}
