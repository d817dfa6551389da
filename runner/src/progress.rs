//! The progress of a run: bars on a terminal, one line for each change of state elsewhere, nothing
//! with `--quiet`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use core_engine::run::report::StepReport;
use core_engine::whole_run::{Part, Watcher};
use core_engine::{ProgressEvent, export_text};
use core_nexthink::ExportEvent;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Tells the user what the steps of a run are doing.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// Nothing.
    Quiet,
    /// Lines.
    Lines,
    /// Bars, by step.
    Bars(Bars),
}

/// One bar for each step that has begun.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bars(Arc<Mutex<BTreeMap<&'static str, ProgressBar>>>);

impl Progress {
    /// Bars if standard error is a terminal that can draw them, else lines.
    pub(crate) fn new(quiet: bool) -> Progress {
        if quiet {
            Progress::Quiet
        } else if output::draws_bars() {
            Progress::Bars(Bars::default())
        } else {
            Progress::Lines
        }
    }

    /// Returns the receiver of the engine's events.
    pub(crate) fn observer(&self) -> core_engine::Progress {
        let progress = self.clone();
        core_engine::Progress::new(move |event| progress.receive(&event))
    }

    fn receive(&self, event: &ProgressEvent<'_>) {
        match event {
            ProgressEvent::Export { step, event } => self.export(step, event),
            ProgressEvent::Applying { step } => self.applying(step),
            ProgressEvent::Applied(report) => self.applied(report),
            ProgressEvent::Publishing => self.tell("publish", "writing the generation"),
            ProgressEvent::Note { subject, message } => self.tell(subject, message),
        }
    }

    /// An export has gone on.
    fn export(&self, step: &'static str, event: &ExportEvent) {
        // A line for each chunk would be thousands.
        let is_chunk = matches!(event, ExportEvent::Downloading { .. });
        if !is_chunk || matches!(self, Progress::Bars(_)) {
            self.tell(step, &export_text(event));
        }
    }

    /// The rows of a step are being applied.
    fn applying(&self, step: &'static str) {
        if let Progress::Bars(bars) = self {
            bars.bar(step).set_message("applying");
        }
    }

    /// A step has ended.
    fn applied(&self, report: &StepReport) {
        let message = report.progress_text();
        match self {
            Progress::Bars(bars) => bars.bar(report.id).finish_with_message(message),
            _ => self.tell(report.id, &message),
        }
    }

    /// The run is over: bars go away, so that what is printed next stands alone.
    pub(crate) fn finish(&self) {
        if let Progress::Bars(bars) = self {
            let bars_by_step = bars.0.lock().unwrap_or_else(PoisonError::into_inner);
            for bar in bars_by_step.values() {
                bar.finish_and_clear();
                // A bar that stays known is drawn again, as an empty line, beneath what comes next.
                output::bars().remove(bar);
            }
        }
    }

    /// Something else has changed for a step.
    fn tell(&self, step: &'static str, message: &str) {
        match self {
            Progress::Quiet => {}
            Progress::Lines => output::note(&format!("{step}: {message}")),
            Progress::Bars(bars) => bars.bar(step).set_message(message.to_owned()),
        }
    }
}

/// Shows a run and its deliveries, one after the other.
pub(crate) struct Watching {
    is_quiet: bool,
    /// The progress of the present part.
    current: RefCell<Progress>,
}

impl Watching {
    /// Shows nothing yet.
    pub(crate) fn new(is_quiet: bool) -> Self {
        Self { is_quiet, current: RefCell::new(Progress::Quiet) }
    }
}

impl Watcher for Watching {
    fn note(&self, text: &str) {
        output::note(text);
    }

    fn begin(&self, _: Part) -> core_engine::Progress {
        let progress = Progress::new(self.is_quiet);
        let observer = progress.observer();
        self.current.replace(progress);
        observer
    }

    fn end(&self, _: Part) {
        self.current.replace(Progress::Quiet).finish();
    }
}

impl Bars {
    fn bar(&self, step: &'static str) -> ProgressBar {
        let mut by_step = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = by_step.entry(step).or_insert_with(|| {
            let bar = output::bars().add(ProgressBar::new_spinner());
            let style =
                ProgressStyle::with_template("{spinner} {prefix:<18} {elapsed:>4} {wide_msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.set_prefix(step);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.clone()
    }
}
