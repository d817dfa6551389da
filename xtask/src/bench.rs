//! Benchmarks of the pass from bytes to tables: the files, and what each part of the pass costs. What
//! is measured is the example `bench_case`, built for release, in a process of its own each time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};

use crate::cargo::{cargo, run as run_command};

/// How often each case runs. The median counts.
const RUNS: usize = 5;

/// The cases of the example, and what they are called in the table. The first one is the measure of
/// the others.
const CASES: [(&str, &str); 5] = [
    ("decode", "decode"),
    ("decode-zstd", "decode, from zstd"),
    ("map", "decode and map"),
    ("publish", "to a generation"),
    ("publish-zstd", "to a generation, from zstd"),
];

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Write the devices and packages of a simulated tenant as files, the same on every machine.
    #[command(
        after_help = "Example:\n  cargo xtask bench gen --size M --shuffled target/bench/mine"
    )]
    Gen {
        /// How many devices and rows of packages.
        #[arg(long, default_value = "M", ignore_case = true)]
        size: Size,
        /// Put the rows in an order that has nothing to do with devices. In memory, so not for L.
        #[arg(long)]
        shuffled: bool,
        /// Where to write; files of the same names are replaced.
        folder: PathBuf,
    },
    /// Measure decoding, mapping and publishing of files in order and shuffled. On Linux only.
    #[command(after_help = "Example:\n  cargo xtask bench micro --size S")]
    Micro {
        /// How many devices and rows of packages; the files are made in `target/bench` once.
        #[arg(long, default_value = "M", ignore_case = true)]
        size: Size,
    },
}

/// The sizes of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum Size {
    /// 1,250 devices, 100,000 rows of packages.
    S,
    /// 12,500 devices, 1,000,000 rows of packages.
    M,
    /// 125,000 devices, 10,000,000 rows of packages.
    L,
}

/// What one run of a case took.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    milliseconds: f64,
    processor_milliseconds: f64,
    peak_mebibytes: f64,
}

/// Runs one of the benchmarks.
///
/// # Errors
///
/// The example does not build, or a case fails.
pub(crate) fn run(root: &Path, bench: &Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Gen { size, shuffled, folder } => {
            // The example starts in the root of the workspace, the person may be elsewhere.
            let folder = std::path::absolute(folder).context("the folder has no full path")?;
            write_files(root, *size, *shuffled, &folder)
        }
        Bench::Micro { size } => micro(root, *size),
    }
}

fn micro(root: &Path, size: Size) -> anyhow::Result<()> {
    let orders: &[(&str, bool)] = match size {
        Size::S | Size::M => &[("grouped", false), ("shuffled", true)],
        Size::L => &[("grouped", false)],
    };
    for &(order, shuffled) in orders {
        let folder = root.join(format!("target/bench/{}-{order}", size.name()));
        let complete = folder.join("complete");
        if !complete.exists() {
            write_files(root, size, shuffled, &folder)?;
            fs::write(&complete, "")?;
        }
        println!("{} {order}, median of {RUNS}", size.name());
        println!("{:28}{:>9}{:>9}{:>9}{:>10}", "", "ms", "CPU ms", "× decode", "peak MiB");
        let mut measure = None;
        for (case, name) in CASES {
            let cost = median_cost(root, case, &folder)?;
            let ratio = cost.milliseconds / measure.get_or_insert(cost).milliseconds;
            let Cost { milliseconds, processor_milliseconds, peak_mebibytes } = cost;
            println!(
                "{name:28}{milliseconds:9.0}{processor_milliseconds:9.0}{ratio:9.2}{peak_mebibytes:10.1}"
            );
        }
        println!();
    }
    Ok(())
}

fn write_files(root: &Path, size: Size, shuffled: bool, folder: &Path) -> anyhow::Result<()> {
    let folder = folder.to_str().context("the folder's name is no UTF-8")?;
    let mut arguments = example(&["gen", size.name(), folder]);
    if shuffled {
        arguments.push("--shuffled");
    }
    run_command(&mut cargo(root, &arguments))
}

/// The medians of each figure, over runs one after the other.
fn median_cost(root: &Path, case: &str, folder: &Path) -> anyhow::Result<Cost> {
    let folder = folder.to_str().context("the folder's name is no UTF-8")?;
    let mut costs = Vec::new();
    for _ in 0..RUNS {
        let output = cargo(root, &example(&["case", case, folder])).output()?;
        if !output.status.success() {
            bail!("the case `{case}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        costs.push(read_cost(&String::from_utf8_lossy(&output.stdout))?);
    }
    let median = |figure: fn(&Cost) -> f64| median(costs.iter().map(figure).collect());
    Ok(Cost {
        milliseconds: median(|it| it.milliseconds),
        processor_milliseconds: median(|it| it.processor_milliseconds),
        peak_mebibytes: median(|it| it.peak_mebibytes),
    })
}

fn example<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let run =
        ["run", "--quiet", "--release", "--package", "xtask", "--example", "bench_case", "--"];
    [&run, arguments].concat()
}

/// What a case prints: its rows, milliseconds, milliseconds of a processor, and KiB at the peak.
fn read_cost(line: &str) -> anyhow::Result<Cost> {
    let figures: Result<Vec<f64>, _> = line.split_ascii_whitespace().map(str::parse).collect();
    let figures = figures.with_context(|| format!("a case printed `{line}`"))?;
    let [_, milliseconds, processor_milliseconds, peak_kibibytes] = figures[..] else {
        bail!("a case printed `{line}`");
    };
    Ok(Cost { milliseconds, processor_milliseconds, peak_mebibytes: peak_kibibytes / 1024.0 })
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

impl Size {
    /// As the example reads it, in lower case.
    const fn name(self) -> &'static str {
        match self {
            Size::S => "s",
            Size::M => "m",
            Size::L => "l",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0, 2.0, 100.0]).to_bits(), 5.0_f64.to_bits());
    }

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
