//! The whole program, from HTTP to a published generation, compared to decoding alone.

use std::path::Path;

use super::built::{Built, full_path};
use super::cost::{Case, in_turns};
use super::served::Served;
use super::{Files, MeasureOptions, micro, table};

/// Measures the program, and another one with it.
///
/// # Errors
///
/// A program does not build, or a run is incomplete.
pub(crate) fn run(
    built: &Built,
    what: Files,
    options: &MeasureOptions,
    against: Option<&Path>,
) -> anyhow::Result<()> {
    let program = built.program()?;
    let against = against.map(full_path).transpose()?;
    let files = built.files(what)?;
    let served = Served::start(built, &files)?;
    let (case, name) = micro::CASES[1];
    let mut cases = vec![micro::case(built, case, &format!("{name}, alone"), &files)];
    let programs = std::iter::once(("this program".to_owned(), program));
    let others = against.into_iter().map(|path| (path.display().to_string(), path));
    for (name, path) in programs.chain(others) {
        let served = &served;
        let run = move || served.run(&path, what.size.rows());
        cases.push(Case { name, run: Box::new(run) });
    }
    let n_cases = cases.len();
    let measured = in_turns(cases, options.runs, n_cases)?;
    let title = format!("{}, HTTP to a generation, median of {}", what.name(), options.runs);
    table::print(&title, &measured, options.output);
    Ok(())
}
