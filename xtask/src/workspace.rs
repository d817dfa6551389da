//! The input of the checks, read once: the crates, their files, and the packages of the lock file.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The folders that hold crates.
const CRATE_FOLDERS: &[&str] = &["core", "steps", "runner", "xtask", "tests"];

/// The workspace for the checks. Paths are relative to its root, with `/` between folders.
pub(crate) struct Workspace {
    pub(crate) crates: Vec<Crate>,
    pub(crate) packages: Vec<Package>,
    pub(crate) sources: Vec<SourceFile>,
    /// The folders below `steps/`.
    pub(crate) step_folders: Vec<String>,
    /// The names of the entries in the root.
    pub(crate) top_level: Vec<String>,
}

/// One crate of the workspace.
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) folder: String,
    /// The text of its `Cargo.toml`.
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// The features of dependencies that its own features enable, `core-files/fault-injection`.
    pub(crate) forwarded_features: Vec<String>,
    pub(crate) has_readme: bool,
}

/// A dependency of a crate.
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// True if only the crate's tests need it.
    pub(crate) is_for_tests: bool,
    /// True if it is a crate of the workspace.
    pub(crate) is_local: bool,
    /// The features that are asked for.
    pub(crate) features: Vec<String>,
}

/// A package of the lock file, including our own crates.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The licence as an SPDX expression.
    pub(crate) licence: Option<String>,
}

/// A Rust file.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Workspace {
    /// Reads everything. Cargo may go online: on a fresh clone it has to fetch the packages of
    /// other systems, whose licences are checked too.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new().current_dir(root).exec().context("cargo metadata")?;
        let steps = root.join("steps");
        let mut step_folders = names(&steps)?;
        step_folders.retain(|name| steps.join(name).is_dir());
        Ok(Self {
            crates: crates(root, &metadata)?,
            packages: packages(&metadata),
            sources: sources(root)?,
            step_folders,
            top_level: names(root)?,
        })
    }
}

fn crates(root: &Path, metadata: &Metadata) -> anyhow::Result<Vec<Crate>> {
    let mut crates = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().context("a manifest is in a folder")?;
        let relative = folder.strip_prefix(&metadata.workspace_root)?;
        let components: Vec<_> =
            relative.components().map(|component| component.as_str()).collect();
        let dependencies = package.dependencies.iter().map(|dependency| Dependency {
            name: dependency.name.clone(),
            is_for_tests: dependency.kind == DependencyKind::Development,
            is_local: dependency.path.is_some(),
            features: dependency.features.clone(),
        });
        crates.push(Crate {
            name: package.name.to_string(),
            folder: components.join("/"),
            manifest: read(package.manifest_path.as_std_path())?,
            dependencies: dependencies.collect(),
            forwarded_features: package.features.values().flatten().cloned().collect(),
            has_readme: root.join(relative).join("README.md").is_file(),
        });
    }
    Ok(crates)
}

fn packages(metadata: &Metadata) -> Vec<Package> {
    let packages = metadata.packages.iter().map(|package| Package {
        name: package.name.to_string(),
        version: package.version.to_string(),
        licence: package.license.clone(),
    });
    packages.collect()
}

/// All Rust files of the workspace's crates.
pub(crate) fn sources(root: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let mut sources = Vec::new();
    for folder in CRATE_FOLDERS {
        read_sources(root, folder, &mut sources)?;
    }
    Ok(sources)
}

fn read_sources(root: &Path, folder: &str, sources: &mut Vec<SourceFile>) -> anyhow::Result<()> {
    for name in names(&root.join(folder))? {
        let path = format!("{folder}/{name}");
        let file = root.join(&path);
        if file.is_dir() {
            read_sources(root, &path, sources)?;
        } else if file.extension().is_some_and(|extension| extension == "rs") {
            sources.push(SourceFile { text: read(&file)?, path });
        }
    }
    Ok(())
}

/// The sorted names of the entries in a folder; empty if the folder does not exist.
fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
