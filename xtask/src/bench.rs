//! Benchmarks of the whole program, of the pass from bytes to tables, and of other programs for the
//! same task. The measured programs are built for release and run in a new process each time; the
//! median counts.

mod audit;
mod built;
mod cost;
mod explorer;
mod growth;
mod history;
mod instructions;
mod memory;
mod micro;
mod peers;
mod privacy;
mod query;
mod rules;
mod served;
mod store;
mod table;
mod tenant;
mod whole;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use self::built::Built;
pub(crate) use self::peers::python;
pub(crate) use self::tenant::Tenant;

/// The benchmark to run.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Write the devices and packages of a simulated tenant as files.
    #[command(
        after_help = "Example:\n  cargo xtask bench gen --size M --shuffled target/bench/mine"
    )]
    Gen {
        #[command(flatten)]
        what: Files,
        /// The target folder; existing files of the same names are replaced.
        folder: PathBuf,
    },
    /// Measure decoding, mapping and publishing of ordered and shuffled files. Linux only.
    #[command(after_help = "Example:\n  cargo xtask bench micro --size S")]
    Micro {
        /// The number of devices and rows of packages; the files are generated once, in
        /// `target/bench`.
        #[arg(long, default_value = "M", ignore_case = true)]
        size: Size,
        #[command(flatten)]
        options: MeasureOptions,
    },
    /// Measure the whole program: from HTTP to a published generation.
    #[command(
        after_help = "Example:\n  cargo xtask bench run --size M --against ./nexthink-graph-old"
    )]
    Run {
        #[command(flatten)]
        what: Files,
        #[command(flatten)]
        options: MeasureOptions,
        /// Measure another build too, in turns.
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
        options: MeasureOptions,
        /// Leave a program out, such as the SDK, which takes minutes for M.
        #[arg(long, value_name = "PEER")]
        without: Vec<peers::Peer>,
    },
    /// Measure how time and memory of the whole program grow with size.
    #[command(after_help = "Example:\n  cargo xtask bench cost --up-to XL --runs 3")]
    Cost {
        /// The largest size.
        #[arg(long, default_value = "L", ignore_case = true)]
        up_to: Size,
        /// Shuffle the rows.
        #[arg(long)]
        shuffled: bool,
        #[command(flatten)]
        options: MeasureOptions,
    },
    /// Run a million rows within 128 MiB, and 20 million within 512. Linux, as root: it makes control groups.
    #[command(
        after_help = "Example:\n  cargo xtask bench memory --program target/release/nexthink-graph"
    )]
    Memory(MeasureOptions),
    /// Measure the cost of pseudonyms, and of an erasure from a large store.
    #[command(after_help = "Example:\n  cargo xtask bench privacy --size S --entities 100000")]
    Privacy {
        #[command(flatten)]
        what: Files,
        /// The number of users, devices and alerts in the store.
        #[arg(long, default_value_t = 1_000_000)]
        entities: u32,
        #[command(flatten)]
        options: MeasureOptions,
    },
    /// Measure look-ups, queries and comparisons on a large store, beside DuckDB on the same files.
    #[command(
        after_help = "Example:\n  cargo xtask bench query --devices 10000 --packages-per-device 50 --runs 3"
    )]
    Query {
        #[command(flatten)]
        size: query::QuerySize,
        #[command(flatten)]
        options: MeasureOptions,
    },
    /// Measure questions about the past over many kept generations.
    #[command(
        after_help = "Example:\n  cargo xtask bench history --generations 20 --devices 2000 --runs 3"
    )]
    History {
        #[command(flatten)]
        size: history::HistorySize,
        #[command(flatten)]
        options: MeasureOptions,
    },
    /// Measure the first reading of audit trails of three sizes.
    #[command(after_help = "Example:\n  cargo xtask bench audit --lines 1000000 --runs 1")]
    Audit {
        /// The least number of lines, up to 17 million: a line a second for 180 days.
        #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(100..=17_000_000))]
        lines: u64,
        #[command(flatten)]
        options: MeasureOptions,
    },
    /// Measure the evaluation of a rule that finds very many rows. Unix only.
    #[command(after_help = "Example:\n  cargo xtask bench rules --findings 30000 --runs 3")]
    Rules {
        /// The number of findings.
        #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
        findings: u32,
        #[command(flatten)]
        options: MeasureOptions,
    },
    /// Measure the explorer over HTTP: its first page, search, a package on many devices, many clients. Linux only.
    #[command(after_help = "Example:\n  cargo xtask bench explorer --devices 5000 --requests 1000")]
    Explorer(explorer::ExplorerOptions),
    /// Count the instructions of decoding, mapping and publishing: a number that is the same on a
    /// busy machine. Needs `valgrind` or `perf`.
    #[command(after_help = "Example:\n  cargo xtask bench instructions --size S")]
    Instructions {
        #[command(flatten)]
        what: Files,
        /// The output format.
        #[arg(long, default_value = "table")]
        output: Output,
    },
}

/// The files to measure with.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Files {
    /// The number of devices and rows of packages.
    #[arg(long, default_value = "M", ignore_case = true)]
    size: Size,
    /// Shuffle the rows.
    #[arg(long)]
    shuffled: bool,
}

/// Options of the measurement and of the output.
#[derive(Debug, Clone, Args)]
pub(crate) struct MeasureOptions {
    /// The number of runs of each case; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// Measure this program instead of building one for release.
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// The output format.
    #[arg(long, default_value = "table")]
    output: Output,
}

/// The format in which figures are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs: one JSON object per table.
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
    /// 250,000 devices, 20,000,000 rows of packages.
    L2,
    /// 625,000 devices, 50,000,000 rows of packages.
    #[value(name = "XL")]
    Xl,
}

/// Runs one of the benchmarks.
///
/// # Errors
///
/// A program does not build, or one of our cases fails.
pub(crate) fn run(root: &Path, bench: &Bench) -> anyhow::Result<()> {
    let built = |options: Option<&MeasureOptions>| {
        Built::new(root, options.and_then(|options| options.program.as_deref()))
    };
    match bench {
        Bench::Gen { what, folder } => {
            // The example starts in the root of the workspace, the user may be elsewhere.
            let folder = std::path::absolute(folder).context("the folder has no full path")?;
            built(None)?.write_files(*what, &folder)
        }
        Bench::Micro { size, options } => micro::run(&built(Some(options))?, *size, options),
        Bench::Run { what, options, against } => {
            whole::run(&built(Some(options))?, *what, options, against.as_deref())
        }
        Bench::Peers { what, options, without } => {
            peers::run(root, &built(Some(options))?, *what, options, without)
        }
        Bench::Cost { up_to, shuffled, options } => {
            growth::run(&built(Some(options))?, *up_to, *shuffled, options)
        }
        Bench::Memory(options) => memory::run(&built(Some(options))?, options),
        Bench::Privacy { what, entities, options } => {
            privacy::run(&built(Some(options))?, *what, *entities, options)
        }
        Bench::Rules { findings, options } => {
            let built = Built::without_example(root, options.program.as_deref())?;
            rules::run(&built, *findings, options)
        }
        Bench::Explorer(options) => explorer::run(root, options),
        Bench::Query { size, options } => {
            let built = Built::without_example(root, options.program.as_deref())?;
            query::run(root, &built, *size, options)
        }
        Bench::History { size, options } => {
            let built = Built::without_example(root, options.program.as_deref())?;
            history::run(&built, *size, options)
        }
        Bench::Audit { lines, options } => audit::run(&built(Some(options))?, *lines, options),
        Bench::Instructions { what, output } => instructions::run(&built(None)?, *what, *output),
    }
}

impl Files {
    /// For example `m-shuffled`.
    fn name(self) -> String {
        format!("{}-{}", self.size.name(), if self.shuffled { "shuffled" } else { "grouped" })
    }
}

impl Size {
    const ALL: [Self; 5] = [Self::S, Self::M, Self::L, Self::L2, Self::Xl];

    /// The name that the example reads, in lower case.
    const fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::M => "m",
            Self::L => "l",
            Self::L2 => "l2",
            Self::Xl => "xl",
        }
    }

    /// The number of rows of both files together.
    const fn rows(self) -> u32 {
        match self {
            Self::S => 101_250,
            Self::M => 1_012_500,
            Self::L => 10_125_000,
            Self::L2 => 20_250_000,
            Self::Xl => 50_625_000,
        }
    }
}
