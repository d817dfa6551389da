//! The rules that neither the compiler nor clippy checks. Each module holds one kind of rule, as a
//! function of its input, so that its tests can pass it a violation.

mod arrows;
mod comments;
mod features;
mod glossary;
mod layout;
mod licences;
mod manifests;
mod sources;
mod steps;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use core_model::step::Step;

use crate::workspace::Workspace;

/// A violation of a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The file or folder.
    path: String,
    /// The problem.
    what: String,
    /// The remedy.
    mend: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.path, self.what, self.mend)
    }
}

/// Prints every violation on its own line, and fails if there is one.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let workspace = Workspace::read(root)?;
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let mut violations = arrows::check(&read(arrows::PAGE)?, &workspace.crates);
    violations.extend(steps::check(
        &Step::all(),
        &workspace.crates,
        &workspace.step_folders,
        &read(steps::LINKED)?,
    ));
    violations.extend(features::check(&workspace.crates));
    violations.extend(glossary::check(&read(glossary::PAGE)?, &workspace.sources));
    violations.extend(manifests::check(&workspace.crates)?);
    violations.extend(sources::check(&workspace.sources));
    violations.extend(comments::check(&workspace.sources));
    violations.extend(layout::check_crates(&workspace.crates, &workspace.sources));
    violations.extend(layout::check_runner(&workspace.sources));
    violations.extend(layout::check_top_level(&workspace.top_level, &read(".gitignore")?));
    let allowed = licences::allowed(&read(licences::POLICY)?)?;
    violations.extend(licences::check(&workspace.packages, &allowed));
    for violation in &violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        bail!("{} violations of the rules", violations.len());
    }
    Ok(())
}

/// The violations as text, for the tests of the rules.
#[cfg(test)]
fn lines(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}
