//! Packages of a finished program: an archive, a Debian package, a bill of materials, checksums.
//!
//! The program is built elsewhere, since a release build takes many minutes. The same program gives the same bytes.

mod archive;
mod check;
mod deb;
mod pages;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use self::archive::{Entry, gzip, tar};

/// The name of the program and of its packages.
const NAME: &str = "nexthink-graph";

/// The arguments of `cargo xtask dist`.
#[derive(Debug, Args)]
pub(crate) struct DistArguments {
    /// The finished program, from `cargo build --release -p runner`.
    #[arg(long, value_name = "FILE", default_value = "target/release/nexthink-graph")]
    binary: PathBuf,
    /// The target that it was built for.
    #[arg(long, value_name = "TRIPLE", default_value = "x86_64-unknown-linux-gnu")]
    target: String,
    /// The folder for the packages.
    #[arg(long, value_name = "DIR", default_value = "target/dist")]
    out: PathBuf,
    /// Also check the packages: unpack and start the program, and ask the tools that are installed.
    #[arg(long)]
    check: bool,
}

/// Files of this repository, and where they are in the archive.
const SHIPPED: [(&str, &str); 11] = [
    ("README.md", "README.md"),
    ("LICENSE", "LICENSE"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("docs/nexthink-graph.schema.json", "nexthink-graph.schema.json"),
    ("xtask/packaging/Containerfile", "Containerfile"),
    ("xtask/packaging/nexthink-graph.service", "systemd/nexthink-graph.service"),
    ("xtask/packaging/nexthink-graph-run.service", "systemd/nexthink-graph-run.service"),
    ("xtask/packaging/nexthink-graph-run.timer", "systemd/nexthink-graph-run.timer"),
    ("xtask/packaging/grafana/nexthink-graph.json", "grafana/nexthink-graph.json"),
    ("xtask/packaging/prometheus/nexthink-graph.yml", "prometheus/nexthink-graph.yml"),
    ("xtask/packaging/kubernetes/configuration.yaml", "kubernetes/configuration.yaml"),
];

/// Further examples for Kubernetes, in which the version of the image is replaced.
const VERSIONED: [&str; 3] =
    ["kubernetes/cronjob.yaml", "kubernetes/deployment.yaml", "kubernetes/workers.yaml"];

/// The shells, and where their completions are in the archive.
pub(super) const SHELLS: [(&str, &str); 3] = [
    ("bash", "completions/nexthink-graph.bash"),
    ("zsh", "completions/_nexthink-graph"),
    ("fish", "completions/nexthink-graph.fish"),
];

/// Makes the packages.
///
/// # Errors
///
/// The program cannot be started or is of another version, or a package cannot be written.
pub(crate) fn run(root: &Path, arguments: &DistArguments) -> anyhow::Result<()> {
    let program = root.join(&arguments.binary);
    ensure!(
        program.is_file(),
        "{} is missing: build it with `cargo build --release -p runner`, or name it with --binary",
        program.display()
    );
    let version = version(&program)?;
    let out = root.join(&arguments.out);
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let contents = contents(root, &program, &version)?;

    let folder = format!("{NAME}-{version}-{}", arguments.target);
    let architecture = deb::architecture(&arguments.target)?;
    let packages = [
        (format!("{folder}.tar.gz"), gzip(&tar(&contents, &format!("{folder}/"))?)?),
        (
            format!("{NAME}_{version}_{architecture}.deb"),
            deb::package(root, &contents, &version, architecture)?,
        ),
        (format!("{NAME}-{version}.cdx.json"), sbom::document(root, &version)?),
    ];
    let mut sums = String::new();
    for (name, bytes) in &packages {
        write(&out.join(name), bytes)?;
        let sum = HEXLOWER.encode(&Sha256::digest(bytes));
        sums.extend([sum.as_str(), "  ", name, "\n"]);
    }
    write(&out.join("SHA256SUMS"), sums.as_bytes())?;
    if arguments.check {
        check::check(&out, &folder, &packages.map(|(name, _)| name), &version)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Returns the version of the program, which must be that of the checkout.
fn version(program: &Path) -> anyhow::Result<String> {
    let said = output(Command::new(program).arg("--version"))?;
    let said = String::from_utf8_lossy(&said);
    let version = said.trim().strip_prefix(&format!("{NAME} "));
    match version {
        Some(version) if version == env!("CARGO_PKG_VERSION") => Ok(version.to_owned()),
        _ => bail!(
            "{} says `{}`, and this checkout is of version {}: build the program again",
            program.display(),
            said.trim(),
            env!("CARGO_PKG_VERSION")
        ),
    }
}

/// The files of the archive, sorted by path.
fn contents(root: &Path, program: &Path, version: &str) -> anyhow::Result<Vec<Entry>> {
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let mut entries = vec![Entry { path: NAME.to_owned(), mode: 0o755, bytes: read(program)? }];
    for (source, path) in SHIPPED {
        entries.push(Entry::file(path, read(&root.join(source))?));
    }
    for path in VERSIONED {
        let text = read(&root.join("xtask/packaging").join(path))?;
        let text = String::from_utf8(text).with_context(|| format!("{path} is no text"))?;
        let text = text.replace(&format!("{NAME}:0.1.0"), &format!("{NAME}:{version}"));
        entries.push(Entry::file(path, text.into_bytes()));
    }
    for (shell, path) in SHELLS {
        let script = output(Command::new(program).args(["completions", shell]))?;
        entries.push(Entry::file(path, script));
    }
    entries.extend(man_pages(root, program)?);
    entries.extend(pages::read(root, "docs")?);
    pages::remove_dead_links(&mut entries)?;
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}

/// The man pages that the program writes.
fn man_pages(root: &Path, program: &Path) -> anyhow::Result<Vec<Entry>> {
    let folder = root.join("target/dist-man");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    output(Command::new(program).arg("man").arg(&folder))?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(&folder).context("the program has written no man pages")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        pages.push(Entry::file(&format!("man/{name}"), fs::read(&path)?));
    }
    ensure!(!pages.is_empty(), "the program has written no man pages");
    Ok(pages)
}

/// Runs a command and returns what it prints.
fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ended =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    ensure!(
        ended.status.success(),
        "{name} failed ({}): {}",
        ended.status,
        String::from_utf8_lossy(&ended.stderr).trim()
    );
    Ok(ended.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root of a volume belongs to root, who lets the group of the pod write: the program refuses it as a store.
    #[test]
    fn the_examples_for_kubernetes_keep_the_store_and_the_keys_below_the_root_of_the_volume() {
        let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
        let read = |path: &str| fs::read_to_string(packaging.join(path)).expect("it is there");
        let quoted = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
        let configuration = read("kubernetes/configuration.yaml");
        let places: Vec<String> = configuration
            .lines()
            .filter(|line| ["location =", "file ="].iter().any(|key| line.contains(key)))
            .map(quoted)
            .filter(|path| !path.starts_with("/run/secrets/"))
            .collect();
        assert_eq!(places.len(), 2, "{places:?}");
        for path in VERSIONED {
            let text = read(path);
            assert!(text.contains("mountPath: /var/lib/nexthink-graph\n"), "{path}");
            for place in &places {
                assert!(place.starts_with("/var/lib/nexthink-graph/"), "{place}");
            }
        }
        assert!(read("kubernetes/workers.yaml").contains("/var/lib/nexthink-graph/work."));
    }
}
