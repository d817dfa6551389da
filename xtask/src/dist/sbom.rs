//! The bill of materials: all packages that the program is built of, as `CycloneDX` 1.5.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use serde_json::{Value, json};
use toml_edit::DocumentMut;

use super::NAME;

/// Returns the document. It has no time and no random number, so that the same lock file gives the same bytes.
pub(super) fn document(root: &Path, version: &str) -> anyhow::Result<Vec<u8>> {
    let metadata = MetadataCommand::new().current_dir(root).exec().context("cargo metadata")?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let checksums = checksums(&lock)?;
    let used = used(&metadata, "runner")?;
    let packages: BTreeMap<(String, String), &Package> = metadata
        .packages
        .iter()
        .filter(|package| used.contains(&package.id))
        .map(|package| ((package.name.to_string(), package.version.to_string()), package))
        .collect();
    let components: Vec<Value> =
        packages.iter().map(|(key, package)| component(package, checksums.get(key))).collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application", "name": NAME, "version": version, "bom-ref": NAME,
            "licenses": [{ "license": { "id": "Apache-2.0" } }],
        } },
        "components": components,
    });
    Ok(format!("{document:#}\n").into_bytes())
}

fn component(package: &Package, checksum: Option<&String>) -> Value {
    let (name, version) = (package.name.to_string(), package.version.to_string());
    let mut component = json!({
        "type": "library",
        "name": name,
        "version": version,
        "bom-ref": format!("{name}@{version}"),
    });
    if package.source.is_some() {
        component["purl"] = json!(format!("pkg:cargo/{name}@{version}"));
    }
    if let Some(expression) = &package.license {
        // Cargo still accepts a slash, which SPDX does not know.
        component["licenses"] = json!([{ "expression": expression.replace('/', " OR ") }]);
    }
    if let Some(checksum) = checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    component
}

/// The checksums of the lock file, by name and version.
fn checksums(lock: &str) -> anyhow::Result<BTreeMap<(String, String), String>> {
    let lock: DocumentMut = lock.parse().context("Cargo.lock")?;
    let packages = lock.get("package").and_then(|packages| packages.as_array_of_tables());
    let packages = packages.context("Cargo.lock lists no packages")?;
    let text = |table: &toml_edit::Table, name: &str| Some(table.get(name)?.as_str()?.to_owned());
    let checksums = packages.iter().filter_map(|package| {
        Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?))
    });
    Ok(checksums.collect())
}

/// The packages that a crate is built of: all that it reaches but for what only tests need.
fn used(metadata: &Metadata, name: &str) -> anyhow::Result<BTreeSet<PackageId>> {
    let resolve = metadata.resolve.as_ref().context("Cargo resolves no dependencies")?;
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut packages = metadata.packages.iter();
    let start = packages.find(|package| package.name.as_str() == name);
    let mut waiting = vec![start.with_context(|| format!("there is no crate {name}"))?.id.clone()];
    let mut used = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let Some(node) = nodes.get(&id).filter(|_| used.insert(id.clone())) else { continue };
        for dependency in &node.deps {
            let kinds = &dependency.dep_kinds;
            let is_built = kinds.is_empty()
                || kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            if is_built {
                waiting.push(dependency.pkg.clone());
            }
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_lists_what_the_program_is_built_of_with_licences_and_checksums() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let bytes = document(&root, "1.2.3").expect("the workspace resolves");
        assert_eq!(bytes, document(&root, "1.2.3").expect("the workspace resolves"));
        let bill: Value = serde_json::from_slice(&bytes).expect("it is JSON");
        let components = bill["components"].as_array().expect("it is a list");
        let find = |name: &str| components.iter().find(|component| component["name"] == name);
        let serde = find("serde").expect("it is used");
        assert_eq!(serde["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(serde["hashes"][0]["content"].as_str().map(str::len), Some(64));
        assert!(serde["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:cargo/serde@1")));
        assert!(
            find("core-store").is_some_and(|own| own["purl"].is_null()),
            "ours is not published"
        );
        assert!(
            find("insta").is_none() && find("syn").is_some(),
            "tests need the one, builds the other"
        );
    }
}
