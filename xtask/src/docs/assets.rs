//! The table of the explorer's files: a Rust file that has each of them in the program.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// The folder of the page.
const WEB: &str = "core/explorer/web";

/// Where the table is.
pub(super) const PATH: &str = "core/explorer/src/assets/table.rs";

/// The files that a browser asks for. Licences and notes are for readers of the sources.
const KINDS: [&str; 4] = ["css", "html", "js", "svg"];

/// The table as Rust code.
pub(super) fn table(root: &Path) -> anyhow::Result<String> {
    let mut paths = Vec::new();
    collect(&root.join(WEB), "", &mut paths)?;
    paths.sort();
    Ok(code(&paths))
}

fn code(paths: &[String]) -> String {
    let mut code = format!(
        "//! The table of files, made by `cargo xtask docs` from the folder `web`.\n\n\
         use super::Asset;\n\n\
         /// Every file of the page, by path.\n\
         #[rustfmt::skip]\n\
         pub(super) static ASSETS: [Asset; {}] = [\n",
        paths.len()
    );
    for path in paths {
        writeln!(code, "    Asset::new(\"{path}\", include_bytes!(\"../../web/{path}\")),")
            .expect("a String takes everything");
    }
    code.push_str("];\n");
    code
}

fn collect(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {WEB}"))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), paths)?;
        } else if name.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind)) {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_one_line_of_the_table() {
        let code = code(&["a.css".to_owned(), "js/b.js".to_owned()]);
        assert!(code.contains("ASSETS: [Asset; 2]"), "{code}");
        let line = "    Asset::new(\"js/b.js\", include_bytes!(\"../../web/js/b.js\")),\n";
        assert!(code.contains(line), "{code}");
    }
}
