//! The pages of the documentation, in which every link leads to a file of the archive.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use anyhow::Context as _;

use super::archive::Entry;

/// The ends of the names of the files that belong to the pages: text and pictures.
const EXTENSIONS: [&str; 2] = ["md", "png"];

/// Reads all pages and pictures of a folder, with the paths that they have in the archive: the same as in the checkout.
pub(super) fn read(root: &Path, folder: &str) -> anyhow::Result<Vec<Entry>> {
    let shown = root.join(folder);
    let unreadable = || format!("cannot read {}", shown.display());
    let mut pages = Vec::new();
    for entry in fs::read_dir(&shown).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}/{name}");
        if entry.file_type().with_context(unreadable)?.is_dir() {
            pages.extend(read(root, &path)?);
        } else if EXTENSIONS.iter().any(|extension| has_extension(&path, extension)) {
            let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
            pages.push(Entry::file(&path, bytes));
        }
    }
    Ok(pages)
}

/// Replaces every link of a page that leads to no file of the archive, such as one to source code, by its text.
pub(super) fn remove_dead_links(entries: &mut [Entry]) -> anyhow::Result<()> {
    let files: BTreeSet<String> = entries.iter().map(|entry| entry.path.clone()).collect();
    for entry in entries.iter_mut().filter(|entry| has_extension(&entry.path, "md")) {
        let text = std::str::from_utf8(&entry.bytes);
        let text = text.with_context(|| format!("{} is no text", entry.path))?;
        entry.bytes = without_dead_links(text, &entry.path, &files).into_bytes();
    }
    Ok(())
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn without_dead_links(text: &str, page: &str, files: &BTreeSet<String>) -> String {
    const BETWEEN: &str = "](";
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(BETWEEN) {
        let (before, link) = rest.split_at(at);
        let Some(closed) = link.find(')') else { break };
        let (target, end) = (&link[BETWEEN.len()..closed], closed + 1);
        match before.rfind('[') {
            Some(start) if !leads_somewhere(target, page, files) => {
                kept.push_str(&before[..start]);
                kept.push_str(&before[start + 1..]);
            }
            _ => {
                kept.push_str(before);
                kept.push_str(&link[..end]);
            }
        }
        rest = &link[end..];
    }
    kept + rest
}

/// Returns true if the target of a link is on the network, in the same page, or a file or folder of the archive.
fn leads_somewhere(target: &str, page: &str, files: &BTreeSet<String>) -> bool {
    let path = target.split('#').next().unwrap_or_default();
    if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
        return true;
    }
    let folder = Path::new(page).parent().unwrap_or(Path::new("")).join(path);
    let mut parts: Vec<String> = Vec::new();
    for part in folder.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    let path = parts.join("/");
    let below = format!("{path}/");
    files.contains(&path) || files.iter().any(|file| file.starts_with(&below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_that_lead_out_of_the_archive_become_text() {
        let files = ["README.md", "docs/a.md", "docs/images/a.png", "docs/decisions/0001-a.md"];
        let files = files.map(str::to_owned).into_iter().collect();
        for (page, text, expected) in [
            ("README.md", "see [a](docs/a.md#b), [b](docs/b.md).", "see [a](docs/a.md#b), b."),
            ("README.md", "[all](docs/decisions)", "[all](docs/decisions)"),
            (
                "docs/a.md",
                "![i](images/a.png) [r](../README.md)",
                "![i](images/a.png) [r](../README.md)",
            ),
            ("docs/a.md", "[`x.rs`](../core/x.rs)|[#](#here)", "`x.rs`|[#](#here)"),
            ("docs/decisions/0001-a.md", "[a](../a.md) [c](../../c.md)", "[a](../a.md) c"),
            ("docs/a.md", "[s](https://a.example/b) `v[0](x`", "[s](https://a.example/b) `v[0](x`"),
        ] {
            assert_eq!(without_dead_links(text, page, &files), expected, "{text}");
        }
    }

    #[test]
    fn every_page_is_in_the_archive_and_none_has_a_dead_link() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let readme = fs::read(root.join("README.md")).expect("it is there");
        let mut entries = read(&root, "docs").expect("it can be read");
        entries.extend(["CHANGELOG.md", "LICENSE"].map(|name| Entry::file(name, Vec::new())));
        entries.push(Entry::file("README.md", readme.clone()));
        remove_dead_links(&mut entries).expect("pages are texts");
        let after = entries.last().map(|entry| &entry.bytes);
        assert!(after == Some(&readme), "the README has a link that leads nowhere");
        let source = entries.iter().any(|entry| {
            has_extension(&entry.path, "md")
                && String::from_utf8_lossy(&entry.bytes).contains(".rs)")
        });
        assert!(!source, "a page links to source code");
    }
}
