//! `cargo xtask new-step`: makes a step crate that builds, is registered, documented and tested, as
//! a starting point.

mod manifests;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use core_model::step::Step;

use crate::cargo::{cargo, program, run};

/// The files of a step: their paths and templates.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../templates/step/Cargo.toml.template")),
    ("README.md", include_str!("../templates/step/README.md.template")),
    ("src/lib.rs", include_str!("../templates/step/lib.rs.template")),
    ("fixtures/{{name}}.csv", include_str!("../templates/step/fixture.csv.template")),
];

/// The programs that link every step.
const PROGRAMS: &[&str] = &["runner/Cargo.toml", "xtask/Cargo.toml"];

const WORKSPACE: &str = "Cargo.toml";
const LINKED: &str = "runner/src/steps.rs";

/// The names whose constant of the entity type would be another one of the template.
const CONSTANTS: [&str; 3] = ["step", "columns", "name_else_uid"];

/// The longest name, in characters, with which the derived names fit on a line.
const MAX_NAME_LENGTH: usize = 32;

/// The names of a step, all derived from one.
struct Names {
    /// `software_metering`
    name: String,
    /// `software-metering`
    hyphenated: String,
    /// `step-software-metering`
    package: String,
}

/// Makes the step, registers it, records its snapshots and writes the generated pages.
///
/// # Errors
///
/// The name is invalid or taken, and nothing was written; or a later command failed, and the
/// written files stay.
pub(crate) fn create(root: &Path, name: &str) -> anyhow::Result<()> {
    let names = Names::new(name)?;
    let folder = root.join(names.folder());
    ensure!(!folder.exists(), "the name is taken: {} exists", names.folder());
    names.reject_taken(&Step::all())?;

    // All new texts are prepared before the first is written, so that an unreadable file leaves no
    // partial step behind.
    for (path, text) in edits(root, &names)? {
        write(&root.join(path), &text)?;
    }
    for (path, template) in FILES {
        write(&folder.join(names.fill(path)), &names.fill(template))?;
    }
    println!("made {}", names.folder());
    finish(root, &names)
        .with_context(|| format!("{} was made, but is not finished", names.folder()))?;
    print_what_is_next(&names);
    Ok(())
}

/// The registration of the step: each file that changes, and its new text.
fn edits(root: &Path, names: &Names) -> anyhow::Result<Vec<(&'static str, String)>> {
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let workspace =
        manifests::with_workspace_dependency(&read(WORKSPACE)?, &names.package, &names.folder())
            .context(WORKSPACE)?;
    let mut edits = vec![(WORKSPACE, workspace)];
    for path in PROGRAMS {
        let manifest = manifests::with_dependency(&read(path)?, &names.package).context(*path)?;
        edits.push((path, manifest));
    }
    edits.push((LINKED, with_link(&read(LINKED)?, &names.package)));
    Ok(edits)
}

/// Adds the step to the sorted list of linked steps.
fn with_link(list: &str, package: &str) -> String {
    let link = format!("use {} as _;", package.replace('-', "_"));
    let mut lines: Vec<&str> = list.lines().collect();
    let is_later = |line: &&str| line.starts_with("use ") && **line > *link;
    let at = lines.iter().position(is_later).unwrap_or(lines.len());
    lines.insert(at, &link);
    lines.join("\n") + "\n"
}

/// Formats the new files, records the snapshots, and writes the generated pages.
fn finish(root: &Path, names: &Names) -> anyhow::Result<()> {
    // Line breaks depend on the length of the name.
    let source = format!("{}/src/lib.rs", names.folder());
    run(&mut program("rustfmt", root, &["--edition", "2024", &source, LINKED]))?;
    // Adds the new crate to the lock file; no other version changes, so no registry is contacted.
    run(&mut cargo(root, &["update", "--workspace", "--offline", "--quiet"]))?;
    let test = ["test", "--quiet", "--package", &names.package];
    run(cargo(root, &test).env("INSTA_UPDATE", "always"))?;
    // The running program does not know the new step; a new build does.
    run(&mut cargo(root, &["run", "--quiet", "--package", "xtask", "--", "docs"]))
}

fn print_what_is_next(names: &Names) {
    println!(
        "next:
  1. replace the example columns in {folder}/src/lib.rs and {folder}/fixtures/{name}.csv, and give each its privacy class
  2. INSTA_UPDATE=always cargo test -p {package}, and read what the snapshots say
  3. cargo xtask docs && cargo xtask ci",
        folder = names.folder(),
        name = names.name,
        package = names.package
    );
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

impl Names {
    /// Derives the names of a step.
    ///
    /// # Errors
    ///
    /// The name is not made of words in lower case, or it is too long.
    fn new(name: &str) -> anyhow::Result<Self> {
        let is_word = |word: &str| {
            word.starts_with(|character: char| character.is_ascii_lowercase())
                && word
                    .chars()
                    .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit())
        };
        if !name.split('_').all(is_word) {
            bail!(
                "`{name}` is no name for a step: write words of lower-case letters and digits \
                 with underscores between them, for example `software_metering`"
            );
        }
        ensure!(
            name.len() <= MAX_NAME_LENGTH,
            "`{name}` is too long: at most {MAX_NAME_LENGTH} characters"
        );
        ensure!(
            !CONSTANTS.contains(&name),
            "`{name}` says nothing about what the step fetches, and its constant would be one of every step"
        );
        let hyphenated = name.replace('_', "-");
        let package = format!("step-{hyphenated}");
        Ok(Self { name: name.to_owned(), hyphenated, package })
    }

    /// Fails if a step of the program already uses one of the names.
    fn reject_taken(&self, steps: &[&'static Step]) -> anyhow::Result<()> {
        let (id, type_name) = (self.id(), self.type_name());
        for step in steps {
            ensure!(step.id != id, "the name is taken: a step is called `{id}`");
            if step.query().is_some_and(|query| query.config_field == self.name) {
                bail!("the name is taken: `{}` has the field `queries.{}`", step.id, self.name);
            }
            if step.entities.iter().any(|entity| entity.type_name == type_name) {
                bail!("the name is taken: `{}` makes `{type_name}`", step.id);
            }
        }
        Ok(())
    }

    /// `steps/software_metering`
    fn folder(&self) -> String {
        format!("steps/{}", self.name)
    }

    /// `fetch-software-metering`
    fn id(&self) -> String {
        format!("fetch-{}", self.hyphenated)
    }

    /// `nexthink_software_metering`
    fn type_name(&self) -> String {
        format!("nexthink_{}", self.name)
    }

    /// `Software Metering`
    fn title(&self) -> String {
        let words = self.name.split('_').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Fills the names into a template.
    fn fill(&self, template: &str) -> String {
        template
            .replace("{{name}}", &self.name)
            .replace("{{package}}", &self.package)
            .replace("{{id}}", &self.id())
            .replace("{{words}}", &self.name.replace('_', " "))
            .replace("{{title}}", &self.title())
            .replace("{{constant}}", &self.name.to_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_in_lower_case_with_underscores_are_a_name() {
        for name in ["audit", "software_metering", "web2", "a_b_c"] {
            assert!(Names::new(name).is_ok(), "{name}");
        }
        let too_long = "a".repeat(MAX_NAME_LENGTH + 1);
        for name in [
            "",
            "_",
            "Audit",
            "software-metering",
            "software__metering",
            "_a",
            "a_",
            "2web",
            "a_2",
            "über",
            "a b",
            "../a",
            "step",
            "columns",
            "name_else_uid",
            &too_long,
        ] {
            assert!(Names::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_that_a_linked_step_uses_is_refused() {
        let table = [
            ("devices", "a step is called `fetch-devices`"),
            ("device", "`fetch-devices` makes `nexthink_device`"),
        ];
        for (name, reason) in table {
            let names = Names::new(name).expect("a name");
            let error = names.reject_taken(&Step::all()).expect_err("it is taken");
            assert_eq!(error.to_string(), format!("the name is taken: {reason}"));
        }
        let free = Names::new("rehearsed_things").expect("a name");
        assert!(free.reject_taken(&Step::all()).is_ok());
    }

    #[test]
    fn no_mark_of_a_template_is_left_over() {
        let names = Names::new("software_metering").expect("a name");
        for (path, template) in FILES {
            let text = names.fill(path) + &names.fill(template);
            assert!(!text.contains("{{"), "{text}");
            assert!(text.contains("software"), "{text}");
        }
    }

    #[test]
    fn the_step_that_all_tests_of_the_program_run_with_is_made_from_the_templates() {
        let names = Names::new("rehearsal").expect("a name");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/rehearsal");
        for (path, template) in FILES {
            let text = fs::read_to_string(folder.join(names.fill(path))).expect("it is there");
            assert_eq!(text, names.fill(template), "{path}");
        }
    }

    #[test]
    fn a_link_is_put_in_its_place() {
        let list = "//! List.\n\nuse step_bees as _;\nuse step_moths as _;\n";
        for (package, expected) in [
            ("step-ants", ["use step_ants as _;", "use step_bees as _;", "use step_moths as _;"]),
            ("step-crab", ["use step_bees as _;", "use step_crab as _;", "use step_moths as _;"]),
            ("step-wasp", ["use step_bees as _;", "use step_moths as _;", "use step_wasp as _;"]),
        ] {
            let expected = format!("//! List.\n\n{}\n", expected.join("\n"));
            assert_eq!(with_link(list, package), expected);
        }
    }
}
