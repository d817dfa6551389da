//! Benchmarks: of the whole program, of the pass from bytes to tables, and of other programs that do
//! the same. What is measured is built for release and runs in a process of its own each time; the
//! median counts.

mod audit;
mod built;
mod cost;
mod growth;
mod instructions;
mod micro;
mod peers;
mod privacy;
mod served;
mod table;
mod whole;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use self::built::Built;

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Write the devices and packages of a simulated tenant as files, the same on every machine.
    #[command(
        after_help = "Example:\n  cargo xtask bench gen --size M --shuffled target/bench/mine"
    )]
    Gen {
        #[command(flatten)]
        what: Files,
        /// Where to write; files of the same names are replaced.
        folder: PathBuf,
    },
    /// Measure decoding, mapping and publishing of files in order and shuffled. On Linux only.
    #[command(after_help = "Example:\n  cargo xtask bench micro --size S")]
    Micro {
        /// How many devices and rows of packages; the files are made in `target/bench` once.
        #[arg(long, default_value = "M", ignore_case = true)]
        size: Size,
        #[command(flatten)]
        how: How,
    },
    /// Measure the whole program: from HTTP, which another process serves, to a published generation.
    #[command(
        after_help = "Example:\n  cargo xtask bench run --size M --against ./nexthink-graph-old"
    )]
    Run {
        #[command(flatten)]
        what: Files,
        #[command(flatten)]
        how: How,
        /// Measure another build beside it, in turns.
        #[arg(long, value_name = "PROGRAM")]
        against: Option<PathBuf>,
    },
    /// Measure other programs that make the same tables, and ours, in turns: DuckDB, Polars, the
    /// JupiterOne SDK. Installs them in `target/bench/peers`; needs Python 3 and Node.
    #[command(after_help = "Example:\n  cargo xtask bench peers --size S --without sdk")]
    Peers {
        #[command(flatten)]
        what: Files,
        #[command(flatten)]
        how: How,
        /// Leave one out, such as the SDK, which takes minutes for M.
        #[arg(long, value_name = "PEER")]
        without: Vec<peers::Peer>,
    },
    /// Measure how the time and memory of the whole program grow from size to size.
    #[command(after_help = "Example:\n  cargo xtask bench cost --up-to XL --runs 3")]
    Cost {
        /// The largest size.
        #[arg(long, default_value = "L", ignore_case = true)]
        up_to: Size,
        /// Put the rows in an order that has nothing to do with devices.
        #[arg(long)]
        shuffled: bool,
        #[command(flatten)]
        how: How,
    },
    /// Measure what pseudonyms add to a run, and an erasure from a store of many entities.
    #[command(after_help = "Example:\n  cargo xtask bench privacy --size S --entities 100000")]
    Privacy {
        #[command(flatten)]
        what: Files,
        /// How many users, devices and alerts are in the store.
        #[arg(long, default_value_t = 1_000_000)]
        entities: u32,
        #[command(flatten)]
        how: How,
    },
    /// Measure reading an audit trail for the first time, and a tenth and a hundredth of it.
    #[command(after_help = "Example:\n  cargo xtask bench audit --lines 1000000 --runs 1")]
    Audit {
        /// How many lines at least, up to 17 million: a line a second for 180 days.
        #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(100..=17_000_000))]
        lines: u64,
        #[command(flatten)]
        how: How,
    },
    /// Count the instructions of decoding, mapping and publishing: a number that a busy machine does
    /// not change. Needs `valgrind` or `perf`.
    #[command(after_help = "Example:\n  cargo xtask bench instructions --size S")]
    Instructions {
        #[command(flatten)]
        what: Files,
        /// How the figures are printed.
        #[arg(long, default_value = "table")]
        output: Output,
    },
}

/// Which files.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Files {
    /// How many devices and rows of packages.
    #[arg(long, default_value = "M", ignore_case = true)]
    size: Size,
    /// Put the rows in an order that has nothing to do with devices.
    #[arg(long)]
    shuffled: bool,
}

/// How to measure and to print.
#[derive(Debug, Clone, Args)]
pub(crate) struct How {
    /// How often each case runs; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// Measure this program in place of the one that is built from here for release.
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// How the figures are printed.
    #[arg(long, default_value = "table")]
    output: Output,
}

/// How figures are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs: one JSON object for each table.
    Json,
}

/// The sizes of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum Size {
    /// 1,250 devices, 100,000 rows of packages.
    S,
    /// 12,500 devices, 1,000,000 rows of packages.
    M,
    /// 125,000 devices, 10,000,000 rows of packages.
    L,
    /// 625,000 devices, 50,000,000 rows of packages.
    #[value(name = "XL")]
    Xl,
}

/// Runs one of the benchmarks.
///
/// # Errors
///
/// Something does not build, or a case of ours fails.
pub(crate) fn run(root: &Path, bench: &Bench) -> anyhow::Result<()> {
    let built = |how: Option<&How>| Built::new(root, how.and_then(|it| it.program.as_deref()));
    match bench {
        Bench::Gen { what, folder } => {
            // The example starts in the root of the workspace, the person may be elsewhere.
            let folder = std::path::absolute(folder).context("the folder has no full path")?;
            built(None)?.write_files(*what, &folder)
        }
        Bench::Micro { size, how } => micro::run(&built(Some(how))?, *size, how),
        Bench::Run { what, how, against } => {
            whole::run(&built(Some(how))?, *what, how, against.as_deref())
        }
        Bench::Peers { what, how, without } => {
            peers::run(root, &built(Some(how))?, *what, how, without)
        }
        Bench::Cost { up_to, shuffled, how } => {
            growth::run(&built(Some(how))?, *up_to, *shuffled, how)
        }
        Bench::Privacy { what, entities, how } => {
            privacy::run(&built(Some(how))?, *what, *entities, how)
        }
        Bench::Audit { lines, how } => audit::run(&built(Some(how))?, *lines, how),
        Bench::Instructions { what, output } => instructions::run(&built(None)?, *what, *output),
    }
}

impl Files {
    /// Such as `m-shuffled`.
    fn name(self) -> String {
        format!("{}-{}", self.size.name(), if self.shuffled { "shuffled" } else { "grouped" })
    }
}

impl Size {
    const ALL: [Self; 4] = [Self::S, Self::M, Self::L, Self::Xl];

    /// As the example reads it, in lower case.
    const fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::M => "m",
            Self::L => "l",
            Self::Xl => "xl",
        }
    }

    /// Rows of both files together.
    const fn rows(self) -> u32 {
        match self {
            Self::S => 101_250,
            Self::M => 1_012_500,
            Self::L => 10_125_000,
            Self::Xl => 50_625_000,
        }
    }
}
