//! The tests that every step has, declared by one line of its crate. They read the fixtures of the
//! step and of the steps that it waits for, and build the graph as a run does.

use std::fs;
use std::path::{Path, PathBuf};

use core_model::column::Column;
use core_model::step::Step;

use crate::graph::Graph;
use crate::listing;
use crate::step::StepIngest;

/// Declares the tests of a step: a snapshot of the graph of its fixture, a snapshot of its page, that
/// the fixture has the columns of the saved query, that every column has a privacy class, and that an
/// export without a column is accepted unless the column is a key. The crate needs `insta` for its tests.
///
/// `conformance!(STEP, "fixtures/packages.csv")` stands in a module of tests and names the fixture by
/// its path in the crate. The fixtures of other steps are found by their names.
#[macro_export]
macro_rules! conformance {
    ($step:expr, $fixture:literal) => {
        #[test]
        fn maps_every_column_of_the_export() {
            let listing =
                $crate::conformance::listing(&$step, env!("CARGO_MANIFEST_DIR"), $fixture);
            insta::assert_snapshot!(listing);
        }

        #[test]
        fn documents_every_property() {
            insta::assert_snapshot!(core_model::documentation::step_section(&$step));
        }

        #[test]
        fn reads_the_columns_of_the_fixture_in_its_order() {
            let header = $crate::conformance::header(env!("CARGO_MANIFEST_DIR"), $fixture);
            assert_eq!($step.columns().join(","), header);
        }

        #[test]
        fn every_column_says_what_it_tells_about_people() {
            $crate::conformance::check_privacy_classes(&$step);
        }

        #[test]
        fn every_column_except_a_key_may_be_missing() {
            $crate::conformance::check_missing_columns(&$step);
        }
    };
}

/// Builds the graph of a step's fixture and of the steps that it waits for, and lists what the step
/// made.
///
/// # Panics
///
/// A fixture is missing or rejected.
pub fn listing(step: &'static Step, crate_folder: &str, fixture: &str) -> String {
    let crate_folder = Path::new(crate_folder);
    let mut exports = Vec::new();
    for needed in in_order(step) {
        let path = if needed.id == step.id {
            crate_folder.join(fixture)
        } else {
            fixture_of(needed, crate_folder)
        };
        exports.push((needed, read(&path)));
    }
    let exports: Vec<_> =
        exports.iter().map(|(needed, export)| (*needed, export.as_bytes())).collect();
    let graph = listing::build_graph(&exports).expect("the fixtures are accepted");
    listing::list(graph, step).expect("the schema fits")
}

/// Returns the first line of a fixture.
///
/// # Panics
///
/// The fixture is missing.
pub fn header(crate_folder: &str, fixture: &str) -> String {
    let export = read(&Path::new(crate_folder).join(fixture));
    export.lines().next().unwrap_or_default().to_owned()
}

/// Checks that every column has a privacy class, and one only. A column without one is dropped before
/// anything is written.
///
/// # Panics
///
/// The check fails.
pub fn check_privacy_classes(step: &Step) {
    let declared = Column::all();
    for column in [step.columns(), step.unlisted_columns()].concat() {
        let classes = declared.iter().filter(|declared| declared.name == column).count();
        assert_eq!(classes, 1, "privacy classes of {column}");
    }
}

/// Checks that an export without one of the columns is accepted and the column reported as missing,
/// unless the column is a key.
///
/// # Panics
///
/// The check fails.
pub fn check_missing_columns(step: &'static Step) {
    let columns = step.columns();
    for missing in &columns {
        let header: Vec<&str> = columns.iter().filter(|name| *name != missing).copied().collect();
        let graph = Graph::default();
        let mut ingest = StepIngest::new(step, &graph);
        ingest.push(header.join(",").as_bytes()).expect("a header is accepted");
        match ingest.finish() {
            Ok(tables) => assert_eq!(tables.account.missing_columns, [*missing]),
            Err(error) => {
                assert!(step.key_columns().contains(missing), "{missing}: {error}");
                assert!(error.to_string().contains(&format!("`{missing}`")), "{error}");
            }
        }
    }
}

/// Returns the steps that a step waits for, each after those that it waits for itself, and the step
/// last.
fn in_order(step: &'static Step) -> Vec<&'static Step> {
    let mut steps: Vec<&'static Step> = Vec::new();
    for needed in step.depends_on.iter().flat_map(|needed| in_order(needed)).chain([step]) {
        if !steps.iter().any(|found| found.id == needed.id) {
            steps.push(needed);
        }
    }
    steps
}

/// Returns the fixture of another step: `steps/users/fixtures/users.csv` for `fetch-users`.
fn fixture_of(step: &Step, crate_folder: &Path) -> PathBuf {
    let name = step.id.trim_start_matches("fetch-").replace('-', "_");
    crate_folder.join("../../steps").join(&name).join("fixtures").join(format!("{name}.csv"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
