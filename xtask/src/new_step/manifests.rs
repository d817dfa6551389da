//! Adds a step crate to manifests and preserves the rest of their text.

use anyhow::{Context as _, ensure};
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

/// Returns the workspace's manifest with the crate among its dependencies.
///
/// # Errors
///
/// The text is not the manifest of a workspace, or it has a crate of this name.
pub(super) fn with_workspace_dependency(
    manifest: &str,
    package: &str,
    folder: &str,
) -> anyhow::Result<String> {
    let mut manifest: DocumentMut = manifest.parse()?;
    let table =
        manifest.get_mut("workspace").and_then(|workspace| workspace.get_mut("dependencies"));
    let table = table.and_then(Item::as_table_mut).context("no `[workspace.dependencies]`")?;
    ensure!(!table.contains_key(package), "the name is taken: there is a crate `{package}`");
    let mut entry = InlineTable::new();
    entry.insert("path", folder.into());
    insert(table, package, value(entry));
    Ok(manifest.to_string())
}

/// Returns a crate's manifest with the crate among its dependencies.
///
/// # Errors
///
/// The text is not a manifest with dependencies.
pub(super) fn with_dependency(manifest: &str, package: &str) -> anyhow::Result<String> {
    let mut manifest: DocumentMut = manifest.parse()?;
    let table = manifest.get_mut("dependencies").and_then(Item::as_table_mut);
    let mut entry = Table::new();
    entry.set_dotted(true);
    entry.insert("workspace", value(true));
    insert(table.context("no `[dependencies]`")?, package, Item::Table(entry));
    Ok(manifest.to_string())
}

/// Inserts the crate among the other steps in order, and moves nothing else.
fn insert(table: &mut Table, package: &str, entry: Item) {
    let mut order: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    let is_step = |name: &String| name.starts_with("step-");
    let after_steps = order.iter().rposition(is_step).map_or(order.len(), |last| last + 1);
    let later_step = order.iter().position(|name| is_step(name) && name.as_str() > package);
    order.insert(later_step.unwrap_or(after_steps), package.to_owned());
    table.insert(package, entry);
    let place = |name: &str| order.iter().position(|key| key == name);
    table.sort_values_by(|a, _, b, _| place(a.get()).cmp(&place(b.get())));
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = r#"[workspace]
members = ["steps/*"]

# Versions live here only.
[workspace.dependencies]
core-model = { path = "core/model" }
step-ants = { path = "steps/ants" }
step-moths = { path = "steps/moths" }

anyhow = "1" # a comment
zstd = { version = "1", features = ["a"] }

[profile.dev]
debug = false
"#;

    #[test]
    fn a_step_enters_the_workspace_in_its_place_and_nothing_else_changes() {
        for (package, folder, before) in [
            ("step-a", "steps/a", "step-ants = "),
            ("step-wild-bees", "steps/wild_bees", "\nanyhow"),
            ("step-bees", "steps/bees", "step-moths"),
        ] {
            let line = format!("{package} = {{ path = \"{folder}\" }}\n");
            let expected = WORKSPACE.replacen(before, &format!("{line}{before}"), 1);
            let edited = with_workspace_dependency(WORKSPACE, package, folder);
            assert_eq!(edited.expect("a workspace"), expected);
        }
    }

    #[test]
    fn a_step_enters_a_crate_in_its_place_and_nothing_else_changes() {
        let manifest = "[package]\nname = \"runner\"\n\n[dependencies]\nanyhow.workspace = true\n\
                        step-ants.workspace = true\nstep-moths.workspace = true\n\
                        tokio = { workspace = true, features = [\"rt\"] }\n\n\
                        [lints]\nworkspace = true\n";
        for (package, before) in
            [("step-a", "step-ants"), ("step-bees", "step-moths"), ("step-wasps", "tokio")]
        {
            let line = format!("{package}.workspace = true\n");
            let expected = manifest.replacen(before, &format!("{line}{before}"), 1);
            assert_eq!(with_dependency(manifest, package).expect("a manifest"), expected);
        }
    }

    #[test]
    fn a_manifest_without_the_table_and_a_name_that_is_taken_are_refused() {
        let taken = with_workspace_dependency(WORKSPACE, "step-ants", "steps/other");
        let taken = taken.expect_err("there is one").to_string();
        assert_eq!(taken, "the name is taken: there is a crate `step-ants`");
        assert!(with_workspace_dependency("[package]\n", "step-a", "steps/a").is_err());
        assert!(with_dependency("[package]\n", "step-a").is_err());
    }
}
