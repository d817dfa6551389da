//! The cost of a case: time, processor time and memory of this process, as Linux reports them.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, bail};

/// The unit of times in `/proc/self/stat`, a hundredth of a second on every machine that we know.
const NANOSECONDS_OF_A_TICK: u64 = 10_000_000;

/// A running measurement.
pub(crate) struct Meter {
    start: Instant,
    is_single_threaded: bool,
    processor_at_start: u64,
}

impl Meter {
    /// Starts to measure.
    ///
    /// # Errors
    ///
    /// The system is not Linux.
    pub(crate) fn start(is_single_threaded: bool) -> anyhow::Result<Self> {
        let processor_at_start = processor_nanoseconds(is_single_threaded)?;
        Ok(Self { start: Instant::now(), is_single_threaded, processor_at_start })
    }

    /// Ends the measurement and returns `rows`, then milliseconds, processor milliseconds and peak
    /// KiB.
    ///
    /// # Errors
    ///
    /// The case is declared single-threaded but used other threads, whose time is not counted here.
    pub(crate) fn stop(self, rows: u64) -> anyhow::Result<String> {
        let elapsed = self.start.elapsed();
        let processor = processor_nanoseconds(self.is_single_threaded)? - self.processor_at_start;
        let status = fs::read_to_string("/proc/self/status")?;
        if self.is_single_threaded && field(&status, "Threads:")? != 1 {
            bail!("the case is more than one thread");
        }
        let (milliseconds, peak) = (elapsed.as_secs_f64() * 1e3, field(&status, "VmHWM:")?);
        #[expect(clippy::cast_precision_loss, reason = "a case takes seconds, not weeks")]
        let processor = processor as f64 / 1e6;
        Ok(format!("{rows} {milliseconds:.1} {processor:.1} {peak}"))
    }
}

/// The user and system time: of the main thread, or in hundredths of a second of all threads,
/// including those that have ended.
fn processor_nanoseconds(is_single_threaded: bool) -> anyhow::Result<u64> {
    let read = |path| fs::read_to_string(path).context("cases are measured on Linux");
    if is_single_threaded {
        let text = read("/proc/self/schedstat")?;
        let first = text.split_ascii_whitespace().next().context("schedstat is empty")?;
        return Ok(first.parse()?);
    }
    let text = read("/proc/self/stat")?;
    // The name of the program, in brackets, may contain any character.
    let (_, fields) = text.rsplit_once(')').context("stat has no name")?;
    let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? * NANOSECONDS_OF_A_TICK)
}

fn field(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|text| text.strip_prefix(name));
    let number = line.and_then(|text| text.split_ascii_whitespace().next());
    Ok(number.with_context(|| format!("no `{name}` in the status of the process"))?.parse()?)
}
