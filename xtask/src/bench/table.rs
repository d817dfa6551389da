//! Output of figures for people and for programs.

use serde_json::json;

use super::Output;
use super::cost::Cost;

/// Prints a table of cases. The first row is the baseline.
pub(crate) fn print(title: &str, measured: &[(String, Cost)], output: Output) {
    let Some((_, measure)) = measured.first() else { return };
    if output == Output::Json {
        let cases: Vec<_> = measured.iter().map(|(name, cost)| as_json(name, *cost)).collect();
        println!("{}", json!({ "title": title, "cases": cases }));
        return;
    }
    let width = measured.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(24);
    println!("{title}");
    println!("{:width$}{:>10}{:>10}{:>9}{:>10}", "", "ms", "CPU ms", "ratio", "peak MiB");
    for (name, cost) in measured {
        let ratio = cost.milliseconds / measure.milliseconds;
        let Cost { milliseconds, processor_milliseconds, peak_mebibytes } = cost;
        println!(
            "{name:width$}{milliseconds:10.0}{processor_milliseconds:10.0}{ratio:9.2}{peak_mebibytes:10.1}"
        );
    }
    println!();
}

fn as_json(name: &str, cost: Cost) -> serde_json::Value {
    json!({
        "name": name,
        "milliseconds": cost.milliseconds,
        "processorMilliseconds": cost.processor_milliseconds,
        "peakMebibytes": cost.peak_mebibytes,
    })
}
