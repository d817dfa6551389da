//! The cost of a process: wall-clock time, processor time, and peak memory.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use wait4::Wait4 as _;

/// The cost of one run, as the system reports it for the whole process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    pub(crate) milliseconds: f64,
    /// User and system time of all threads.
    pub(crate) processor_milliseconds: f64,
    pub(crate) peak_mebibytes: f64,
}

/// A case that can be run repeatedly.
pub(crate) struct Case<'a> {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut() -> anyhow::Result<Cost> + 'a>,
}

/// Runs all cases in turns, so that other load on the machine affects them equally, and returns the
/// medians of each. An optional case that fails is left out of the remaining turns, with a line
/// that says why.
///
/// # Errors
///
/// One of the first `n_needed` cases fails.
pub(crate) fn in_turns(
    cases: Vec<Case<'_>>,
    runs: u8,
    n_needed: usize,
) -> anyhow::Result<Vec<(String, Cost)>> {
    let mut running: Vec<_> = cases.into_iter().map(|case| (case, Vec::new())).collect();
    for turn in 0..runs {
        let mut failed = Vec::new();
        for (at, (case, costs)) in running.iter_mut().enumerate() {
            match (case.run)().with_context(|| case.name.clone()) {
                Ok(cost) => costs.push(cost),
                Err(error) if at < n_needed => return Err(error),
                Err(error) => {
                    eprintln!("left out in turn {}: {error:#}", turn + 1);
                    failed.push(at);
                }
            }
        }
        failed.into_iter().rev().for_each(|at| _ = running.remove(at));
    }
    Ok(running.into_iter().map(|(case, costs)| (case.name, medians(&costs))).collect())
}

/// Runs a command to its end and returns its cost and its output.
///
/// # Errors
///
/// It does not start, or it fails.
pub(crate) fn measure_command(command: &mut Command) -> anyhow::Result<(Cost, String)> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("{program} does not start"))?;
    let mut stderr = child.stderr.take().context("standard error is a pipe")?;
    // Both pipes are read at the same time: a program blocks when one of them is full.
    let errors = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes)
    });
    let mut printed = String::new();
    child.stdout.take().context("standard output is a pipe")?.read_to_string(&mut printed)?;
    let used = child.wait4()?;
    let elapsed = start.elapsed();
    let errors = errors.join().map_err(|_| anyhow::anyhow!("reading does not panic"))??;
    if !used.status.success() {
        let errors = String::from_utf8_lossy(&errors);
        bail!("{program} failed ({}): {}", used.status, errors.trim());
    }
    let usage = used.rusage;
    #[expect(clippy::cast_precision_loss, reason = "a process has less than 4 PiB")]
    let peak_mebibytes = usage.maxrss as f64 / 1024.0 / 1024.0;
    let processor_milliseconds = (usage.utime + usage.stime).as_secs_f64() * 1e3;
    let cost =
        Cost { milliseconds: elapsed.as_secs_f64() * 1e3, processor_milliseconds, peak_mebibytes };
    Ok((cost, printed))
}

/// The medians of each figure.
pub(crate) fn medians(costs: &[Cost]) -> Cost {
    let median = |figure: fn(&Cost) -> f64| median(costs.iter().map(figure).collect());
    Cost {
        milliseconds: median(|cost| cost.milliseconds),
        processor_milliseconds: median(|cost| cost.processor_milliseconds),
        peak_mebibytes: median(|cost| cost.peak_mebibytes),
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(milliseconds: f64) -> Cost {
        Cost { milliseconds, processor_milliseconds: 1.0, peak_mebibytes: 1.0 }
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0, 2.0, 100.0]).to_bits(), 5.0_f64.to_bits());
    }

    #[test]
    fn a_case_that_fails_is_left_out_unless_it_is_needed() {
        let cases = || {
            let fine = Case { name: "fine".to_owned(), run: Box::new(|| Ok(cost(3.0))) };
            let broken = Case { name: "broken".to_owned(), run: Box::new(|| bail!("no")) };
            vec![fine, broken]
        };
        let measured = in_turns(cases(), 3, 1).expect("the first one is needed and fine");
        assert_eq!(measured, [("fine".to_owned(), cost(3.0))]);
        assert!(in_turns(cases(), 3, 2).is_err());
    }
}
