//! The cost of each part of the pass from bytes to tables, on one thread and without a network.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::built::Built;
use super::cost::{Case, Cost, in_turns, measure_command};
use super::{Files, MeasureOptions, Size, table};

/// The cases of the example, and their names in the table. The first one is the baseline.
pub(crate) const CASES: [(&str, &str); 6] = [
    ("decode", "decode"),
    ("decode-zstd", "decode, from zstd"),
    ("map", "decode and map"),
    ("map-pseudonymous", "the same with pseudonyms"),
    ("publish", "to a generation"),
    ("publish-zstd", "to a generation, from zstd"),
];

/// Measures all cases with ordered and shuffled rows.
///
/// # Errors
///
/// A case fails.
pub(crate) fn run(built: &Built, size: Size, options: &MeasureOptions) -> anyhow::Result<()> {
    for shuffled in [false, true] {
        let what = Files { size, shuffled };
        let folder = built.files(what)?;
        let cases = CASES.map(|(case, name)| self::case(built, case, name, &folder));
        let measured = in_turns(cases.into(), options.runs, CASES.len())?;
        let title = format!("{}, one thread, median of {}", what.name(), options.runs);
        table::print(&title, &measured, options.output);
    }
    Ok(())
}

/// One case, which measures itself, without the start of the process.
pub(crate) fn case<'a>(
    built: &'a Built,
    case: &'static str,
    name: &str,
    folder: &'a Path,
) -> Case<'a> {
    let run = move || {
        let (_, printed) = measure_command(built.example().args(["case", case]).arg(folder))?;
        read_cost(&printed)
    };
    Case { name: name.to_owned(), run: Box::new(run) }
}

/// Parses the output of a case: its rows, milliseconds, processor milliseconds, and peak KiB.
fn read_cost(line: &str) -> anyhow::Result<Cost> {
    let figures: Result<Vec<f64>, _> = line.split_ascii_whitespace().map(str::parse).collect();
    let figures = figures.with_context(|| format!("a case printed `{line}`"))?;
    let [_, milliseconds, processor_milliseconds, peak_kibibytes] = figures[..] else {
        bail!("a case printed `{line}`");
    };
    Ok(Cost { milliseconds, processor_milliseconds, peak_mebibytes: peak_kibibytes / 1024.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_prints_four_figures() {
        let cost = read_cost("1000000 250.5 240.0 20480\n").expect("four figures");
        let expected =
            Cost { milliseconds: 250.5, processor_milliseconds: 240.0, peak_mebibytes: 20.0 };
        assert_eq!(cost, expected);
        for line in ["", "1 2 3", "1 2 3 4 5", "1 2 3 x"] {
            assert!(read_cost(line).is_err(), "{line}");
        }
    }
}
