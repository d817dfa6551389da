//! The Rust files: their first line, their length, and texts that they must not contain.

use crate::tidy::Violation;
use crate::tidy::layout::README_AS_DOCS;
use crate::workspace::SourceFile;

/// The most lines in a file, including its tests.
const MAX_LINES: usize = 500;

/// A text that Rust files must not contain.
struct Gate {
    /// The forbidden texts, each in two parts, so that this file passes.
    texts: &'static [&'static str],
    /// The lines that are searched.
    scope: Scope,
    /// The beginnings of the exempt paths.
    except: &'static [&'static str],
    /// The texts after which an occurrence is allowed.
    unless_followed_by: &'static [&'static str],
    mend: &'static str,
}

/// The lines of a file that a gate searches.
#[derive(Clone, Copy)]
enum Scope {
    /// All lines.
    Everything,
    /// Lines that are not comments.
    Code,
    /// Lines that are not comments, outside tests.
    ShippedCode,
}

const GATES: &[Gate] = &[
    Gate {
        texts: &[concat!("danger_", "accept")],
        scope: Scope::Code,
        except: &[],
        unless_followed_by: &[],
        mend: "certificates are always verified; give the client another root instead",
    },
    Gate {
        texts: &[concat!("#[", "ignore")],
        scope: Scope::Code,
        except: &[],
        unless_followed_by: &[],
        mend: "run the test or remove it",
    },
    Gate {
        texts: &[concat!("|", "it|"), concat!("|&", "it|")],
        scope: Scope::Code,
        // Crates whose older closures are still to be renamed.
        except: &["core/engine/", "core/explorer/", "core/query/", "core/rules/"],
        unless_followed_by: &[],
        mend: "name the value after its meaning, for example `|device|` or `|row|`",
    },
    Gate {
        texts: &[concat!("todo", "!("), concat!("unimplemented", "!(")],
        scope: Scope::Code,
        except: &[],
        unless_followed_by: &[],
        mend: "finish it, or leave it out",
    },
    Gate {
        // `eprint` has the same ending.
        texts: &[concat!("print", "!("), concat!("println", "!(")],
        scope: Scope::Code,
        except: &["runner/src/output", "xtask/"],
        unless_followed_by: &[],
        mend: "return the text, log it with tracing, or print it with runner's `output`",
    },
    Gate {
        texts: &[concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!(r"C:\Us", "ers")],
        scope: Scope::Everything,
        // Its cases contain paths of invented people.
        except: &["core/privacy/tests/mentions"],
        unless_followed_by: &[],
        mend: "use a path relative to the crate, or a temporary folder",
    },
    Gate {
        // These calls can leave half a file, a file that others can read, or one that is lost with
        // the power.
        texts: &[
            concat!("fs::", "write("),
            concat!("fs::", "rename("),
            concat!("fs::", "copy("),
            concat!("fs::", "create_dir"),
            concat!("fs::", "remove_"),
            concat!("fs::", "hard_link("),
            concat!("fs::File::", "create"),
            concat!("File::", "options("),
            concat!("Open", "Options::new("),
            concat!("Dir", "Builder::new("),
            concat!(".sync_", "all("),
            concat!(".sync_", "data("),
        ],
        scope: Scope::ShippedCode,
        except: &["core/files/", "core/simulator/", "xtask/"],
        unless_followed_by: &[],
        mend: "write through core/files, which makes files private, whole and durable",
    },
    Gate {
        texts: &[concat!("http:", "//")],
        scope: Scope::ShippedCode,
        // It serves plain HTTP on a loopback port, to programs on the same machine.
        except: &["core/simulator/"],
        // Loopback addresses, the bare scheme to compare with, the names of XML vocabularies, and
        // the notation for the address of a proxy.
        unless_followed_by: &["127.0.0.1", "[::1]", "localhost", "\"", "www.w3.org/", "host:port"],
        mend: "use https",
    },
];

/// Returns every file that breaks a rule.
pub(super) fn check(sources: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in sources {
        if !file.text.starts_with("//!") && !file.text.starts_with(README_AS_DOCS) {
            violations.push(Violation {
                path: file.path.clone(),
                what: "it does not begin with its purpose".to_owned(),
                mend: "begin with `//!` and one to three sentences".to_owned(),
            });
        }
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            violations.push(Violation {
                path: file.path.clone(),
                what: format!("it has {lines} lines, more than {MAX_LINES}"),
                mend: "split it by topic".to_owned(),
            });
        }
        for gate in GATES {
            check_gate(gate, file, &mut violations);
        }
        violations.extend(check_created(file));
    }
    violations
}

/// Returns the first line of shipped code that creates a file with the standard library by its short name, which no gate
/// can tell from that of core/files.
fn check_created(file: &SourceFile) -> Option<Violation> {
    if ["core/files/", "core/simulator/", "xtask/"].iter().any(|path| file.path.starts_with(path)) {
        return None;
    }
    let mut lines = file.text.lines().take(shipped_lines(file)).enumerate();
    let is_imported = lines.clone().any(|(_, line)| {
        let names = line.strip_prefix("use std::").filter(|names| names.starts_with("fs::"));
        names.is_some_and(|names| {
            names.split(|c: char| !c.is_alphanumeric()).any(|name| name == "File")
        })
    });
    let creates =
        |line: &str| line.contains("File::create") && !line.contains("core_files::File::create");
    let (number, _) = lines.find(|(_, line)| is_imported && creates(line))?;
    Some(Violation {
        path: format!("{}:{}", file.path, number + 1),
        what: "a file of the standard library is created here".to_owned(),
        mend: "write through core/files, which makes files private, whole and durable".to_owned(),
    })
}

fn check_gate(gate: &Gate, file: &SourceFile, violations: &mut Vec<Violation>) {
    if gate.except.iter().any(|prefix| file.path.starts_with(prefix)) {
        return;
    }
    let end = match gate.scope {
        Scope::ShippedCode => shipped_lines(file),
        Scope::Everything | Scope::Code => usize::MAX,
    };
    for (number, line) in file.text.lines().enumerate().take(end) {
        let is_comment = line.trim_start().starts_with("//");
        if is_comment && !matches!(gate.scope, Scope::Everything) {
            continue;
        }
        if let Some(text) = gate.texts.iter().find(|text| contains(line, text, gate)) {
            violations.push(Violation {
                path: format!("{}:{}", file.path, number + 1),
                what: format!("`{text}` has no place here"),
                mend: gate.mend.to_owned(),
            });
        }
    }
}

fn contains(line: &str, text: &str, gate: &Gate) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let rest = &line[at + text.len()..];
        !gate.unless_followed_by.iter().any(|exception| rest.starts_with(exception))
    })
}

/// The number of lines before the tests: none in a test file.
fn shipped_lines(file: &SourceFile) -> usize {
    let path = file.path.as_str();
    if path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs") {
        return 0;
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let is_of_tests = |line: &str| line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test, ");
    // `mod tests;` names another file, and shipped code may follow.
    let is_start = |pair: &[&str]| {
        is_of_tests(pair[0]) && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    };
    lines.windows(2).position(is_start).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The violations in a file of this path and text, after a valid first line.
    fn found(path: &str, text: &str) -> Vec<String> {
        let text = format!("//! Purpose.\n{text}");
        crate::tidy::lines(&check(&[SourceFile { path: path.to_owned(), text }]))
    }

    #[test]
    fn a_file_of_the_standard_library_is_not_created_by_its_short_name() {
        for (import, call, expected) in [
            ("use std::fs::File;", "File::create(path)", 1),
            ("use std::fs::{self, File};", "File::create_new(path)", 1),
            ("use std::fs::File;", "core_files::File::create(path)", 0),
            ("use std::fs::File;", "File::open(path)", 0),
            ("use core_files::File;", "File::create(path)", 0),
        ] {
            let text = format!("{import}\nlet file = {call};\n");
            assert_eq!(found("core/a/src/b.rs", &text).len(), expected, "{text}");
        }
    }

    #[test]
    fn a_file_begins_with_its_purpose() {
        for (text, expected) in
            [("//! Why.\n", 0), (README_AS_DOCS, 0), ("use std::fs;\n//! Late.\n", 1), ("", 1)]
        {
            let file = SourceFile { path: "core/a/src/b.rs".to_owned(), text: text.to_owned() };
            assert_eq!(check(&[file]).len(), expected, "{text}");
        }
    }

    #[test]
    fn a_file_of_more_than_500_lines_is_found() {
        assert_eq!(found("core/a/src/b.rs", &"\n".repeat(499)), [""; 0]);
        assert_eq!(
            found("core/a/src/b.rs", &"\n".repeat(500)),
            ["core/a/src/b.rs: it has 501 lines, more than 500; split it by topic"]
        );
    }

    #[test]
    fn each_gate_stops_its_texts_with_the_line() {
        for text in GATES.iter().flat_map(|gate| gate.texts) {
            let found = found("core/a/src/b.rs", &format!("fn a() {{}}\nlet b = {text}x;\n"));
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            let start = format!("core/a/src/b.rs:3: `{text}` has no place here; ");
            assert!(found[0].starts_with(&start), "{found:?}");
        }
    }

    #[test]
    fn the_output_of_the_program_alone_prints() {
        let line = concat!("    eprint", "ln!(\"x\");\n");
        assert_eq!(found("runner/src/output.rs", line), [""; 0]);
        assert_eq!(found("runner/src/output/table.rs", line), [""; 0]);
        assert_eq!(found("xtask/src/ci.rs", line), [""; 0]);
        assert_eq!(found("runner/src/main.rs", line).len(), 1);
        assert_eq!(found("core/a/src/b.rs", &format!("// {line}")), [""; 0]);
    }

    #[test]
    fn a_home_folder_is_found_in_a_comment_too() {
        assert_eq!(found("core/a/src/b.rs", concat!("// see /ho", "me/me/notes\n")).len(), 1);
    }

    #[test]
    fn plain_http_is_for_loopback_and_tests() {
        let scheme = concat!("http:", "//");
        let table = [
            ("core/a/src/b.rs", format!("let a = \"{scheme}api.example\";"), 1),
            ("core/a/src/b.rs", format!("let a = format!(\"{scheme}{{host}}\");"), 1),
            ("core/a/src/b.rs", format!("let a = \"{scheme}127.0.0.1:80\";"), 0),
            ("core/a/src/b.rs", format!("let a = url.starts_with(\"{scheme}\");"), 0),
            ("core/a/src/b.rs", format!("let a = (\"{scheme}[::1]\", \"{scheme}b.example\");"), 1),
            ("core/a/src/b.rs", format!("/// Not {scheme}api.example.\n"), 0),
            ("core/a/src/b.rs", format!("#[cfg(test)]\nmod tests {{\n\"{scheme}a\"\n}}"), 0),
            ("core/a/src/b.rs", format!("#[cfg(test)]\nuse a;\nlet a = \"{scheme}a\";"), 1),
            ("core/a/src/b.rs", format!("#[cfg(test)]\nmod tests;\nlet a = \"{scheme}a\";"), 1),
            ("core/a/tests/it/b.rs", format!("let a = \"{scheme}api.example\";"), 0),
            ("core/simulator/src/b.rs", format!("let a = \"{scheme}{{address}}\";"), 0),
        ];
        for (path, text, expected) in table {
            assert_eq!(found(path, &text).len(), expected, "{path}: {text}");
        }
    }
}
