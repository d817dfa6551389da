//! The manifests: settings that the workspace states once must not be repeated by crates.

use anyhow::Context as _;
use toml_edit::{DocumentMut, Item};

use crate::tidy::Violation;
use crate::workspace::Crate;

/// The fields that a crate inherits from `[workspace.package]`.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

const DEPENDENCIES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Returns every manifest with its own setting where the workspace has one for all.
///
/// # Errors
///
/// A manifest is not TOML.
pub(super) fn check(crates: &[Crate]) -> anyhow::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for package in crates {
        let path = format!("{}/Cargo.toml", package.folder);
        let manifest: DocumentMut = package.manifest.parse().with_context(|| path.clone())?;
        for wrong in wrong_entries(manifest.as_item()) {
            violations.push(Violation {
                path: path.clone(),
                what: format!("`{wrong}` is not taken from the workspace"),
                mend: format!("write `{wrong}.workspace = true`"),
            });
        }
    }
    Ok(violations)
}

fn wrong_entries(manifest: &Item) -> Vec<String> {
    let mut wrong = Vec::new();
    for field in INHERITED {
        if !manifest.get("package").and_then(|package| package.get(field)).is_some_and(is_inherited)
        {
            wrong.push(format!("package.{field}"));
        }
    }
    if !manifest.get("lints").is_some_and(is_inherited) {
        wrong.push("lints".to_owned());
    }
    wrong.extend(own_dependencies(manifest, ""));
    let targets = manifest.get("target").and_then(Item::as_table_like);
    for (target, table) in targets.into_iter().flat_map(|table| table.iter()) {
        wrong.extend(own_dependencies(table, &format!("target.'{target}'.")));
    }
    wrong
}

/// The dependencies with their own version or path in a table.
fn own_dependencies(table: &Item, prefix: &str) -> Vec<String> {
    let mut own = Vec::new();
    for kind in DEPENDENCIES {
        let entries = table.get(kind).and_then(Item::as_table_like);
        for (name, entry) in entries.into_iter().flat_map(|table| table.iter()) {
            if !is_inherited(entry) {
                own.push(format!("{prefix}{kind}.{name}"));
            }
        }
    }
    own
}

fn is_inherited(entry: &Item) -> bool {
    entry.get("workspace").and_then(Item::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[package]
name = "core-thing"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[dependencies]
one.workspace = true
two = { workspace = true, features = ["more"] }

[lints]
workspace = true
"#;

    fn check_text(manifest: &str) -> Vec<String> {
        let package = Crate {
            name: "core-thing".to_owned(),
            folder: "core/thing".to_owned(),
            manifest: manifest.to_owned(),
            dependencies: Vec::new(),
            forwarded_features: Vec::new(),
            has_readme: true,
        };
        crate::tidy::lines(&check(&[package]).expect("it is TOML"))
    }

    #[test]
    fn a_manifest_that_takes_everything_from_the_workspace_passes() {
        assert_eq!(check_text(GOOD), [""; 0]);
    }

    #[test]
    fn each_thing_that_a_manifest_says_itself_is_found() {
        let table = [
            ("\nversion.workspace = true", "\nversion = \"1.0.0\"", "package.version"),
            ("\nedition.workspace = true", "\n", "package.edition"),
            ("rust-version.workspace = true", "rust-version = \"1.90\"", "package.rust-version"),
            ("\nlicense.workspace = true", "\nlicense = \"MIT\"", "package.license"),
            ("\npublish.workspace = true", "\npublish = true", "package.publish"),
            ("[lints]\nworkspace = true", "", "lints"),
            ("[lints]\nworkspace = true", "[lints]\nworkspace = false", "lints"),
            ("one.workspace = true", "one = \"1\"", "dependencies.one"),
            (
                "[dependencies]",
                "[dev-dependencies]\nthree = \"1\"\n[dependencies]",
                "dev-dependencies.three",
            ),
            (
                "[dependencies]",
                "[build-dependencies.four]\nversion = \"1\"\n[dependencies]",
                "build-dependencies.four",
            ),
            (
                "[dependencies]",
                "[target.'cfg(unix)'.dependencies]\nfive = \"1\"\n[dependencies]",
                "target.'cfg(unix)'.dependencies.five",
            ),
        ];
        for (good, bad, name) in table {
            let manifest = GOOD.replace(good, bad);
            assert_ne!(manifest, GOOD, "{good}");
            assert_eq!(
                check_text(&manifest),
                [format!(
                    "core/thing/Cargo.toml: `{name}` is not taken from the workspace; write \
                     `{name}.workspace = true`"
                )]
            );
        }
    }
}
