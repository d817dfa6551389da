//! The events that tell a caller about the progress of a run or a delivery.

use std::fmt;
use std::sync::Arc;

use core_nexthink::ExportEvent;
use core_terminal::bytes;

use crate::run::report::StepReport;

/// A change while the engine works.
#[derive(Debug)]
pub enum ProgressEvent<'a> {
    /// An export has made progress.
    Export {
        /// The step.
        step: &'static str,
        /// The event.
        event: &'a ExportEvent,
    },
    /// The rows of a step are being applied.
    Applying {
        /// The step.
        step: &'static str,
    },
    /// A step has ended.
    Applied(&'a StepReport),
    /// The generation is being written.
    Publishing,
    /// Something else has changed for a step or a destination.
    Note {
        /// The step or destination.
        subject: &'static str,
        /// The event in words.
        message: &'a str,
    },
}

/// Says in some words how an export has gone on.
pub fn export_text(event: &ExportEvent) -> String {
    match event {
        ExportEvent::Started { .. } => "export started".to_owned(),
        ExportEvent::Resumed { .. } => "export of an earlier run taken up".to_owned(),
        ExportEvent::StateChanged { state, .. } => format!("export {state}"),
        ExportEvent::Downloaded { bytes: size } => format!("downloaded {}", bytes(*size)),
        ExportEvent::Downloading { bytes: size, total } => {
            let total = total.map_or(String::new(), |total| format!(" of {}", bytes(total)));
            format!("downloading {}{total}", bytes(*size))
        }
    }
}

/// Receives the events of one run or delivery. It is called from several threads and must not block.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(ProgressEvent<'_>) + Send + Sync>);

impl Progress {
    /// Passes every event to `receive`.
    pub fn new(receive: impl Fn(ProgressEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    /// Drops every event.
    pub fn none() -> Self {
        Self::new(|_| ())
    }

    pub(crate) fn export(&self, step: &'static str, event: &ExportEvent) {
        (self.0)(ProgressEvent::Export { step, event });
    }

    pub(crate) fn applying(&self, step: &'static str) {
        (self.0)(ProgressEvent::Applying { step });
    }

    pub(crate) fn applied(&self, report: Option<&StepReport>) {
        if let Some(report) = report {
            (self.0)(ProgressEvent::Applied(report));
        }
    }

    pub(crate) fn publishing(&self) {
        (self.0)(ProgressEvent::Publishing);
    }

    pub(crate) fn tell(&self, subject: &'static str, message: &str) {
        (self.0)(ProgressEvent::Note { subject, message });
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Progress")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn an_export_is_told_in_sizes_and_never_by_its_id() {
        let export_id: core_nexthink::ExportId = "0a1b".parse().expect("it is an ID");
        for (event, expected) in [
            (ExportEvent::Started { export_id: export_id.clone() }, "export started"),
            (ExportEvent::Resumed { export_id }, "export of an earlier run taken up"),
            (ExportEvent::Downloaded { bytes: 1_500 }, "downloaded 1.5 KB"),
            (ExportEvent::Downloading { bytes: 1_500, total: None }, "downloading 1.5 KB"),
            (
                ExportEvent::Downloading { bytes: 1_500, total: Some(3_000_000) },
                "downloading 1.5 KB of 3.0 MB",
            ),
        ] {
            assert_eq!(export_text(&event), expected);
        }
    }

    #[test]
    fn events_are_received_in_the_order_in_which_they_happen() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        let progress = Progress::new(move |event| {
            kept.lock().expect("nothing panics").push(match event {
                ProgressEvent::Applying { step } => format!("applying {step}"),
                ProgressEvent::Applied(report) => format!("applied {}", report.id),
                ProgressEvent::Publishing => "publishing".to_owned(),
                ProgressEvent::Note { subject, message } => format!("{subject}: {message}"),
                ProgressEvent::Export { step, .. } => format!("export of {step}"),
            });
        });
        progress.applying("fetch-devices");
        // A step that did not have to run has no report, which makes no event.
        progress.applied(None);
        progress.applied(Some(&StepReport { id: "fetch-devices", ..StepReport::default() }));
        progress.tell("jupiterone", "it waits");
        progress.clone().publishing();
        let expected = [
            "applying fetch-devices",
            "applied fetch-devices",
            "jupiterone: it waits",
            "publishing",
        ];
        assert_eq!(*told.lock().expect("nothing panics"), expected);
    }
}
