//! The dependencies among crates are exactly those that the code map in `docs/architecture.md` states.

use crate::tidy::Violation;
use crate::workspace::{Crate, Dependency};

/// The page with the code map.
pub(super) const PAGE: &str = "docs/architecture.md";

/// The header of the code map.
const HEADER: &str = "| Crate | What it is | May use | Its tests too |";

/// The external packages that a step may use, so that it stays a table: none of them waits, talks
/// or serializes.
const PACKAGES_OF_STEPS: &[&str] = &["inventory"];

/// The same for the tests of a step.
const PACKAGES_OF_STEP_TESTS: &[&str] = &["inventory", "insta"];

/// A row of the code map.
struct Row {
    /// The folder of the crate; `steps/*` stands for all steps.
    folder: String,
    uses: Vec<Target>,
    tests_use: Vec<Target>,
}

/// The crates that a crate may use.
enum Target {
    /// Every crate below it in the code map.
    AllBelow,
    /// The crate in a folder; `*` at its end stands for any suffix.
    Folder(String),
}

/// Returns every dependency that the page does not state, and every statement of the page that is not so.
pub(super) fn check(page: &str, crates: &[Crate]) -> Vec<Violation> {
    let rows = match parse(page) {
        Ok(rows) => rows,
        Err(what) => {
            let mend = format!("write the code map as a table below `{HEADER}`");
            return vec![Violation { path: PAGE.to_owned(), what, mend }];
        }
    };
    let mut violations = unknown_crates(&rows, crates);
    for it in crates {
        for dependency in &it.dependencies {
            violations.extend(check_dependency(&rows, crates, it, dependency));
        }
        violations.extend(unused_statements(&rows, crates, it));
    }
    violations
}

fn parse(page: &str) -> Result<Vec<Row>, String> {
    let table = page.split_once(HEADER).ok_or("it has no code map")?.1;
    let lines = table.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with('|'));
    let rows = lines.filter(|line| !line.is_empty() && !line.starts_with("| ---"));
    rows.take_while(|line| line.starts_with('|')).map(parse_row).collect()
}

fn parse_row(line: &str) -> Result<Row, String> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [folder, _, uses, tests_use] = cells[..] else {
        return Err(format!("a row of the code map has not four cells: {line}"));
    };
    let folder = folder.trim_matches('`').to_owned();
    Ok(Row { folder, uses: parse_targets(uses)?, tests_use: parse_targets(tests_use)? })
}

fn parse_targets(cell: &str) -> Result<Vec<Target>, String> {
    if cell == "–" {
        return Ok(Vec::new());
    }
    let parse = |target: &str| match target {
        "all below" => Ok(Target::AllBelow),
        quoted if quoted.len() > 2 && quoted.starts_with('`') && quoted.ends_with('`') => {
            Ok(Target::Folder(quoted.trim_matches('`').to_owned()))
        }
        other => {
            Err(format!("`{other}` in the code map is no crate: write its folder in backticks"))
        }
    };
    cell.split(", ").map(parse).collect()
}

/// Crates without a row, and rows without a crate.
fn unknown_crates(rows: &[Row], crates: &[Crate]) -> Vec<Violation> {
    let missing =
        crates.iter().filter(|package| row_of(rows, &package.folder).is_none()).map(|package| {
            Violation {
                path: PAGE.to_owned(),
                what: format!("the code map has no row for `{}`", package.folder),
                mend: "say what the crate is and what it may use".to_owned(),
            }
        });
    let is_gone = |row: &&Row| !crates.iter().any(|package| matches(&row.folder, &package.folder));
    let gone = rows.iter().filter(is_gone).map(|row| Violation {
        path: PAGE.to_owned(),
        what: format!("the code map has a row for `{}`, which is no crate", row.folder),
        mend: "remove the row".to_owned(),
    });
    missing.chain(gone).collect()
}

fn check_dependency(
    rows: &[Row],
    crates: &[Crate],
    from: &Crate,
    dependency: &Dependency,
) -> Option<Violation> {
    let place = row_of(rows, &from.folder)?;
    let mend = if dependency.is_local {
        let to = crates.iter().find(|package| package.name == dependency.name)?;
        if allows(rows, place, &to.folder, dependency.is_for_tests) {
            return None;
        }
        format!("move the code to where it may go, or state the dependency in {PAGE}")
    } else {
        let is_step = from.folder.starts_with("steps/");
        let packages =
            if dependency.is_for_tests { PACKAGES_OF_STEP_TESTS } else { PACKAGES_OF_STEPS };
        if !is_step || packages.contains(&dependency.name.as_str()) {
            return None;
        }
        "a step is a table: move what needs the package to core/ingest".to_owned()
    };
    let kind = if dependency.is_for_tests { "its tests depend" } else { "it depends" };
    Some(Violation {
        path: format!("{}/Cargo.toml", from.folder),
        what: format!("{kind} on `{}`, against the code map", dependency.name),
        mend,
    })
}

fn allows(rows: &[Row], place: usize, to: &str, for_tests: bool) -> bool {
    let row = &rows[place];
    let tests_use = row.tests_use.iter().filter(|_| for_tests);
    row.uses.iter().chain(tests_use).any(|target| match target {
        Target::AllBelow => row_of(rows, to).is_some_and(|other| other > place),
        Target::Folder(pattern) => matches(pattern, to),
    })
}

/// Crates that the row of a crate names and that it does not use.
fn unused_statements(rows: &[Row], crates: &[Crate], from: &Crate) -> Vec<Violation> {
    let Some(place) = row_of(rows, &from.folder).filter(|place| !rows[*place].folder.contains('*'))
    else {
        return Vec::new();
    };
    let is_used = |pattern: &str, for_tests: bool| {
        from.dependencies
            .iter()
            .filter(|dependency| dependency.is_local && dependency.is_for_tests == for_tests)
            .any(|dependency| {
                crates.iter().any(|to| to.name == dependency.name && matches(pattern, &to.folder))
            })
    };
    let row = &rows[place];
    let stated = row.uses.iter().map(|target| (target, false));
    let stated = stated.chain(row.tests_use.iter().map(|target| (target, true)));
    let unused = stated.filter_map(|(target, for_tests)| match target {
        Target::Folder(pattern) if !is_used(pattern, for_tests) => Some(pattern),
        _ => None,
    });
    let violation = |pattern: &String| Violation {
        path: PAGE.to_owned(),
        what: format!("the code map lets `{}` use `{pattern}`, which it does not", from.folder),
        mend: "remove it from the row".to_owned(),
    };
    unused.map(violation).collect()
}

/// Returns the number of the row for a folder.
fn row_of(rows: &[Row], folder: &str) -> Option<usize> {
    rows.iter().position(|row| matches(&row.folder, folder))
}

fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => folder.starts_with(start),
        None => pattern == folder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
# Page

| Crate | What it is | May use | Its tests too |
| --- | --- | --- | --- |
| `runner` | the program | all below | – |
| `steps/*` | a step | `core/model`, `steps/*` | `core/ingest` |
| `core/ingest` | rows | `core/model` | – |
| `core/model` | declarations | – | – |

More text | with a bar.
";

    fn package(folder: &str, dependencies: &[(&str, bool)]) -> Crate {
        let name = |folder: &str| folder.replace("steps/", "step-").replace('/', "-");
        let dependencies = dependencies.iter().map(|(folder, is_for_tests)| Dependency {
            name: name(folder),
            is_for_tests: *is_for_tests,
            is_local: folder.contains('/') || *folder == "runner",
            features: Vec::new(),
        });
        Crate {
            name: name(folder),
            folder: folder.to_owned(),
            manifest: String::new(),
            dependencies: dependencies.collect(),
            has_readme: true,
            forwarded_features: Vec::new(),
        }
    }

    /// A workspace that the map describes, with these dependencies of one crate instead.
    fn lines(folder: &str, dependencies: &[(&str, bool)]) -> Vec<String> {
        let mut crates = vec![
            package("runner", &[("steps/devices", false)]),
            package("steps/devices", &[("core/model", false), ("core/ingest", true)]),
            package("core/ingest", &[("core/model", false)]),
            package("core/model", &[]),
        ];
        crates.retain(|package| package.folder != folder);
        crates.push(package(folder, dependencies));
        crate::tidy::lines(&check(MAP, &crates))
    }

    #[test]
    fn dependencies_point_down_and_nowhere_else() {
        for (from, to, for_tests, allowed) in [
            ("runner", "core/model", false, true),
            ("runner", "steps/devices", false, true),
            ("steps/devices", "core/ingest", true, true),
            ("steps/devices", "core/ingest", false, false),
            ("steps/devices", "runner", false, false),
            ("core/model", "core/ingest", false, false),
            ("steps/devices", "inventory", false, true),
            ("steps/devices", "insta", true, true),
            ("steps/devices", "tokio", false, false),
            ("core/model", "tokio", false, true),
        ] {
            let found = lines(from, &[(to, for_tests)]);
            assert_eq!(found.is_empty(), allowed, "{from} -> {to}: {found:?}");
        }
    }

    #[test]
    fn a_statement_that_is_not_so_is_found() {
        assert_eq!(
            lines("core/ingest", &[]),
            [
                "docs/architecture.md: the code map lets `core/ingest` use `core/model`, which it does \
              not; remove it from the row"
            ]
        );
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let found = lines("core/new", &[]);
        assert!(found[0].contains("has no row for `core/new`"), "{found:?}");
        let crates = [package("runner", &[])];
        let found = crate::tidy::lines(&check(MAP, &crates));
        assert!(found[0].contains("a row for `steps/*`, which is no crate"), "{found:?}");
    }

    #[test]
    fn a_violation_names_the_manifest_and_the_page() {
        assert_eq!(
            lines("core/model", &[("core/ingest", false)]),
            [
                "core/model/Cargo.toml: it depends on `core-ingest`, against the code map; move the code to \
              where it may go, or state the dependency in docs/architecture.md"
            ]
        );
    }

    #[test]
    fn a_page_without_a_code_map_is_a_violation() {
        let odd_cell = MAP.replace("all below", "everything");
        for (page, what) in [("", "it has no code map"), (odd_cell.as_str(), "is no crate")] {
            let found = crate::tidy::lines(&check(page, &[]));
            assert!(found[0].contains(what), "{found:?}");
        }
    }
}
