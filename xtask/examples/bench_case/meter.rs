//! What a case costs: time, processor time and memory of this process, as Linux tells them.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, bail};

/// A running measurement.
pub(crate) struct Meter {
    start: Instant,
    processor_at_start: u64,
}

impl Meter {
    /// Starts to measure.
    ///
    /// # Errors
    ///
    /// The system is not Linux.
    pub(crate) fn start() -> anyhow::Result<Meter> {
        Ok(Meter { start: Instant::now(), processor_at_start: processor_nanoseconds()? })
    }

    /// Ends the measurement: `rows`, then milliseconds, milliseconds of a processor and KiB at the
    /// peak.
    ///
    /// # Errors
    ///
    /// The case used other threads, whose time is not counted here.
    pub(crate) fn stop(self, rows: u64) -> anyhow::Result<String> {
        let elapsed = self.start.elapsed();
        let processor = processor_nanoseconds()? - self.processor_at_start;
        let status = fs::read_to_string("/proc/self/status")?;
        if field(&status, "Threads:")? != 1 {
            bail!("a case is one thread");
        }
        let (milliseconds, peak) = (elapsed.as_secs_f64() * 1e3, field(&status, "VmHWM:")?);
        #[expect(clippy::cast_precision_loss, reason = "a case takes seconds, not weeks")]
        let processor = processor as f64 / 1e6;
        Ok(format!("{rows} {milliseconds:.1} {processor:.1} {peak}"))
    }
}

/// User and system time of the main thread, which is the only one.
fn processor_nanoseconds() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/self/schedstat").context("cases are measured on Linux")?;
    let first = text.split_ascii_whitespace().next().context("schedstat is empty")?;
    Ok(first.parse()?)
}

fn field(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|it| it.strip_prefix(name));
    let number = line.and_then(|it| it.split_ascii_whitespace().next());
    Ok(number.with_context(|| format!("no `{name}` in the status of the process"))?.parse()?)
}
