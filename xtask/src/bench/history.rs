//! Questions about the past: over one and over many kept generations, each a process of its own.

use anyhow::ensure;

use super::built::Built;
use super::cost::{Case, in_turns, measure_command};
use super::store::Store;
use super::{MeasureOptions, table};

/// The size of the store.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct HistorySize {
    /// The number of generations.
    #[arg(long, default_value_t = 111, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    generations: u32,
    /// The number of devices.
    #[arg(long, default_value_t = 12_500)]
    devices: u32,
    /// The average number of packages of a device.
    #[arg(long, default_value_t = 80)]
    packages_per_device: u32,
}

/// The questions; `{device}` stands for the key of one, `{id}` for the newest generation.
const QUESTIONS: [(&str, &str); 9] = [
    (
        "devices by system, newest only",
        "select \"osName\", count(*) from nexthink_device group by 1 order by 1",
    ),
    (
        "devices of each generation",
        "select _generation, count(*) from nexthink_device_history group by 1 order by 1",
    ),
    (
        "devices by system and generation",
        "select _createdAt, \"osName\", count(*) from nexthink_device_history group by 1, 2 \
         order by 1, 2",
    ),
    (
        "first and last sight of each device",
        "select _key, min(_createdAt), max(_createdAt) from nexthink_device_history group by 1 \
         order by 1",
    ),
    (
        "devices that changed their build",
        "select _key, count(distinct \"osVersion\") n from nexthink_device_history group by 1 \
         having count(distinct \"osVersion\") > 1 order by 1",
    ),
    (
        "one device over time",
        "select _createdAt, \"osVersion\", name from nexthink_device_history \
         where _key = '{device}' order by 1",
    ),
    (
        "20 most frequent packages of all time",
        "select _toEntityKey, count(*) n from nexthink_device_installed_package_history \
         group by 1 order by 2 desc, 1 limit 20",
    ),
    (
        "one generation of the history",
        "select count(*) from nexthink_device_history where _generation = '{id}'",
    ),
    (
        "installations of each generation",
        "select _generation, count(*) from nexthink_device_installed_package_history group by 1 \
         order by 1",
    ),
];

/// Makes the store, unless it is there, and measures.
///
/// # Errors
///
/// A program does not build, or a command fails.
pub(crate) fn run(
    built: &Built,
    size: HistorySize,
    options: &MeasureOptions,
) -> anyhow::Result<()> {
    let store = store(built, size)?;
    let device = store.first("select max(_key) k from nexthink_device")?;
    let id = store.first("select max(_generation) k from nexthink_device_history")?;
    ensure!(!device.contains('\''), "it would end the text in a query");
    let cases = QUESTIONS.into_iter().map(|(name, sql)| {
        let sql = sql.replace("{device}", &device).replace("{id}", &id);
        let store = &store;
        let run = move || {
            let mut command = store.command();
            Ok(measure_command(command.args(["query", "--output", "csv", &sql]))?.0)
        };
        Case { name: name.to_owned(), run: Box::new(run) }
    });
    let measured = in_turns(cases.collect(), options.runs, usize::MAX)?;
    let title = format!(
        "{} generations of {} devices, median of {}",
        size.generations, size.devices, options.runs
    );
    table::print(&title, &measured, options.output);
    Ok(())
}

/// A store with many generations of one tenant.
fn store(built: &Built, size: HistorySize) -> anyhow::Result<Store> {
    let HistorySize { generations, devices, packages_per_device } = size;
    let name = format!("history-{generations}-{devices}-{packages_per_device}");
    Store::kept(built, &name, |store| {
        let sizes = [
            ("--devices", devices),
            ("--users", devices / 3),
            ("--alerts", 0),
            ("--packages-per-device", packages_per_device),
        ];
        store.publish(&sizes, generations)
    })
}
