//! The Debian package: an `ar` archive of a version, `control.tar.gz` and `data.tar.gz`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::archive::{Entry, gzip, gzip_best, tar};
use super::{NAME, SHELLS};

/// Further files of the archive that the package has.
const SHARED: [&str; 3] = ["nexthink-graph.schema.json", "grafana/", "prometheus/"];

/// The units, in the archive and in the package.
const UNITS: &str = "systemd/";
const UNIT_FOLDER: &str = "usr/lib/systemd/system/";

/// Who makes the package.
const MAINTAINER: &str = "Nexthink Graph <packages@nexthink-graph.invalid>";

/// Debian has the text of the licence in one place.
const COPYRIGHT: &str = "Nexthink Graph\n\nCopyright: the authors of Nexthink Graph\nLicense: Apache-2.0\n\n\
    On Debian systems, the text of the Apache License, Version 2.0, is in\n\
    /usr/share/common-licenses/Apache-2.0.\n";

/// Returns Debian's name of an architecture.
///
/// # Errors
///
/// Debian has none for the target.
pub(super) fn architecture(target: &str) -> anyhow::Result<&'static str> {
    match target.split_once('-') {
        Some(("x86_64", system)) if system.contains("linux") => Ok("amd64"),
        Some(("aarch64", system)) if system.contains("linux") => Ok("arm64"),
        _ => bail!("there is no Debian package for {target}: build for Linux on x86_64 or aarch64"),
    }
}

/// Returns the package of the archive's contents.
pub(super) fn package(
    root: &Path,
    contents: &[Entry],
    version: &str,
    architecture: &str,
) -> anyhow::Result<Vec<u8>> {
    let mut files = Vec::new();
    for entry in contents {
        files.extend(place(entry)?);
    }
    let page = |name: &str, bytes| Entry::file(&format!("usr/share/doc/{NAME}/{name}"), bytes);
    files.push(page("copyright", COPYRIGHT.into()));
    files.push(page("changelog.gz", gzip_best(changelog(version).as_bytes())?));
    files.sort_by(|one: &Entry, other: &Entry| one.path.cmp(&other.path));
    let script = |name: &str| {
        let path = root.join("xtask/packaging").join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::Ok(Entry { path: name.to_owned(), mode: 0o755, bytes })
    };
    let program =
        contents.iter().find(|entry| entry.path == NAME).context("there is no program")?;
    let control = control(version, architecture, &files, &program.bytes);
    let control =
        [Entry::file("control", control.into_bytes()), script("postinst")?, script("prerm")?];
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", gzip(&tar(&control, "./")?)?),
        ("data.tar.gz", gzip(&tar(&files, "./")?)?),
    ];
    Ok(ar(&members))
}

/// Where a file of the archive is in the package; none if a package does not need it.
fn place(entry: &Entry) -> anyhow::Result<Option<Entry>> {
    let at = |path: String| Some(Entry { path, ..entry.clone() });
    let documentation = |name: &str| at(format!("usr/share/doc/{NAME}/{name}"));
    if let Some(unit) = entry.path.strip_prefix(UNITS) {
        return Ok(at(format!("{UNIT_FOLDER}{unit}")));
    }
    if let Some(page) = entry.path.strip_prefix("man/") {
        let (path, bytes) = (format!("usr/share/man/man1/{page}.gz"), gzip_best(&entry.bytes)?);
        return Ok(Some(Entry { path, bytes, ..entry.clone() }));
    }
    let shell = SHELLS.iter().find(|(_, path)| *path == entry.path).map(|(shell, _)| *shell);
    Ok(match (shell, entry.path.as_str()) {
        (Some("bash"), _) => at(format!("usr/share/bash-completion/completions/{NAME}")),
        (Some("zsh"), _) => at(format!("usr/share/zsh/vendor-completions/_{NAME}")),
        (Some(_), _) => at(format!("usr/share/fish/vendor_completions.d/{NAME}.fish")),
        (None, NAME) => at(format!("usr/bin/{NAME}")),
        (None, "README.md" | "CHANGELOG.md") => documentation(&entry.path),
        (None, path) if path.starts_with("docs/") => documentation(path),
        (None, path) if SHARED.iter().any(|folder| path.starts_with(folder)) => {
            at(format!("usr/share/{NAME}/{path}"))
        }
        _ => None,
    })
}

fn control(version: &str, architecture: &str, files: &[Entry], program: &[u8]) -> String {
    let kibibytes = files.iter().map(|entry| entry.bytes.len()).sum::<usize>().div_ceil(1024);
    let library =
        libc(program).map_or_else(String::new, |version| format!("libc6 (>= {version}), "));
    format!(
        "Package: {NAME}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: {MAINTAINER}\n\
         Installed-Size: {kibibytes}\nDepends: {library}ca-certificates, passwd\nSection: admin\n\
         Priority: optional\nDescription: publishes a Nexthink estate as a graph\n \
         Fetches the estate of Nexthink tenants, publishes it as generations of\n \
         Parquet files, and answers queries about it in SQL and J1QL.\n"
    )
}

/// The changelog in Debian's format, which names the version and the page with the changes. Its time is that of all files.
fn changelog(version: &str) -> String {
    format!(
        "{NAME} ({version}) stable; urgency=medium\n\n  * CHANGELOG.md has the changes.\n\n \
         -- {MAINTAINER}  Thu, 01 Jan 2026 00:00:00 +0000\n"
    )
}

/// The version of the C library that a program needs: the highest that it names a symbol of. A static program names
/// none.
fn libc(program: &[u8]) -> Option<String> {
    const MARK: &[u8] = b"GLIBC_2.";
    let versions = program.windows(MARK.len() + 2).filter(|window| window.starts_with(MARK));
    let minor = versions.filter_map(|window| {
        let digits = window[MARK.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(None, |number: Option<u32>, digit| {
            Some(number.unwrap_or(0) * 10 + u32::from(digit - b'0'))
        })
    });
    minor.max().map(|minor| format!("2.{minor}"))
}

/// Returns an `ar` archive: a header of 60 bytes before each member, which begins at an even offset.
fn ar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let header =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", bytes.len());
        archive.extend(header.as_bytes());
        archive.extend(bytes);
        if bytes.len() % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_headers_of_60_bytes_and_begin_at_even_offsets() {
        let archive = ar(&[("debian-binary", b"2.0".to_vec()), ("data.tar.gz", b"xy".to_vec())]);
        let text = String::from_utf8(archive).expect("it is a text");
        assert_eq!(
            text,
            "!<arch>\n\
             debian-binary   0           0     0     100644  3         `\n2.0\n\
             data.tar.gz     0           0     0     100644  2         `\nxy"
        );
    }

    #[test]
    fn the_needed_version_of_the_c_library_is_the_highest_that_is_named() {
        let table: [(&[u8], Option<&str>); 4] = [
            (b"..GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.4\0..", Some("2.34")),
            (b"GLIBC_2.2.5\0", Some("2.2")),
            (b"GLIBC_PRIVATE\0", None),
            (b"a static program", None),
        ];
        for (program, expected) in table {
            assert_eq!(libc(program).as_deref(), expected);
        }
    }

    #[test]
    fn a_target_without_a_package_is_named() {
        assert_eq!(architecture("x86_64-unknown-linux-musl").ok(), Some("amd64"));
        assert_eq!(architecture("aarch64-unknown-linux-gnu").ok(), Some("arm64"));
        assert!(architecture("aarch64-apple-darwin").is_err());
    }
}
