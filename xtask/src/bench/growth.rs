//! The growth of the whole program's cost with the number of rows.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::built::Built;
use super::cost::{Case, in_turns};
use super::served::Served;
use super::{Files, MeasureOptions, Output, Size};

/// Measures every size up to this one.
///
/// # Errors
///
/// A program does not build, or a run is incomplete.
pub(crate) fn run(
    built: &Built,
    up_to: Size,
    shuffled: bool,
    options: &MeasureOptions,
) -> anyhow::Result<()> {
    let program = built.program()?;
    if options.output == Output::Table {
        println!("HTTP to a generation, median of {}", options.runs);
        println!(
            "{:14}{:>11}{:>10}{:>10}{:>9}{:>13}{:>10}{:>15}",
            "", "rows", "ms", "CPU ms", "ns/row", "CPU ns/row", "peak MiB", "generation MiB"
        );
    }
    for size in Size::ALL.into_iter().filter(|size| *size <= up_to) {
        let what = Files { size, shuffled };
        let served = Served::start(built, &built.files(what)?)?;
        let run = || served.run(&program, size.rows());
        let cases = vec![Case { name: what.name(), run: Box::new(run) }];
        let (name, cost) = in_turns(cases, options.runs, 1)?.remove(0);
        let rows = f64::from(size.rows());
        let per_row = [cost.milliseconds, cost.processor_milliseconds]
            .map(|milliseconds| milliseconds * 1e6 / rows);
        #[expect(clippy::cast_precision_loss, reason = "a store has less than 4 PiB")]
        let written = bytes_below(&served.store())? as f64 / 1024.0 / 1024.0;
        if options.output == Output::Json {
            let figures = json!({
                "name": name,
                "rows": size.rows(),
                "milliseconds": cost.milliseconds,
                "processorMilliseconds": cost.processor_milliseconds,
                "nanosecondsPerRow": per_row[0],
                "processorNanosecondsPerRow": per_row[1],
                "peakMebibytes": cost.peak_mebibytes,
                "generationMebibytes": written,
            });
            println!("{figures}");
            continue;
        }
        println!(
            "{name:14}{rows:11.0}{:10.0}{:10.0}{:9.0}{:13.0}{:10.1}{written:15.1}",
            cost.milliseconds,
            cost.processor_milliseconds,
            per_row[0],
            per_row[1],
            cost.peak_mebibytes
        );
    }
    Ok(())
}

fn bytes_below(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
